"""Records as an .xlsx: numbers are numbers, days are days, text is never a formula; what went out comes back without a change."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from typing import Any

import httpx
import pytest
from python_calamine import load_workbook

from builder.fields import BY_TYPE
from runtime.exports import binding
from runtime.files.sniffing import XLSX
from tests.api.records.test_imports import bring_in, excel_sheet, finish, send
from tests.support import every_field
from tests.support.desk import Desk, one, publish_definition
from tests.support.service import problem, running

pytestmark = pytest.mark.anyio
JSON = Any
_NONE_HERE = {"file", "image", "audio", "signature", "children", "user", "multi_user", "department", "reference"}


@pytest.fixture
async def every(anyio_backend: str, migrated_database_url: str) -> AsyncIterator[Desk]:
    """An app with a field of every type, whose records are told apart by name."""
    document = every_field.definition()
    document["app"]["time_zone"] = "Asia/Shanghai"
    whole = next(entity for entity in document["entities"] if entity["key"] == "whole")
    whole["fields"][0]["unique"] = True
    next(field for field in whole["fields"] if field["key"] == "long_text").pop("max_length")
    async with running(migrated_database_url) as service:
        service.add_user("admin", "admin")
        publish_definition(service.app.services.registry, document)
        async with service.client_of("admin", "records:read", "records:write") as client:
            yield Desk(service, client, every_field.APP)


async def order(desk: Desk, entity: str, **members: JSON) -> httpx.Response:
    headers = {"accept-language": "zh"}
    return await desk.send("POST", f"records/{entity}/export", {"format": "xlsx", **members}, headers=headers)


async def take_out(desk: Desk, entity: str, **members: JSON) -> bytes:
    reply = await order(desk, entity, **members)
    assert reply.status_code == 202, reply.text
    await finish(desk)
    job = one(await desk.client.get(reply.headers["location"]))
    assert job["state"] == "done", job
    sheet = await desk.send("GET", f"exports/{job['id']}")
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, XLSX)
    assert sheet.headers["content-disposition"].endswith('.xlsx"')
    return sheet.content


def rows_of(content: bytes) -> list[dict[str, Any]]:
    """The first sheet as a spreadsheet reads it: title -> value."""
    titles, *rows = load_workbook(io.BytesIO(content)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    header = [str(title) for title in titles]
    return [dict(zip(header, row, strict=True)) for row in rows]


def markup_of(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("xl/worksheets/sheet1.xml").decode()


async def filled_record(desk: Desk) -> dict[str, JSON]:
    """A record with a value in every field that can be given one without files."""
    desk.service.add_user("zhang", name="张三")
    person = desk.service.identity.users.find_by_username("zhang")
    assert person is not None
    other = await desk.create("other", name="另一个")
    values: dict[str, JSON] = {"user": person.id, "multi_user": [person.id], "reference": other["id"]}
    for name, field_type in BY_TYPE.items():
        if name not in _NONE_HERE and field_type.samples and not field_type.assigned and field_type.shows is None:
            values[name] = field_type.samples[0].accepted[0][0]
    values["multi_reference"] = [other["id"]]
    return await desk.create("whole", name="甲", **values)


async def test_a_field_of_every_type_comes_back_unchanged(every: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "_PIECE_BYTES", 900)  # the file is joined from several pieces
    made = await filled_record(every)
    assert [key for key, value in made.items() if value is None or value == []] == [
        "department", "file", "image", "audio", "signature",
    ]  # fmt: skip
    await every.create("whole", name="空")
    job = await bring_in(every, "whole", await take_out(every, "whole"), by="name", dry_run="true")
    counts = {name: job["result"][f"{name}_count"] for name in ("created", "updated", "unchanged", "refused")}
    reasons = await every.send("GET", f"imports/{job['id']}/refused")
    assert counts == {"created": 0, "updated": 0, "unchanged": 2, "refused": 0}, reasons.text
    await every.change("whole", made["id"], integer=made["integer"] + 1)
    job = await bring_in(every, "whole", await take_out(every, "whole"), by="name", dry_run="true")
    assert job["result"]["unchanged_count"] == 2


async def test_cells_are_what_they_are(every: Desk) -> None:
    await every.create(
        "whole",
        name="=1+1",
        long_text="第一行\n@SUM(A1) _x0041_",
        integer=-42,
        money=1234.5,
        percent=0.1234,
        rating=4,
        date="2026-03-05",
        datetime="2026-03-05T06:30:00.250Z",
        time="08:30:00",
        duration=49 * 3600 + 1800,
        phone="13812345678",
    )
    await every.create("whole", name="早", date="1850-01-01", datetime="1850-01-01T00:00:00Z", integer=9007199254740991)
    content = await take_out(every, "whole", sort=["created_at"])
    first, second = rows_of(content)
    assert first["名称"] == "=1+1"
    assert first["long_text 栏"] == "第一行\n@SUM(A1) _x0041_"
    assert (first["integer 栏"], first["money 栏"], first["percent 栏"], first["rating 栏"]) == (-42, 1234.5, 0.1234, 4)
    assert first["date 栏"] == date(2026, 3, 5)
    assert first["datetime 栏"] == datetime(2026, 3, 5, 14, 30, 0, 250_000)  # noqa: DTZ001 - the hour in Shanghai
    assert (first["time 栏"], first["duration 栏"]) == (time(8, 30), timedelta(hours=49, minutes=30))
    assert first["phone 栏"] == "13812345678"
    assert first["formula 栏"] == 4
    assert second["date 栏"] == "1850-01-01"  # before the days of spreadsheets
    assert second["datetime 栏"].startswith("1850-01-01 08:05:43")
    assert second["integer 栏"] == "9007199254740991"  # a double would round it
    markup = markup_of(content)
    assert "<f>" not in markup
    assert 'ySplit="1"' in markup
    assert 'state="frozen"' in markup


async def test_columns_are_as_wide_as_what_stands_in_them(desk: Desk) -> None:
    await desk.create("region", name="华东" * 9)
    wide = await take_out(desk, "region", fields=["name"])
    assert re.findall(r'<col min="1" max="1" width="([0-9]+)', markup_of(wide)) == ["38"]
    await desk.create("customer", name="短")
    narrow = await take_out(desk, "customer", fields=["name"])
    assert re.findall(r'<col min="1" max="1" width="([0-9]+)', markup_of(narrow)) == ["8"]


async def test_an_hour_that_comes_twice_keeps_its_offset(migrated_database_url: str) -> None:
    document = {
        "app": {"key": "night", "label": "Night", "time_zone": "Europe/Berlin"},
        "entities": [
            {
                "key": "shift",
                "label": "Shift",
                "fields": [
                    {"key": "name", "type": "text", "label": "name", "unique": True},
                    {"key": "at", "type": "datetime", "label": "at"},
                ],
            }
        ],
    }
    async with running(migrated_database_url) as service:
        service.add_user("admin", "admin")
        publish_definition(service.app.services.registry, document)
        async with service.client_of("admin", "records:read", "records:write") as client:
            night = Desk(service, client, "night")
            for name, at in (("a", "2026-10-25T00:30:00Z"), ("b", "2026-10-25T01:30:00Z")):
                await night.create("shift", name=name, at=at)
            content = await take_out(night, "shift", sort=["name"])
            once = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - read as the first of the two
            assert [row["at"] for row in rows_of(content)] == [once, "2026-10-25 02:30:00+01:00"]
            job = await bring_in(night, "shift", content, by="name", dry_run="true")
            assert (job["result"]["unchanged_count"], job["result"]["refused_count"]) == (2, 0)


async def test_what_no_workbook_takes_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = await desk.create("customer", name="甲")
    for story in ("x" * 10_000, "y"):
        await desk.create("thing", name="a", story=story)
    monkeypatch.setattr("runtime.exports.records.EXPORT_CELLS", 3)
    refused = problem(await order(desk, "thing", fields=["name", "story"]), "export.too_large")
    assert "CSV" in refused["detail"]
    assert len(rows_of(await take_out(desk, "thing", fields=["name"]))) == 2
    monkeypatch.setattr("runtime.exports.records.EXPORT_CELLS", 100)
    monkeypatch.setattr("runtime.exports.workbook.SHEET_CELL_LENGTH", 9_999)
    reply = await order(desk, "thing", fields=["story"], sort=["created_at"])
    await finish(desk)
    job = one(await desk.client.get(reply.headers["location"]))
    assert job["state"] == "failed"
    assert "第 2 行" in str(job["error"])
    problem(await desk.send("GET", f"exports/{job['id']}"), "export.not_ready")
    problem(await desk.send("POST", "records/customer/export?dry_run=true", {}), "query.invalid")
    assert customer["revision"] == 1


async def test_bound_anew_after_a_fault_it_is_whole(every: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled_record(every)
    monkeypatch.setattr(binding, "_PIECE_BYTES", 900)
    reply = await order(every, "whole")
    reached: list[str] = []

    def break_once(point: str) -> None:
        reached.append(point)
        if len(reached) == 2:
            raise OSError

    monkeypatch.setattr(binding, "crash_point", break_once)
    await finish(every)
    assert one(await every.client.get(reply.headers["location"]))["state"] == "waiting"
    every.service.clock.advance(timedelta(minutes=10))
    await finish(every)
    job = one(await every.client.get(reply.headers["location"]))
    assert job["state"] == "done", job
    content = (await every.send("GET", f"exports/{job['id']}")).content
    assert rows_of(content)[0]["名称"] == "甲"
    assert len(reached) > 5


async def test_hours_of_a_spreadsheet_are_hours_of_the_company(every: Desk) -> None:
    content = excel_sheet(
        ["name", "datetime", "duration"],
        ["a", "2026/3/5 14:30", "49:30:00"],
        ["b", "2026年3月5日", "0:00:07"],
        ["c", "2026-03-05T14:30:00Z", ""],
        ["d", "2026-13-05 14:30", ""],
    )
    job = await bring_in(every, "whole", content)
    assert (job["result"]["created_count"], job["result"]["refused_count"]) == (3, 1)
    found = {record["name"]: (record["datetime"], record["duration"]) for record in await every.every("whole")}
    assert found == {
        "a": ("2026-03-05T06:30:00.000Z", 178_200),
        "b": ("2026-03-04T16:00:00.000Z", 7),
        "c": ("2026-03-05T14:30:00.000Z", None),
    }


async def test_what_the_system_fills_is_passed_over(every: Desk) -> None:
    content = excel_sheet(["名称", "formula 栏", "created_at", "revision"], ["a", "7", "2020-01-01", "9"])
    reply = await send(every, "whole", content)
    columns = one(reply)["columns"]
    assert columns == {"名称": "name", "formula 栏": None, "created_at": None, "revision": None}
    await finish(every)
    assert [record["name"] for record in await every.every("whole")] == ["a"]
    problem(await send(every, "whole", content, columns='{"formula 栏": "formula"}'), "import.invalid")
