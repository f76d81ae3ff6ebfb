"""``datetime``: an instant. Source: RFC 3339; milliseconds are what JavaScript can represent (decision 0001)."""

from __future__ import annotations

from typing import ClassVar, Literal

from builder.fields.base import FieldSample
from builder.fields.parts.instants import InstantField
from builder.kernel.text import say
from builder.store.types import Instant, StoredType


class DatetimeField(InstantField):
    """An instant, given with its offset from UTC, kept in UTC and cut to milliseconds."""

    title = say("日期时间", "Date and time")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                ("2026-11-22T20:44:00+08:00", "2026-11-22T12:44:00.000Z"),
                ("2026-11-22T12:44:00.1239Z", "2026-11-22T12:44:00.123Z"),
                ("2026-11-22t12:44:00.999999999z", "2026-11-22T12:44:00.999Z"),
                ("2026-11-22 12:44:00-00:30", "2026-11-22T13:14:00.000Z"),
                ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
                ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
                ("0999-12-31T23:59:59.001Z", "0999-12-31T23:59:59.001Z"),
                ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999Z"),
                ("", None),
            ),
            (
                ("2026-11-22T12:44:00", "offset"),
                ("2026-11-22 12:44:00", "offset"),
                ("2026-11-22", "datetime"),
                ("2026-11-22T12:44Z", "datetime"),
                ("2026-02-30T00:00:00Z", "datetime"),
                ("2026-11-22T24:00:00Z", "datetime"),
                ("2026-11-22T12:44:60Z", "datetime"),
                ("2026-11-22T12:44:00+24:00", "datetime"),
                ("0001-01-01T00:00:00+14:00", "datetime"),
                ("9999-12-31T23:59:59-01:00", "datetime"),
                ("infinity", "datetime"),
                ("now", "datetime"),
                ("2026-11-22T12:44:00Z'; --", "datetime"),
                ("２０２６-11-22T12:44:00Z", "datetime"),
                ("2026-11-22T12:44:00Z\x00", "datetime"),
                (1790000000, "type"),
                (False, "type"),
                ({}, "type"),
            ),
        ),
    )

    type: Literal["datetime"] = "datetime"

    def column_type(self) -> StoredType:
        """An instant."""
        return Instant()
