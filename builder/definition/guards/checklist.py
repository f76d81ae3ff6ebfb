"""``checklist``: every item there, and no red one without a remedy."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from builder.definition.guards.base import FormulaText, GuardModel, OwnPath
from builder.fields.base import Formula, Key, Option, Refers


class ChecklistGuard(GuardModel):
    """The items of a checklist are records of an entity; a red item needs a remedy before the record may move."""

    type: Literal["checklist"] = "checklist"
    entity: Annotated[Key, Refers("entity")]
    theirs: Annotated[Key, Refers("field", of="entity")]
    """Their field that has to be equal to …"""
    ours: OwnPath = "id"
    """… this path of the record."""
    red: Annotated[FormulaText | dict[str, Any], Formula(of="entity", gives="boolean", in_database=True)]
    """Which items are red."""
    remedy: Annotated[Key, Refers("field", of="entity")]
    """What a red item has to say."""
    minimum: Annotated[int, Option(ge=0, le=1_000)] = 1
    """How many items there have to be."""
