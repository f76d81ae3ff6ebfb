"""``create_record``: make a record, or one for each of several."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.actions.base import Each, RecordAction, Settings
from builder.fields.base import Key, Refers


class CreateRecord(RecordAction):
    """Make a record of an entity; with ``each``, one for every related record or member of a list."""

    type: Literal["create_record"] = "create_record"
    entity: Annotated[Key, Refers("entity")]
    values: Settings = ()
    each: Each | None = None
