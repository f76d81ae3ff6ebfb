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


async def sheet(desk: Desk) -> list[list[str]]:
    reply = await order(desk)
    assert reply.status_code == 202, reply.text
    await finish(desk)
    job = one(await desk.client.get(reply.headers["location"]))
    content = (await desk.send("GET", f"exports/{job['id']}")).content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(content)))


async def test_only_what_is_seen_goes_out_and_as_it_is_seen(office: Trading) -> None:
    lines = await sheet(office["money"])
    assert lines[0] == ["name", "phone"]
    assert sorted(lines[1:]) == [[name, f"138****123{n}"] for n, name in enumerate(("alpha", "beta", "gamma"), start=1)]
    lines = await sheet(office["eastboss"])
    assert sorted(line[lines[0].index("name")] for line in lines[1:]) == ["alpha", "beta"]
    problem(await order(office["money"], fields=["secret"]), "request.unknown_name")
    problem(await order(office["money"], filter={"secret": {"_eq": "x"}}), "request.unknown_name")


async def test_who_may_export_nothing_or_less_than_they_see_is_refused_and_not_told_of_it(office: Trading) -> None:
    problem(await order(office["wang"]), "access.denied")
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
    assert office.service.app.services.jobs.get_job(waiting).state == "done"  # all that is seen may go out
    (held,) = [one for one in grants.list_grants(APP) if one.role == "finance" and one.subject == office.users["money"]]
    grants.take(APP, held.id)
    problem(await desk.send("GET", f"exports/{done}"), "access.denied")
    problem(await order(desk), "access.denied")


async def test_a_job_goes_no_further_when_the_grant_is_gone(office: Trading) -> None:
    desk = office["money"]
    waiting = (await order(desk)).json()["data"]["job_id"]
    grants = office.service.identity.grants
    (held,) = [one for one in grants.list_grants(APP) if one.role == "finance" and one.subject == office.users["money"]]
    grants.take(APP, held.id)
    await finish(desk)
    job = office.service.app.services.jobs.get_job(waiting)
    assert (job.state, job.done_count) == ("failed", 0)
