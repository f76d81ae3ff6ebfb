"""Locks: after so many working days, in closed periods, under a condition; overridden with a reason that is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from runtime.identity.audit import Search
from tests.support.filled import Filled
from tests.support.query_app import field
from tests.support.rights_app import definition
from tests.support.service import pointers, problem
from tests.support.trading import Trading, open_trading

pytestmark = pytest.mark.anyio

LOCKS = [
    {
        "key": "t1",
        "label": {"zh": "日报次日锁定", "en": "Reports lock on the next working day"},
        "entity": "report",
        "after": {"field": "on", "days": 1},
        "fields": ["text"],
        "override": ["finance"],
    },
    {
        "key": "month",
        "label": "关账",
        "entity": "report",
        "period": {"field": "on"},
        "closers": ["finance"],
    },
    {"key": "won", "label": "赢单锁定", "entity": "order", "when": 'state = "won"', "fields": ["amount"]},
]


@pytest.fixture
async def locked(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Trading]:
    """The trade app with locks, and with reports."""
    document = definition(locks=LOCKS)
    document["entities"].append(
        {"key": "report", "label": "Report", "fields": [field("on", "date"), field("text", "text")]}
    )
    document["roles"] = [
        {**role, "grants": [*role["grants"], {"entity": "report", "may": ["read", "create", "update", "delete"]}]}
        for role in document["roles"]
    ]
    async with open_trading(filled, tmp_path / "files", document) as made:
        yield made


async def test_a_report_stands_still_after_the_next_working_day(locked: Trading) -> None:
    wang, clock = locked["wang"], locked.service.clock
    report = str((await wang.create("report", on="2026-11-20", text="a"))["id"])  # of Friday; it is Sunday
    clock.advance(timedelta(days=1, hours=7))  # Monday, 23:00 in Shanghai
    assert (await wang.change("report", report, text="b"))["text"] == "b"
    clock.advance(timedelta(hours=1, minutes=30))  # Tuesday there
    refused = problem(await wang.patch("report", report, {"text": "c"}), "record.invalid")
    assert pointers(refused) == {"": "locked"}
    assert refused["errors"][0]["params"] == {"lock": "t1", "override": False}
    denied = await wang.patch("report", report, {"text": "c"}, dougong_override=quote("写错了"))
    problem(denied, "access.denied")
    money = await locked["money"].patch("report", report, {"text": "d"}, dougong_override=quote("客户更正"))
    assert money.status_code == 200, money.text
    audit = locked.service.identity.audit
    (event, *_) = audit.list_events(Search(kind="override"))
    assert (event.subject, event.detail["reason"], event.detail["locks"]) == (report, "客户更正", ["t1"])
    assert audit.verify().broken_at is None


async def test_a_closed_month_takes_nothing_in_and_gives_nothing_out(locked: Trading) -> None:
    wang, money = locked["wang"], locked["money"]
    old = str((await wang.create("report", on="2026-11-21", text="a"))["id"])
    new = str((await wang.create("report", on="2026-12-02", text="a"))["id"])
    body = {"closed_until": "2026-11-30"}
    problem(await wang.send("PUT", "locks/month", body), "access.denied")
    assert (await money.send("PUT", "locks/month", body)).status_code == 204
    assert (await money.send("GET", "locks")).json()["data"][0]["closed_until"] == "2026-11-30"
    problem(await wang.patch("report", old, {"text": "b"}), "record.invalid")
    problem(await wang.patch("report", new, {"on": "2026-11-30"}), "record.invalid")
    problem(await wang.delete("report", old), "record.invalid")
    problem(await wang.try_create("report", {"on": "2026-11-01"}), "record.invalid")
    assert (await wang.patch("report", new, {"text": "b"})).status_code == 200
    assert (await money.send("PUT", "locks/month", {"closed_until": None})).status_code == 204
    assert (await wang.patch("report", old, {"on": "2026-11-22"})).status_code == 200


async def test_a_condition_locks_some_fields_for_the_admin_too(locked: Trading) -> None:
    root, won = locked["root"], locked.ids["alpha won"]
    problem(await root.patch("order", won, {"amount": 5}), "record.invalid")
    assert (await root.patch("order", won, {"title": "t"})).status_code == 200
    assert (await root.patch("order", won, {"amount": 5}, dougong_override="typo")).status_code == 200
    problem(await root.patch("order", won, {"amount": 6}, dougong_override=" "), "request.header")
