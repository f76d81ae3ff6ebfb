"""What people may write: deeds, rows before and after, fields, links, deletions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from builder.kernel.canonical import parse_json
from tests.support.rights_app import definition
from tests.support.service import pointers, problem
from tests.support.trading import Trading

pytestmark = pytest.mark.anyio


async def test_a_new_record_is_its_makers(trading: Trading) -> None:
    wang = trading["wang"]
    made = await wang.create("customer", name="delta", level="B")
    assert made["owner"] == trading.users["wang"]
    assert "secret" not in made
    taken = await wang.try_create("customer", {"name": "eps", "owner": trading.users["li"]})
    assert set(pointers(problem(taken, "access.denied"))) == {""}
    own = await wang.try_create("customer", {"name": "eps", "owner": trading.users["wang"]})
    assert pointers(problem(own, "access.denied")) == {"/owner": "fixed"}  # given, though it is what it would be
    unknown = await wang.try_create("customer", {"name": "eps", "secret": "x"})
    assert pointers(problem(unknown, "request.unknown_name")) == {"/secret": "unknown"}
    note = await wang.try_create("note", {"text": "x"})
    problem(note, "entity.not_found")


async def test_only_rows_and_fields_that_may_be_written(trading: Trading) -> None:
    wang, ids = trading["wang"], trading.ids
    changed = await wang.change("customer", ids["alpha"], region="华南")
    assert changed["region"] == "华南"
    problem(await wang.patch("customer", ids["gamma"], {"name": "x"}), "record.not_found")
    seen = problem(await wang.patch("customer", ids["beta"], {"name": "x"}), "access.denied")
    assert pointers(seen) == {"": "rows"}
    fixed = problem(await wang.patch("customer", ids["alpha"], {"limit": 1}), "access.denied")
    assert pointers(fixed) == {"/limit": "fixed"}
    away = problem(await wang.patch("customer", ids["alpha"], {"owner": trading.users["li"]}), "access.denied")
    assert pointers(away) == {"/owner": "fixed"}
    money = trading["money"]
    assert (await money.change("order", ids["alpha won"], amount=99))["amount"] == 99
    problem(await money.patch("order", ids["alpha won"], {"title": "y"}), "access.denied")
    problem(await money.patch("customer", ids["alpha"], {"name": "y"}), "access.denied")
    problem(await money.try_create("order", {"title": "new"}), "access.denied")
    problem(await money.delete("order", ids["alpha won"]), "access.denied")


async def test_a_stale_revision_of_a_hidden_record_is_no_news(trading: Trading) -> None:
    problem(
        await trading["wang"].patch("customer", trading.ids["gamma"], {"name": "x"}, if_match='"9"'), "record.not_found"
    )
    problem(await trading["wang"].delete("order", trading.ids["gamma won"], if_match='"9"'), "record.not_found")


async def test_what_comes_back_as_it_was_seen_changes_nothing(trading: Trading) -> None:
    root, both = trading["root"], trading["both"]
    seen = await both.get("customer", trading.ids["beta"])
    assert seen["phone"] == "138****1232"
    await root.change("customer", trading.ids["beta"], owner=trading.users["both"])
    answer = await both.patch("customer", trading.ids["beta"], {"phone": seen["phone"], "region": "东"})
    assert answer.status_code in (200, 422), answer.text
    assert (await root.get("customer", trading.ids["beta"]))["phone"] == "13800001232"


async def test_a_link_leads_only_to_what_is_seen(trading: Trading) -> None:
    wang, ids = trading["wang"], trading.ids
    made = await wang.create("order", title="fine", customer=ids["alpha"])
    nowhere = "00000000-0000-7000-8000-000000000001"
    answers = []
    for target in (ids["gamma"], nowhere):
        created = await wang.try_create("order", {"title": "bad", "customer": target})
        changed = await wang.patch("order", str(made["id"]), {"customer": target})
        answers.append([(r.status_code, _plain(r.content, target)) for r in (created, changed)])
    assert answers[0] == answers[1]
    assert answers[0][0][0] == 422
    assert len(await wang.page("order")) == 3


async def test_a_record_may_not_leave_its_rows(trading: Trading) -> None:
    ids = trading.ids
    moved = await trading["wang"].patch("order", ids["alpha won"], {"customer": ids["beta"]})
    assert pointers(problem(moved, "access.denied")) == {"": "rows"}
    assert (await trading["root"].get("order", ids["alpha won"]))["customer"] == ids["alpha"]


async def test_a_batch_needs_the_right_to_one(trading: Trading) -> None:
    body = {"create": [{"name": "x"}]}
    problem(await trading["wang"].send("POST", "records/customer/batch", body), "access.denied")
    made = await trading["boss"].send(
        "POST", "records/customer/batch", {"create": [{"name": "x", "department": trading.departments["east"]}]}
    )
    assert made.status_code == 201, made.text
    outside = {"create": [{"name": "x", "department": trading.departments["office"]}]}
    problem(await trading["boss"].send("POST", "records/customer/batch", outside), "access.denied")


async def test_a_duplicate_tells_what_the_role_lets_it_tell(trading: Trading) -> None:
    taken = await trading["wang"].try_create("customer", {"name": "mine", "phone": "13800001233"})
    document = problem(taken, "record.invalid")
    (error,) = document["errors"]
    assert error["code"] == "unique"
    assert "record_id" not in error["params"]
    assert error["params"]["told"] == {"owner": "zhao"}
    assert "zhao" in error["detail"]
    own = await trading["wang"].try_create("customer", {"name": "mine", "phone": "13800001231"})
    assert problem(own, "record.invalid")["errors"][0]["params"]["record_id"] == trading.ids["alpha"]


async def test_a_duplicate_takes_no_mask_off(trading: Trading) -> None:
    """Beta is seen with a masked phone: that its phone was guessed is not said, only that there is one."""
    wang = trading["wang"]
    assert (await wang.get("customer", trading.ids["beta"]))["phone"] == "138****1232"
    document = problem(await wang.try_create("customer", {"name": "x", "phone": "13800001232"}), "record.invalid")
    assert document["errors"][0]["params"] == {"fields": ["phone"], "told": {"owner": "li"}}
    assert trading.ids["beta"] not in str(document)


@pytest.mark.parametrize("name, phone", [("gamma", "13800001233"), ("beta", "13800001232")])
async def test_an_upsert_meets_a_hidden_record_as_a_new_one_does(trading: Trading, name: str, phone: str) -> None:
    root, wang = trading["root"], trading["wang"]
    document = definition()
    document["roles"][0]["grants"][0]["may"] = ["read", "create", "update", "bulk"]
    root.publish(document)
    before = root.fingerprint()
    row = {"name": "mine", "phone": phone}
    made = problem(await wang.try_create("customer", row), "record.invalid")
    batch = {"upsert": {"by": ["phone"], "records": [row]}}
    met = await wang.send("POST", "records/customer/batch", batch)
    [error] = problem(met, "record.invalid")["errors"]
    assert (error["code"], error["params"]) == ("unique", made["errors"][0]["params"])
    assert trading.ids[name] not in met.text
    assert root.fingerprint() == before


async def test_what_is_only_tried_tells_of_nothing_that_is_hidden(trading: Trading) -> None:
    """With an order a note loses what it points to; sellers do not see notes."""
    document = definition()
    document["entities"][2]["fields"][1]["on_delete"] = "set_null"
    trading["root"].publish(document)
    order = trading.ids["alpha open"]
    await trading["root"].create("note", text="x", order=order)
    told = {}
    for who in ("root", "wang"):
        reply = await trading[who].send("DELETE", f"records/order/{order}?dry_run=true")
        assert reply.status_code == 200, reply.text
        told[who] = {effect["entity"] for effect in reply.json()["meta"]["effects"]}
    assert told == {"root": {"order", "note"}, "wang": {"order"}}


async def test_unique_sets_of_hidden_fields_are_not_listed(trading: Trading) -> None:
    document = definition()
    customer = document["entities"][0]
    next(each for each in customer["fields"] if each["key"] == "secret")["unique"] = True
    document["roles"][0]["grants"][0]["may"] = ["read", "create", "update", "bulk"]
    trading["root"].publish(document)
    answers = []
    for key in ("secret", "nope"):
        batch = {"upsert": {"by": [key], "records": [{"name": "x"}]}}
        reply = await trading["wang"].send("POST", "records/customer/batch", batch)
        answers.append(str(problem(reply, "query.invalid")["detail"]))
    assert answers[0] == answers[1]
    assert "secret" not in answers[0]


@pytest.mark.parametrize(
    "write", [lambda i: "０" + i[1:], lambda i: i.replace("-", ""), lambda i: i + " ", lambda i: "{" + i + "}"]
)
async def test_an_id_has_one_way_of_writing_besides_its_case(trading: Trading, write: Callable[[str], str]) -> None:
    alpha = trading.ids["alpha"]
    assert (await trading["wang"].get("customer", alpha.upper()))["id"] == alpha
    problem(await trading["wang"].send("GET", f"records/customer/{write(alpha)}"), "record.not_found")


async def test_what_follows_a_deletion_needs_the_right_as_well(trading: Trading) -> None:
    await trading["root"].create("note", text="x", order=trading.ids["alpha won"])
    refused = problem(await trading["wang"].delete("order", trading.ids["alpha won"]), "record.referenced")
    assert "references" not in refused
    assert "Note" not in str(refused)
    gone = await trading["wang"].delete("order", trading.ids["alpha open"])
    assert gone.status_code == 204


def _plain(content: bytes, target: str) -> object:
    document = parse_json(content.decode().replace(target, "…").encode())
    return {key: value for key, value in document.items() if key != "instance"}
