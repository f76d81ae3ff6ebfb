"""``evidence``: see ``builder/definition/guards/evidence.py``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.definition.guards.evidence import EvidenceGuard
from builder.fields.base import label_text
from builder.kernel.canonical import dump_json
from builder.kernel.text import Text, say
from builder.store import tables
from builder.store.statement import Query, Unit
from formulas.errors import CellError
from formulas.functions.places import distance
from runtime.pipelines.guards.base import Found, Plain, Standing, Texts, in_wgs84, words
from runtime.pipelines.todo import Todo, of_field
from runtime.records.writer import Writing

_MEDIA: Mapping[str, str] = {
    "image": "image/",
    "audio": "audio/",
    "video": "video/",
    "pdf": "application/pdf",
    "any": "",
}
_NAMES: Mapping[str, Text] = {
    "image": say("照片", "picture(s)"),
    "audio": say("录音", "recording(s)"),
    "video": say("视频", "video(s)"),
    "pdf": say("PDF 文件", "PDF file(s)"),
    "any": say("文件", "file(s)"),
}


class _Taken(NamedTuple):
    media_type: str
    at: str | None
    lat: str | None
    lng: str | None


class EvidenceKind(Plain):
    """Looks the record's files up."""

    model = EvidenceGuard

    def formulas(self, guard: EvidenceGuard) -> Texts:
        """The position that pictures have to be near."""
        return (guard.near,) if guard.near is not None else ()

    def unmet(self, guard: EvidenceGuard, s: Standing, found: Found) -> Unit[list[Todo]]:
        """One line if too few files count."""
        ids = s.shown.get(guard.field) or []
        files = (yield from _look_up(s.w, ids)) if ids else []
        counted = [file for file in files if file.media_type.startswith(_MEDIA[guard.kind])]
        if guard.captured_within_hours is not None:
            earliest = s.w.now - timedelta(hours=guard.captured_within_hours)
            counted = [file for file in counted if (at := _instant(file.at, s.w.app.zone)) and at >= earliest]
        if guard.near is not None:
            counted = [file for file in counted if _is_near(guard, s, file, found.values[0])]
        if len(counted) >= guard.minimum:
            return []
        needed = {"kind": guard.kind, "minimum": guard.minimum}
        message = words(guard, _message(guard, s, len(counted)))
        return [of_field(s.entity, guard.field, "evidence", message, len(counted), needed)]


def _look_up(w: Writing, ids: list[str]) -> Unit[list[_Taken]]:
    file = tables.file
    statement = w.statements.kept(
        ("guards", "files"),
        lambda _: sa.select(file.c.media_type, file.c.captured_at, file.c.captured_lat, file.c.captured_lng).where(
            file.c.id.in_(w.statements.listed())
        ),
    )
    rows = yield Query(statement, {"ids": dump_json(ids).decode()})
    return [_Taken(*row) for row in rows]


def _instant(text: str | None, zone: tzinfo) -> datetime | None:
    """Read when a picture was taken; without an offset it is the time on the wall of the app."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None  # a camera without a date writes zeros
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)


def _is_near(guard: EvidenceGuard, s: Standing, file: _Taken, point: Any) -> bool:
    if point is None or isinstance(point, CellError) or file.lat is None or file.lng is None or guard.near is None:
        return False
    return distance(in_wgs84(s, guard.near, point), (file.lat, file.lng)) <= guard.metres


def _message(guard: EvidenceGuard, s: Standing, count: int) -> Text:
    label, kind = label_text(s.entity.fields[guard.field].label), _NAMES[guard.kind]
    zh, en = "", ""
    if guard.captured_within_hours is not None:
        zh, en = f"{guard.captured_within_hours} 小时内拍摄的", f" taken within {guard.captured_within_hours} h"
    if guard.near is not None:
        zh, en = f"{zh}{guard.metres} 米以内的", f"{en} within {guard.metres} m"
    return say(
        f"“{label.zh}”至少要 {guard.minimum} 个{zh}{kind.zh},现有 {count} 个",
        f"{label.en} needs at least {guard.minimum} {kind.en}{en}; there are {count}",
    )
