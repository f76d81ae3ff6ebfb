"""``updated_by``: who last changed the record, under a key and label of the app's own. Source: DESIGN 5."""

from __future__ import annotations

from typing import ClassVar, Literal

from builder.fields.base import FieldSample
from builder.fields.parts.doers import DoerField
from builder.kernel.text import say


class UpdatedByField(DoerField):
    """Who last changed the record. It shows the system field ``updated_by`` and has no column; nothing can be written to it."""

    title = say("修改人", "Updated by")
    shows: ClassVar[str | None] = "updated_by"
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (("0193f7a0-1b2c-7d3e-8f40-112233445566", "0193f7a0-1b2c-7d3e-8f40-112233445566"), ("system", "system")),
            ((5, "type"), (True, "type"), (["system"], "type"), ("a\x00", "character")),
        ),
    )

    type: Literal["updated_by"] = "updated_by"
