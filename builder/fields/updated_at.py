"""``updated_at``: when the record was last changed, under a key and label of the app's own. Source: DESIGN 5."""

from __future__ import annotations

from typing import ClassVar, Literal

from builder.fields.base import FieldSample
from builder.fields.parts.instants import InstantField
from builder.kernel.text import say


class UpdatedAtField(InstantField):
    """When the record was last changed. It shows the system field ``updated_at`` and has no column; nothing can be written to it."""

    title = say("修改时间", "Updated at")
    assigned: ClassVar[bool] = True
    shows: ClassVar[str | None] = "updated_at"
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (("2026-11-22T20:44:00+08:00", "2026-11-22T12:44:00.000Z"),),
            (("2026-11-22", "datetime"), ("2026-11-22T12:44:00", "offset"), (5, "type"), (True, "type"), ([], "type")),
        ),
    )

    type: Literal["updated_at"] = "updated_at"

    def column_type(self) -> None:
        """No column: the system field has one."""
        return
