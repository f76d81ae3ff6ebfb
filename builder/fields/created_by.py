"""``created_by``: who created the record, under a key and label of the app's own. Source: DESIGN 5."""

from __future__ import annotations

from typing import ClassVar, Literal

from builder.fields.base import FieldSample
from builder.fields.parts.doers import DoerField
from builder.kernel.text import say


class CreatedByField(DoerField):
    """Who created the record. It shows the system field ``created_by`` and has no column; nothing can be written to it."""

    title = say("创建人", "Created by")
    shows: ClassVar[str | None] = "created_by"
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (("0193f7a0-1b2c-7d3e-8f40-112233445566", "0193f7a0-1b2c-7d3e-8f40-112233445566"), ("system", "system")),
            ((5, "type"), (True, "type"), (["system"], "type"), ("a\x00", "character")),
        ),
    )

    type: Literal["created_by"] = "created_by"
