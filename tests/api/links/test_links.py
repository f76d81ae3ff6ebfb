"""``multi_reference``: links are written whole or in part, read from both sides, filtered, counted, told of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.service import pointers, problem

pytestmark = pytest.mark.anyio
JSON = Any


async def people(desk: Desk, *names: str) -> list[str]:
    return [(await desk.create("seller", name=name, level=n + 1))["id"] for n, name in enumerate(names)]


async def test_links_are_written_whole_and_read_as_ids_in_their_order(shared: Desk) -> None:
    a, b, c = await people(shared, "a", "b", "c")
    made = await shared.create(
        "customer", name="x", sellers=[c, {"id": a, "attributes": {"part": "main", "share": 60}}]
    )
    assert made["sellers"] == [c, a]
    assert (made["given"], made["best"], made["main"]) == (70, 3, "a")
    again = await shared.change("customer", made["id"], sellers=[a, b])
    assert (again["sellers"], again["revision"], again["given"]) == ([a, b], 2, 70)  # a keeps its share
    same = await shared.change("customer", made["id"], sellers=[b, a])
    assert same["revision"] == 2  # the same set is no change
    gone = await shared.change("customer", made["id"], sellers=[])
    assert (gone["sellers"], gone["given"], gone["best"]) == ([], 0, None)
    none = await shared.change("customer", made["id"], sellers=None)
    assert none["revision"] == gone["revision"]


async def test_links_are_added_and_removed_without_saying_the_rest(shared: Desk) -> None:
    a, b, c = await people(shared, "a", "b", "c")
    made = await shared.create("customer", name="x", sellers={"add": [a]})
    changed = await shared.change("customer", made["id"], sellers={"add": [b, a], "remove": [c]})
    assert changed["sellers"] == [a, b]
    changed = await shared.change(
        "customer", made["id"], sellers={"add": [{"id": b, "attributes": {"share": 5}}], "remove": [a]}
    )
    assert (changed["sellers"], changed["given"]) == ([b], 5)


async def test_links_are_shown_expanded_with_their_attributes(shared: Desk) -> None:
    a, b = await people(shared, "a", "b")
    made = await shared.create(
        "customer", name="x", sellers=[{"id": a, "attributes": {"part": "main", "share": 60}}, b]
    )
    found = await shared.get("customer", made["id"], expand="sellers")
    assert [(s["id"], s["name"], s["attributes"]) for s in found["sellers"]] == [
        (a, "a", {"part": "main", "share": 60}),
        (b, "b", {"part": None, "share": 10}),
    ]
    found = await shared.get("customer", made["id"], fields="sellers.name,sellers.share")
    assert found["sellers"][0] == {"id": a, "name": "a", "attributes": {"share": 60}}
    back = await shared.change(
        "customer", made["id"], sellers=(await shared.get("customer", made["id"], expand="sellers"))["sellers"]
    )
    assert back["revision"] == 1  # what was read may be sent back
    listed = await shared.page("customer", expand="sellers")
    assert listed[0]["sellers"][1]["name"] == "b"


async def test_expanded_links_take_their_own_filter_order_and_limit(shared: Desk) -> None:
    ids = await people(shared, "a", "b", "c")
    links = [{"id": one, "attributes": {"share": share}} for one, share in zip(ids, (30, 10, 20), strict=True)]
    await shared.create("customer", name="x", sellers=links)
    expand = {"path": "sellers", "filter": "share > 10", "sort": ["-share"], "fields": ["name"]}
    (found,) = await shared.every("customer", expand=[expand])
    assert [s["name"] for s in found["sellers"]] == ["a", "c"]
    (found,) = await shared.every("customer", expand=[{**expand, "filter": {"name": {"_in": ["a", "b"]}}, "limit": 1}])
    assert [s["name"] for s in found["sellers"]] == ["a"]


async def test_filters_look_through_links(shared: Desk) -> None:
    a, b, c = await people(shared, "a", "b", "c")
    await shared.create("customer", name="x", sellers=[a, {"id": b, "attributes": {"share": 50, "part": "co"}}])
    await shared.create("customer", name="y", sellers=[b])
    await shared.create("customer", name="z")

    async def names(condition: JSON) -> list[str]:
        return sorted(row["name"] for row in await shared.every("customer", filter=condition))

    assert await names({"sellers": {"_has": b}}) == ["x", "y"]
    assert await names({"sellers": {"_in": [a, c]}}) == ["x"]
    assert await names({"sellers": {"_has_all": [a, b]}}) == ["x"]
    assert await names({"sellers": {"_has_none": [a]}}) == ["y", "z"]
    assert await names({"sellers": {"_empty": True}}) == ["z"]
    assert await names({"sellers": {"_some": {"share": {"_gt": 20}, "name": "b"}}}) == ["x"]
    assert await names({"sellers": {"_some": {"_formula": "share * 2 > 40", "name": "b"}}}) == ["x"]
    assert await names({"sellers": {"_some": {"_formula": "share + level > 20 AND LEN(this.name) = 1"}}}) == ["x"]
    assert await names({"sellers.level": {"_gte": 2}}) == ["x", "y"]
    assert await names({"sellers": {"_all": {"level": 2}}}) == ["y", "z"]
    assert await names('EXISTS(sellers, part = "co" AND name = "b")') == ["x"]
    assert await names("SUM(sellers.share) = 10") == ["y"]
    assert await names(f'COUNT(sellers, id = "{a}") = 1') == ["x"]
    wrong = await shared.query("customer", filter={"sellers": {"_some": {"shar": 1}}})
    assert "share" in problem(wrong, "request.unknown_name")["errors"][0]["detail"]


async def test_the_other_side_reads_filters_and_counts(shared: Desk) -> None:
    a, b = await people(shared, "a", "b")
    x = await shared.create("customer", name="x", sellers=[a, {"id": b, "attributes": {"share": 50}}])
    await shared.create("customer", name="y", sellers=[b])
    found = await shared.get("seller", b, expand="customers")
    assert [(c["name"], c["attributes"]["share"]) for c in found["customers"]] == [("x", 50), ("y", 10)]
    assert (found["load"], found["weight"]) == (2, 60)
    assert [row["name"] for row in await shared.every("seller", filter='COUNT(customers, name = "y") = 1')] == ["b"]
    assert [
        row["name"] for row in await shared.every("seller", filter={"customers": {"_has": x["id"]}}, sort=["name"])
    ] == ["a", "b"]
    refused = await shared.patch("seller", a, {"customers": []})
    assert pointers(problem(refused, "record.invalid")) == {"/customers": "read_only"}
    await shared.change("customer", x["id"], sellers=[a])
    assert ((await shared.get("seller", b))["load"], (await shared.get("seller", a))["weight"]) == (1, 10)


async def test_what_is_computed_over_links_follows_them_and_what_they_lead_to(shared: Desk) -> None:
    a, b = await people(shared, "a", "b")
    p = await shared.create("product", name="p", price=5)
    made = await shared.create("customer", name="x", sellers=[a, b], products=[p["id"]])
    assert (made["best"], made["priced"]) == (2, 5)
    await shared.change("seller", a, level=9)
    await shared.change("product", p["id"], price=7)
    found = await shared.get("customer", made["id"])
    assert (found["best"], found["priced"]) == (9, 7)
    groups = await shared.send(
        "POST",
        "records/customer/aggregate",
        {"measures": {"all": {"sum": "sellers.share"}, "n": {"count": "*"}}},
    )
    assert groups.json()["data"] == [{"all": 20, "n": 1}]


async def test_wrong_links_are_named_where_they_stand(shared: Desk) -> None:
    (a,) = await people(shared, "a")
    nowhere = "0193f7a0-1b2c-7d3e-8f40-112233445566"
    body = {"name": "x", "sellers": [{"id": a, "attributes": {"share": 101}}, nowhere]}
    refused = await shared.try_create("customer", body)
    assert pointers(problem(refused, "record.invalid")) == {
        "/sellers/0/attributes/share": "maximum",
        "/sellers/1": "reference",
    }
    refused = await shared.try_create("customer", {"name": "x", "sellers": [a, nowhere]})
    assert pointers(problem(refused, "record.invalid")) == {"/sellers/1": "reference"}
    made = await shared.create("customer", name="x", sellers=[a])
    refused = await shared.patch("customer", made["id"], {"sellers": {"add": [nowhere]}})
    assert pointers(problem(refused, "record.invalid")) == {"/sellers/add/0": "reference"}
    refused = await shared.patch("customer", made["id"], {"sellers": [{"id": a, "attributes": {"_source": a}}]})
    assert pointers(problem(refused, "request.unknown_name")) == {"/sellers": "unknown"}
    wrongs: list[Any] = [5, {"ad": []}, ["x"], [a, a]]
    for wrong in wrongs:
        refused = await shared.patch("customer", made["id"], {"sellers": wrong})
        assert list(pointers(problem(refused, "record.invalid"))) == ["/sellers"], wrong
    assert (await shared.get("customer", made["id"]))["revision"] == 1


async def test_histories_tell_of_links(shared: Desk) -> None:
    a, b = await people(shared, "a", "b")
    made = await shared.create("customer", name="x", sellers=[a], allies=[])
    await shared.change("customer", made["id"], sellers=[{"id": b, "attributes": {"share": 1}}])
    told = [event["changes"].get("sellers") for event in await shared.timeline("customer", made["id"])]
    one = {"id": a, "attributes": {"part": None, "share": 10}}
    two = {"id": b, "attributes": {"part": None, "share": 1}}
    assert told == [[[one], [two]], [None, [one]]]
    assert {event["entity"] for event in await shared.feed()} == {"customer", "seller"}


async def test_if_match_guards_links_too(shared: Desk) -> None:
    (a,) = await people(shared, "a")
    made = await shared.create("customer", name="x")
    await shared.change("customer", made["id"], sellers=[a])
    refused = await shared.patch("customer", made["id"], {"sellers": []}, **{"if-match": '"1"'})
    problem(refused, "record.changed")


async def test_items_of_a_batch_link_to_each_other(shared: Desk) -> None:
    orders = [
        {"verb": "create", "entity": "seller", "name": "s", "record": {"name": "s"}},
        {"verb": "create", "entity": "customer", "name": "c", "record": {"name": "c", "sellers": [{"$ref": "s"}]}},
        {
            "verb": "create",
            "entity": "customer",
            "record": {
                "name": "d",
                "sellers": {"add": [{"id": {"$ref": "s"}, "attributes": {"share": 3}}]},
                "allies": [{"$ref": "c"}],
            },
        },
    ]
    reply = await shared.send("POST", "batch", {"items": orders})
    assert reply.status_code == 201, reply.text
    found = {row["name"]: row for row in await shared.every("customer", expand=[{"path": "sellers"}])}
    assert found["d"]["sellers"][0]["attributes"]["share"] == 3
    assert found["d"]["allies"] == [found["c"]["id"]]


async def test_links_themselves_are_no_entity(shared: Desk) -> None:
    for path in ("records/customer.sellers", "records/customer.sellers:_target"):
        problem(await shared.send("GET", path), "entity.not_found")
    schema = (await shared.send("GET", "openapi.json")).json()
    assert not [path for path in schema["paths"] if "customer.sellers" in path]


async def test_a_reading_of_many_records_is_one_statement(shared: Desk) -> None:
    a, b = await people(shared, "a", "b")
    for n in range(5):
        await shared.create("customer", name=f"c{n}", sellers=[a, b])
    asked: list[int] = []
    database = shared.service.app.services.database
    original = database.read

    async def counting(make: Any, **options: Any) -> Any:
        def counted() -> Any:
            unit = make()
            answer = None
            while True:
                try:
                    query = unit.send(answer)
                except StopIteration as end:
                    return end.value
                asked.append(1)
                answer = yield query

        return await original(counted, **options)

    database.read = counting  # type: ignore[method-assign]
    for limit in (1, 5):
        asked.clear()
        assert len(await shared.page("customer", expand="sellers", limit=limit)) == limit
        assert len(asked) == 1
