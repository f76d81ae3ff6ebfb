"""What goes around lists and records: files, streams and pages that wait, cursors of others, under roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.contents import png
from tests.support.desk import publish_definition
from tests.support.filled import Filled
from tests.support.query_app import field
from tests.support.rights_app import APP, definition
from tests.support.service import bearer, problem
from tests.support.streaming import Stream, streaming
from tests.support.trading import Trading, open_trading

JSON = Any
pytestmark = pytest.mark.anyio


@pytest.fixture
async def papers(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Trading]:
    """The trade app where customers have papers, and others that no seller sees."""
    document = definition()
    customer = next(entity for entity in document["entities"] if entity["key"] == "customer")
    customer["trash"] = True
    customer["fields"] += [field("papers", "file"), field("contract", "file"), field("code", "barcode")]
    seller = next(role for role in document["roles"] if role["key"] == "seller")
    seller["grants"][0]["hidden"].append("contract")
    seller["grants"][0]["may"].append("delete")
    async with open_trading(filled, tmp_path / "files", document) as made:
        yield made


async def upload(trading: Trading, who: str, content: bytes = b"%PDF-1.4 x", name: str = "x.pdf") -> str:
    headers = {"content-disposition": f'attachment; filename="{name}"', "content-type": "application/octet-stream"}
    reply = await trading[who].send("POST", "files", content=content, headers=headers)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["data"]["id"])


async def status(trading: Trading, who: str, file_id: str, query: str = "", **headers: str) -> int:
    reply = await trading[who].send("GET", f"files/{file_id}{query}", headers=headers)
    if reply.status_code != 200:
        assert reply.json()["code"] in ("file.not_found", "app.not_found")
    return reply.status_code


# -- files ----------------------------------------------------------------------------------------------------------------


async def test_a_file_is_seen_with_a_field_that_is_seen_of_a_record_that_is_seen(papers: Trading) -> None:
    picture = await upload(papers, "root", png(), "x.png")
    secret, beyond = await upload(papers, "root"), await upload(papers, "root")
    root, ids = papers["root"], papers.ids
    await root.change("customer", ids["alpha"], papers=[picture], contract=[secret])
    await root.change("customer", ids["beta"], papers=[beyond])
    assert await status(papers, "wang", picture) == 200
    assert await status(papers, "wang", picture, "?thumbnail=320") == 200
    etag = (await papers["wang"].send("GET", f"files/{picture}")).headers["etag"]
    for query, headers in (
        ("", {}),
        ("?thumbnail=320", {}),
        ("", {"range": "bytes=0-1"}),
        ("", {"if-none-match": etag}),
    ):
        assert await status(papers, "wang", secret, query, **headers) == 404  # the field is hidden
        assert await status(papers, "wang", beyond, query, **headers) == 404  # of beta he sees name and phone
        assert await status(papers, "zhao", picture, query, **headers) == 404  # the record is hidden
        assert await status(papers, "nobody", picture, query, **headers) == 404
    kept = (await papers["wang"].send("GET", f"files/{picture}")).headers["cache-control"]
    assert "no-cache" in kept  # whoever is next at this browser is asked who they are


async def test_a_file_goes_with_the_right_and_with_the_record(papers: Trading) -> None:
    held = await upload(papers, "root")
    root, alpha = papers["root"], papers.ids["alpha"]
    await root.change("customer", alpha, papers=[held])
    assert await status(papers, "wang", held) == 200
    await root.change("customer", alpha, owner=papers.users["zhao"])
    assert (await status(papers, "wang", held), await status(papers, "zhao", held)) == (404, 200)
    for title in ("alpha won", "alpha open"):
        await root.delete("order", papers.ids[title])
    assert (await root.delete("customer", alpha)).status_code == 204
    assert await status(papers, "zhao", held) == 404  # it lies in the trash
    assert (await root.send("POST", f"records/customer/{alpha}/restore")).status_code == 200
    assert await status(papers, "zhao", held) == 200


async def test_an_id_that_was_seen_gives_no_right_to_a_file(papers: Trading) -> None:
    unused, hidden = await upload(papers, "li"), await upload(papers, "root")
    await papers["root"].change("customer", papers.ids["gamma"], papers=[hidden])
    absent = "01890000-0000-7000-8000-000000000000"
    answers = []
    for stolen in (unused, hidden, absent):
        assert await status(papers, "wang", stolen) == 404
        reply = await papers["wang"].patch("customer", papers.ids["alpha"], {"papers": [stolen]})
        answers.append(str(problem(reply, "record.invalid")["errors"]).replace(stolen, "ID"))
    assert len(set(answers)) == 1  # somebody else's, one that is hidden, none at all
    own = await upload(papers, "wang")
    assert await status(papers, "wang", own) == 200
    assert await status(papers, "li", own) == 404


async def test_who_does_not_see_the_app_uploads_nothing_and_keeps_nothing(papers: Trading) -> None:
    content: JSON = {"content": b"%PDF-1.4 x", "headers": {"content-type": "application/pdf"}}
    hidden = problem(await papers["nobody"].send("POST", "files", **content), "app.not_found")
    absent = problem(await papers["nobody"].client.post("/api/elsewhere/files", **content), "app.not_found")
    assert hidden["detail"].replace(APP, "elsewhere") == absent["detail"]
    own = await upload(papers, "wang")
    grants = papers.service.identity.grants
    for grant in [grant for grant in grants.list_grants(APP) if grant.subject == papers.users["wang"]]:
        grants.take(APP, grant.id)
    assert await status(papers, "wang", own) == 404


async def test_a_code_is_drawn_only_of_what_is_seen(papers: Trading) -> None:
    await papers["root"].change("customer", papers.ids["beta"], code="secret")
    path = f"records/customer/{papers.ids['beta']}/code/qr.svg"
    assert (await papers["root"].send("GET", path)).status_code == 200
    problem(await papers["wang"].send("GET", path), "file.not_found")  # blank as he sees it
    problem(await papers["zhao"].send("GET", path.replace(papers.ids["beta"], papers.ids["alpha"])), "record.not_found")


# -- streams --------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def follow(trading: Trading, who: str) -> AsyncIterator[Stream]:
    await trading["root"].settle()  # what was filled in before is no news
    credentials = bearer(trading.service.session_of(who))
    async with streaming(trading.service.app, f"/api/{APP}/events/stream", credentials) as stream:
        yield stream


async def test_a_stream_shows_rows_and_fields_as_a_list_does_CVE_2023_38503_CVE_2024_54151(trading: Trading) -> None:
    root, ids = trading["root"], trading.ids
    async with follow(trading, "wang") as stream:
        await root.change("customer", ids["gamma"], name="hidden")
        await root.change("order", ids["gamma won"], amount=1)
        await root.change("customer", ids["beta"], limit=5, phone="13800001239")
        await root.change("customer", ids["alpha"], secret="s", name="Alpha")
        found = await stream.events(2)
    assert [event["record_id"] for event in found] == [ids["beta"], ids["alpha"]]
    assert found[0]["changes"] == {"phone": ["138****1232", "138****1239"]}
    assert found[1]["changes"] == {"name": ["alpha", "Alpha"]}


async def test_a_record_that_leaves_reach_is_silent_from_then_on(trading: Trading) -> None:
    root, ids = trading["root"], trading.ids
    async with follow(trading, "wang") as stream, follow(trading, "zhao") as other:
        await root.change("customer", ids["alpha"], region="1")
        assert (await stream.events(1))[0]["changes"] == {"region": ["华东", "1"]}
        await root.change("customer", ids["alpha"], owner=trading.users["zhao"])
        await root.change("customer", ids["alpha"], region="2")
        await root.change("order", ids["alpha open"], title="elsewhere")
        await root.create("customer", name="next", owner=trading.users["wang"])
        assert (await stream.events(1))[0]["changes"]["name"] == [None, "next"]
        assert {event["record_id"] for event in await other.events(3)} == {ids["alpha"], ids["alpha open"]}
    problem(await trading["wang"].send("GET", f"records/customer/{ids['alpha']}/timeline"), "record.not_found")
    assert ids["alpha"] not in {event["record_id"] for event in await trading["wang"].feed()}


async def test_other_roles_count_at_once_in_an_open_stream(trading: Trading) -> None:
    grants, root, ids = trading.service.identity.grants, trading["root"], trading.ids
    async with follow(trading, "both") as stream:
        await root.change("customer", ids["gamma"], limit=301)
        assert (await stream.events(1))[0]["changes"] == {"limit": [300, 301]}
        mine = [grant for grant in grants.list_grants(APP) if grant.subject == trading.users["both"]]
        grants.take(APP, next(grant.id for grant in mine if grant.role == "finance"))
        await root.change("customer", ids["gamma"], limit=302)
        await root.change("customer", ids["beta"], name="Beta")
        assert (await stream.events(1))[0]["record_id"] == ids["beta"]  # a seller sees no more of gamma
        grants.take(APP, next(grant.id for grant in mine if grant.role == "seller"))
        ended = await stream.event()
    assert (ended["event"], ended["code"]) == ("end", "app.not_found")


async def test_moving_and_deactivating_people_counts_in_an_open_stream(trading: Trading) -> None:
    users, root, ids = trading.service.identity.users, trading["root"], trading.ids
    async with follow(trading, "eastboss") as stream:
        await root.change("customer", ids["alpha"], region="1")
        assert len(await stream.events(1)) == 1
        users.update_user(trading.users["eastboss"], {"department_id": trading.departments["west"]})
        await root.change("customer", ids["alpha"], region="2")
        await root.change("customer", ids["gamma"], region="3")
        assert (await stream.events(1))[0]["record_id"] == ids["gamma"]
        users.update_user(trading.users["eastboss"], {"active": False})
        ended = await stream.event()
    assert (ended["event"], ended["code"]) == ("end", "auth.required")


async def test_a_page_that_waits_asks_again_who_waits(trading: Trading) -> None:
    wang, root, ids = trading["wang"], trading["root"], trading.ids
    await wang.settle()
    after = (await wang.send("GET", "events", params={"limit": 500})).json()["meta"]["after"]
    await root.change("customer", ids["gamma"], name="hidden")
    waiting = asyncio.create_task(wang.send("GET", "events", params={"after": after, "wait": 20}))
    await root.change("customer", ids["alpha"], name="Alpha")
    page = (await waiting).json()["data"]
    assert [event["record_id"] for event in page] == [ids["alpha"]]
    for query in ({"record": ids["gamma"]}, {"entity": "customer", "record": ids["gamma"]}):
        assert (await wang.send("GET", "events", params=query)).json()["data"] == []
    problem(await wang.send("GET", "events", params={"entity": "note"}), "entity.not_found")


# -- cursors --------------------------------------------------------------------------------------------------------------


async def test_a_cursor_is_a_place_and_no_right(trading: Trading) -> None:
    async def ask(who: str, **params: str) -> Any:
        reply = await trading[who].send("GET", "records/customer", params={"sort": "name", "limit": "1", **params})
        assert reply.status_code == 200, reply.text
        return reply.json()

    all_names = (await ask("money"))["meta"]["next_cursor"]
    assert [row["name"] for row in (await ask("wang", cursor=all_names, limit="9"))["data"]] == ["beta"]
    hers = (await ask("wang"))["meta"]["next_cursor"]
    assert [row["name"] for row in (await ask("zhao", cursor=hers, limit="9"))["data"]] == ["beta", "gamma"]
    filtered = (await ask("wang", filter='level = "B"', limit="9", cursor=hers))["data"]
    assert filtered == []  # a filter of its own holds behind the place
    masked = await ask("wang", sort="-phone")
    assert "13800001232" not in str(masked["meta"])
    for other in ("-name", "name,phone", "phone"):
        problem(
            await trading["wang"].send("GET", "records/customer", params={"sort": other, "cursor": hers}),
            "query.cursor",
        )
    hidden = (await ask("root", sort="secret"))["meta"]["next_cursor"]
    asked = {"sort": "secret", "cursor": hidden}
    problem(await trading["wang"].send("GET", "records/customer", params=asked), "request.unknown_name")


async def test_a_key_repeats_only_what_its_owner_was_told_CVE_2021_23178(trading: Trading) -> None:
    wang, ids = trading["wang"], trading.ids
    key = {"idempotency-key": "k1"}
    body = {"name": "mine", "region": "x"}
    first = await wang.try_create("customer", body, headers=key)
    assert first.status_code == 201
    for other in ("li", "both", "root"):
        reply = await trading[other].try_create("customer", body, headers=key)
        assert reply.status_code == 201
        assert reply.json()["data"]["id"] != first.json()["data"]["id"]
    await trading["root"].change("customer", first.json()["data"]["id"], owner=trading.users["zhao"], secret="new")
    again = await wang.try_create("customer", body, headers=key)
    assert again.content == first.content  # what was said then; nothing that is newer
    changed = await wang.patch("customer", ids["alpha"], {"region": "y"}, idempotency_key="k2")
    assert changed.status_code == 200
    grants = trading.service.identity.grants
    for grant in [grant for grant in grants.list_grants(APP) if grant.subject == trading.users["wang"]]:
        grants.take(APP, grant.id)
    problem(await wang.patch("customer", ids["alpha"], {"region": "y"}, idempotency_key="k2"), "app.not_found")
    problem(await wang.try_create("customer", body, headers=key), "app.not_found")


async def test_a_sheet_finds_only_records_that_are_seen(trading: Trading) -> None:
    grants, root = trading.service.identity.grants, trading["root"]
    document = definition()
    document["roles"][0]["grants"][2]["may"] += ["import"]
    publish_definition(trading.service.app.services.registry, document)
    assert grants.list_grants(APP)
    sheet = b"title,customer\none,alpha\ntwo,gamma\nthree,nowhere\nfour,beta\n"
    headers = {"content-type": "application/octet-stream"}
    reply = await trading["wang"].send("POST", "records/order/import", content=sheet, headers=headers)
    assert reply.status_code == 202, reply.text
    runner = trading.service.app.services.job_runner
    while await runner.run_due(trading.service.clock.now()):
        await runner.settle()
    path = f"imports/{reply.json()['data']['job_id']}/refused"
    told = {row["line"]: row["errors"] for row in (await trading["wang"].send("GET", path)).json()["data"]}
    assert told.keys() == {3, 4, 5}
    hidden, absent = (str(told[line]).replace(name, "NAME") for line, name in ((3, "gamma"), (4, "nowhere")))
    assert hidden == absent
    assert [row["title"] for row in await root.page("order", filter='IN(title, "one", "two", "four")')] == ["one"]
    for other in ("li", "money"):
        problem(await trading[other].send("GET", path), "job.not_found")
