"""``update_records``: change other records."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.actions.base import FormulaText, Match, RecordAction, TargetSettings
from builder.fields.base import Formula, Key, Option, Refers


class UpdateRecords(RecordAction):
    """Change the records of an entity that match the record and meet a condition."""

    type: Literal["update_records"] = "update_records"
    entity: Annotated[Key, Refers("entity")]
    match: Annotated[tuple[Match, ...], Option(min_length=1, max_length=8)]
    """All of these are equal; a blank on our side matches nothing."""
    where: Annotated[FormulaText | None, Formula(of="entity", gives="boolean", in_database=True)] = None
    """And the records meet this."""
    set: TargetSettings
