"""``set_fields``: give fields of the record other values."""

from __future__ import annotations

from typing import Literal

from builder.definition.actions.base import OwnSettings, RecordAction


class SetFields(RecordAction):
    """Give fields of the record other values, through the one write path."""

    type: Literal["set_fields"] = "set_fields"
    set: OwnSettings
