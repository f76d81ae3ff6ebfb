"""``all_done``: the last open child record was done: the join after a fan-out."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.actions.base import FormulaText
from builder.definition.triggers.base import OwnField, TriggerModel
from builder.fields.base import Formula, Key, Refers


class AllDone(TriggerModel):
    """A record has children, and with this write all of them are done (or the last that was not is gone)."""

    type: Literal["all_done"] = "all_done"
    relation: OwnField
    """The children field."""
    entity: Annotated[Key, Refers("entity")]
    """The entity of the children."""
    done: Annotated[FormulaText, Formula(of="entity", gives="boolean", in_database=True)]
    """When a child is done."""
