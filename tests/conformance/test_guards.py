"""Every kind of guard lets pass what meets it and says what is missing otherwise, on both databases; five of them cost one statement."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from builder.definition.guards import ALL
from runtime.pipelines.guards import BY_MODEL, KINDS
from tests.support import deals
from tests.support.contents import WAV
from tests.support.desk import Desk, one, publish_definition
from tests.support.service import bearer, problem, running

JSON = Any
pytestmark = pytest.mark.anyio

HOSPITAL = {"lat": Decimal("31.230400"), "lng": Decimal("121.473700")}
NEARBY = {"lat": Decimal("31.231400"), "lng": Decimal("121.473700")}  # 111 m to the north
FAR = {"lat": Decimal("31.240400"), "lng": Decimal("121.473700")}

FIRST = 'kind = "first"'
GUARDS: dict[str, JSON] = {
    "formula": {"type": "formula", "formula": 'amount >= 100 AND customer.level = "A"', "message": {"zh": "金额要满一百", "en": "At least 100"}},
    "required": {"type": "required", "fields": ["contact", "photos"]},
    "evidence": {"type": "evidence", "field": "photos", "kind": "image", "minimum": 2},
    "voice": {"type": "evidence", "field": "voice", "kind": "audio"},
    "fresh": {"type": "evidence", "field": "photos", "kind": "image", "captured_within_hours": 48, "near": "customer.position"},
    "records": {"type": "records", "entity": "talk", "theirs": "customer", "ours": "customer", "condition": FIRST,
                "within_hours": 24, "at": "at", "minimum": 0, "maximum": 0},
    "children": {"type": "records", "entity": "check", "theirs": "deal", "condition": "points > 0", "minimum": 2},
    "geofence": {"type": "geofence", "field": "here", "target": "customer.position", "metres": 200},
    "time_window": {"type": "time_window", "from_time": "09:00", "until_time": "18:00"},
    "weekend": {"type": "time_window", "days": ["sat", "sun"]},
    "checklist": {"type": "checklist", "entity": "check", "theirs": "deal", "red": "points > most", "remedy": "remedy", "minimum": 1},
    "approval": {"type": "approval", "approval": "ok"},
    "when": {"type": "required", "fields": ["contact"], "when": "amount > 100"},
}  # fmt: skip


def flow() -> JSON:
    ways = [deals.transition(f"by_{k}", ["new"], "lost", reason="none", guards=[g]) for k, g in GUARDS.items()]
    five = [GUARDS[key] for key in ("formula", "required", "records", "children", "geofence")]
    ways.append(deals.transition("by_five", ["new"], "lost", reason="none", guards=five))
    stages = [
        {"key": key, **({"nodes": [{"key": n} for n in deals.NODES]} if key == "quote" else {})} for key in deals.STAGES
    ]
    return deals.pipeline(stages=stages, transitions=ways)


APPROVAL = {
    "key": "ok", "label": "OK", "entity": "deal",
    "steps": [{"key": "one", "label": "1", "approvers": [{"user": "boss"}]}],
}  # fmt: skip


@pytest.fixture
async def desk(anyio_backend: str, migrated_database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with running(migrated_database_url, files_folder=tmp_path / "files") as service:
        for name in ("boss", "seller"):
            service.identity.users.create_user({"username": name, "role": "admin"})
        publish_definition(service.app.services.registry, deals.definition(flow(), approvals=[APPROVAL]))
        token = service.token_of("seller", "records:read", "records:write")
        async with service.client(headers=bearer(token)) as client:
            yield Desk(service, client, deals.APP)


def test_every_model_has_its_kind_and_every_kind_a_case():
    assert {kind.model for kind in KINDS} == set(ALL) == set(BY_MODEL)
    assert {guard["type"] for guard in GUARDS.values()} == {model.model_fields["type"].default for model in ALL}


async def go(desk: Desk, deal: str, kind: str, *, dry_run: bool = True) -> list[JSON]:
    """What is missing; nothing if the move can be made."""
    params = {"dry_run": "true"} if dry_run else {}
    reply = await desk.send("POST", f"records/deal/{deal}/transitions/by_{kind}", {}, params=params)
    if reply.status_code == 200:
        return []
    missing: list[JSON] = problem(reply, "transition.refused")["todo"]
    for todo in missing:
        assert todo["message"]
        assert todo["code"].partition(".")[0] == GUARDS[kind]["type"] if kind in GUARDS else True
    return missing


def picture(*, taken: str | None = None, lat: float | None = None, lng: float | None = None, shade: int = 9) -> bytes:
    """A photo as a phone makes it."""
    image = Image.new("RGB", (40, 30), (shade, 80, 120))
    exif = image.getexif()
    if taken is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.OffsetTimeOriginal] = "+08:00"
    if lat is not None and lng is not None:
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        place[ExifTags.GPS.GPSLatitudeRef], place[ExifTags.GPS.GPSLongitudeRef] = "N", "E"
        place[ExifTags.GPS.GPSLatitude] = (int(lat), int(lat % 1 * 60), lat * 60 % 1 * 60)
        place[ExifTags.GPS.GPSLongitude] = (int(lng), int(lng % 1 * 60), lng * 60 % 1 * 60)
    written = io.BytesIO()
    image.save(written, "JPEG", exif=exif)
    return written.getvalue()


async def upload(desk: Desk, name: str, content: bytes) -> dict[str, JSON]:
    reply = await desk.client.post(
        f"/api/{desk.app}/files?name={name}", content=content, headers={"content-type": "application/octet-stream"}
    )
    assert reply.status_code == 201, reply.text
    return one(reply)


async def test_formula_required_and_when(desk: Desk):
    customer = await desk.create("customer", name="甲", level="B")
    deal = await desk.create("deal", name="A", customer=customer["id"], amount=100)
    [todo] = await go(desk, deal["id"], "formula")
    assert (todo["message"], todo["field"], todo["pointer"], todo["current"]) == (
        "金额要满一百",
        "amount",
        "/fields/amount",
        100,
    )
    await desk.change("customer", customer["id"], level="A")
    assert await go(desk, deal["id"], "formula") == []
    assert [todo["field"] for todo in await go(desk, deal["id"], "required")] == ["contact", "photos"]
    assert await go(desk, deal["id"], "when") == []
    await desk.change("deal", deal["id"], amount=101)
    assert [todo["field"] for todo in await go(desk, deal["id"], "when")] == ["contact"]


async def test_evidence_counts_by_what_files_are_and_what_they_say(desk: Desk):
    customer = await desk.create("customer", name="甲", position={**HOSPITAL, "datum": "WGS84"})
    deal = await desk.create("deal", name="A", customer=customer["id"])
    plain = await upload(desk, "a.jpg", picture(shade=1))
    right = await upload(desk, "b.jpg", picture(taken="2026:11:22 09:00:00", lat=31.2306, lng=121.4737, shade=2))
    old = await upload(desk, "c.jpg", picture(taken="2026:11:10 09:00:00", lat=31.2306, lng=121.4737, shade=3))
    away = await upload(desk, "d.jpg", picture(taken="2026:11:22 09:00:00", lat=31.2500, lng=121.4737, shade=4))
    assert (right["captured_at"], right["captured_lat"]) == ("2026-11-22T09:00:00+08:00", "31.230600")
    assert plain["captured_at"] is None
    await desk.change("deal", deal["id"], photos=[plain["id"]])
    [todo] = await go(desk, deal["id"], "evidence")
    assert (todo["current"], todo["needed"]) == (1, {"kind": "image", "minimum": 2})
    await desk.change("deal", deal["id"], photos=[plain["id"], old["id"], away["id"]])
    assert await go(desk, deal["id"], "evidence") == []
    assert [todo["current"] for todo in await go(desk, deal["id"], "fresh")] == [0]
    await desk.change("deal", deal["id"], photos=[right["id"]])
    assert await go(desk, deal["id"], "fresh") == []
    desk.service.clock.advance(timedelta(hours=49))
    assert [todo["current"] for todo in await go(desk, deal["id"], "fresh")] == [0]
    assert [todo["field"] for todo in await go(desk, deal["id"], "voice")] == ["voice"]
    voice = await upload(desk, "v.wav", WAV)
    await desk.change("deal", deal["id"], voice=[voice["id"]])
    assert await go(desk, deal["id"], "voice") == []


async def test_records_within_a_time_and_children(desk: Desk):
    customer = await desk.create("customer", name="甲")
    deal = await desk.create("deal", name="A", customer=customer["id"])
    assert await go(desk, deal["id"], "records") == []
    await desk.create("talk", customer=customer["id"], kind="first", at="2026-11-22T07:00:00Z")
    await desk.create("talk", customer=customer["id"], kind="second", at="2026-11-22T07:00:00Z")
    [todo] = await go(desk, deal["id"], "records")
    assert (todo["entity"], todo["current"], todo["needed"]) == ("talk", 1, {"minimum": 0, "maximum": 0})
    other = await desk.create("deal", name="B")  # no customer: there is nobody to share it with
    assert await go(desk, other["id"], "records") == []
    desk.service.clock.advance(timedelta(hours=24))
    assert await go(desk, deal["id"], "records") == []
    for points in (0, 3):
        await desk.create("check", deal=deal["id"], points=points)
    assert [todo["current"] for todo in await go(desk, deal["id"], "children")] == [1]
    await desk.create("check", deal=deal["id"], points=1)
    assert await go(desk, deal["id"], "children") == []


async def test_geofence(desk: Desk):
    customer = await desk.create("customer", name="甲", position=HOSPITAL)
    deal = await desk.create("deal", name="A", customer=customer["id"])
    assert [(todo["field"], todo.get("current")) for todo in await go(desk, deal["id"], "geofence")] == [("here", None)]
    await desk.change("deal", deal["id"], here=NEARBY)
    assert await go(desk, deal["id"], "geofence") == []
    await desk.change("deal", deal["id"], here=FAR)
    [todo] = await go(desk, deal["id"], "geofence")
    assert 1_100 < todo["current"] < 1_120
    await desk.change("customer", customer["id"], position=None)
    assert [todo["field"] for todo in await go(desk, deal["id"], "geofence")] == ["customer.position"]


async def test_time_windows_follow_the_working_calendar(desk: Desk):
    deal = await desk.create("deal", name="A")
    assert await go(desk, deal["id"], "time_window") != []  # a Sunday afternoon in Shanghai
    assert await go(desk, deal["id"], "weekend") == []
    desk.service.clock.advance(timedelta(days=1))
    assert await go(desk, deal["id"], "time_window") == []
    [todo] = await go(desk, deal["id"], "weekend")
    assert (todo["current"], todo["needed"]["days"]) == ("2026-11-23 16:00", ["sat", "sun"])
    desk.service.clock.advance(timedelta(hours=2))
    assert await go(desk, deal["id"], "time_window") != []  # 18:00 is the end


async def test_red_items_need_a_remedy(desk: Desk):
    deal = await desk.create("deal", name="A")
    [todo] = await go(desk, deal["id"], "checklist")
    assert (todo["code"], todo["current"]) == ("checklist", 0)
    red = await desk.create("check", deal=deal["id"], name="机房承重", points=9, most=5)
    await desk.create("check", deal=deal["id"], name="带宽", points=1, most=5)
    [todo] = await go(desk, deal["id"], "checklist")
    assert (todo["code"], todo["record_id"], todo["label"]) == ("checklist.red", red["id"], "机房承重")
    assert "机房承重" in todo["message"]
    await desk.change("check", red["id"], remedy="加固楼板")
    assert await go(desk, deal["id"], "checklist") == []


async def test_an_approval_has_to_be_given(desk: Desk):
    deal = await desk.create("deal", name="A")
    assert [todo.get("current") for todo in await go(desk, deal["id"], "approval")] == [None]
    reply = await desk.send("POST", f"records/deal/{deal['id']}/approvals", {"approval": "ok"})
    approval_id = one(reply)["id"]
    boss = bearer(desk.service.token_of("boss", "records:read", "records:write"))
    reply = await desk.client.post(f"/api/{desk.app}/approvals/{approval_id}/approve", json={}, headers=boss)
    assert reply.status_code == 200, reply.text
    assert await go(desk, deal["id"], "approval") == []


async def test_all_that_is_missing_is_said_at_once(desk: Desk):
    deal = await desk.create("deal", name="A")
    assert [todo["code"] for todo in await go(desk, deal["id"], "five")] == [
        "formula", "required", "required", "records", "geofence",
    ]  # fmt: skip
