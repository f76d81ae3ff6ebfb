"""Exports under roles: the grant, rows, hidden fields and masks hold at each part, and at the download."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.records.test_imports import finish
from tests.support.desk import Desk, one
from tests.support.filled import Filled
from tests.support.rights_app import APP, definition
from tests.support.service import problem
from tests.support.trading import Trading, open_trading

JSON = Any
pytestmark = pytest.mark.anyio


@pytest.fixture
async def office(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Trading]:
    """The trade app where finance may take out names and masked phones, and sellers only a part of what they see."""
    document = definition()
    roles = {role["key"]: role for role in document["roles"]}
    masked = [{"field": "phone", "start": 3, "end": 4}]
    roles["finance"]["grants"] = [
        {"entity": "customer", "fields": ["name", "phone"], "masks": masked, "may": ["read", "export"]}
    ]
    roles["seller"]["grants"][0]["may"].append("export")
    async with open_trading(filled, tmp_path / "files", document) as made:
        yield made


async def order(desk: Desk, **members: JSON) -> httpx.Response:
    return await desk.send("POST", "records/customer/export", members)


async def sheet(desk: Desk, **members: JSON) -> list[list[str]]:
    reply = await order(desk, **members)
    assert reply.status_code == 202, reply.text
    await finish(desk)
    job = one(await desk.client.get(reply.headers["location"]))
    content = (await desk.send("GET", f"exports/{job['id']}")).content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(content)))


async def test_only_what_is_seen_goes_out_and_as_it_is_seen_CVE_2023_27481(office: Trading) -> None:
    lines = await sheet(office["money"])
    assert lines[0] == ["name", "phone"]
    assert sorted(lines[1:]) == [[name, f"138****123{n}"] for n, name in enumerate(("alpha", "beta", "gamma"), start=1)]
    lines = await sheet(office["eastboss"])
    assert sorted(line[lines[0].index("name")] for line in lines[1:]) == ["alpha", "beta"]
    problem(await order(office["money"], fields=["secret"]), "request.unknown_name")
    problem(await order(office["money"], filter={"secret": {"_eq": "x"}}), "request.unknown_name")


async def test_who_may_export_less_than_they_see_takes_out_that_and_no_more(office: Trading) -> None:
    """Wang sees his own customers and the important ones, and may export his own, without their limit."""
    wang = office["wang"]
    assert {row["name"] for row in await wang.page("customer")} == {"alpha", "beta"}
    lines = await sheet(wang)
    assert "phone" in lines[0]
    assert "secret" not in lines[0]
    assert [line[lines[0].index("name")] for line in lines[1:]] == ["alpha"]
    assert lines[1][lines[0].index("phone")] == "13800001231"
    assert len(await sheet(wang, filter={"level": {"_eq": "A"}})) == 1  # beta is read and stays


async def test_fields_that_are_read_and_not_exported_neither_go_out_nor_choose_what_does(office: Trading) -> None:
    root = office["root"]
    document = definition()
    roles = {role["key"]: role for role in document["roles"]}
    roles["finance"]["grants"] = [
        {"entity": "customer", "fields": ["name", "region", "limit"]},
        {"entity": "customer", "fields": ["name", "region"], "may": ["read", "export"]},
    ]
    root.publish(document)
    both = office["both"]
    office.service.identity.grants.take(APP, _grant(office, "both", "seller"))
    lines = await sheet(both)
    assert lines[0] == ["name", "region"]
    problem(await order(both, fields=["limit"]), "access.denied")
    problem(await order(both, filter={"limit": {"_gt": 0}}), "access.denied")
    problem(await order(both, sort=["limit"]), "access.denied")
    problem(await order(both, fields=["secret"]), "request.unknown_name")


def _grant(office: Trading, person: str, role: str) -> str:
    listed = office.service.identity.grants.list_grants(APP)
    return next(one.id for one in listed if one.role == role and one.subject == office.users[person])


async def test_who_may_export_nothing_is_refused_and_not_told_of_it(office: Trading) -> None:
    problem(await office["boss"].send("POST", "records/order/export", {}), "access.denied")
    problem(await order(office["nobody"]), "app.not_found")
    with_it = (await office["money"].send("GET", "openapi.json")).json()["paths"]
    assert f"/api/{APP}/records/customer/export" in with_it
    boss = (await office["boss"].send("GET", "openapi.json")).json()["paths"]
    assert f"/api/{APP}/records/order/export" not in boss


async def test_a_grant_that_is_lost_meanwhile_ends_it_and_closes_the_file(office: Trading) -> None:
    desk = office["money"]
    done = (await order(desk)).json()["data"]["job_id"]
    await finish(desk)
    assert (await desk.send("GET", f"exports/{done}")).status_code == 200
    problem(await office["root"].send("GET", f"exports/{done}"), "job.not_found")
    waiting = (await order(desk)).json()["data"]["job_id"]
    grants = office.service.identity.grants
    grants.give(APP, "seller", "user", office.users["money"])
    await finish(desk)
    assert office.service.app.services.jobs.get_job(waiting).state == "done"  # another role more takes nothing away
    grants.take(APP, _grant(office, "money", "finance"))
    problem(await desk.send("GET", f"exports/{done}"), "access.denied")  # a seller exports, but never saw so much
    assert len(await sheet(desk)) == 1
    grants.take(APP, _grant(office, "money", "seller"))
    problem(await desk.send("GET", f"exports/{done}"), "app.not_found")


async def test_a_job_goes_no_further_when_the_grant_is_gone(office: Trading) -> None:
    desk = office["money"]
    waiting = (await order(desk)).json()["data"]["job_id"]
    grants = office.service.identity.grants
    (held,) = [one for one in grants.list_grants(APP) if one.role == "finance" and one.subject == office.users["money"]]
    grants.take(APP, held.id)
    await finish(desk)
    job = office.service.app.services.jobs.get_job(waiting)
    assert (job.state, job.done_count) == ("failed", 0)
