"""``assign``: let an assignment rule choose a person."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.actions.base import RecordAction
from builder.fields.base import Key, Refers


class Assign(RecordAction):
    """Let an assignment rule choose who gets the record; nobody free leaves it as the rule says."""

    type: Literal["assign"] = "assign"
    rule: Annotated[Key, Refers("assignments")]
