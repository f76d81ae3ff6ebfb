"""``create_task``: make tasks that carry what was known when they arose."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.actions.base import Each, OwnPath, RecordAction, Settings
from builder.fields.base import Key, Option, Refers
from builder.kernel.limits import SETTINGS_PER_ACTION


class CreateTask(RecordAction):
    """Make a record of a task entity with a frozen copy of values of the record; with ``each``, one for every item.

    The copy stays as it is whatever becomes of the record, so that who works on the task sees what the asker saw.
    """

    type: Literal["create_task"] = "create_task"
    entity: Annotated[Key, Refers("entity")]
    values: Settings = ()
    each: Each | None = None
    snapshot_field: Annotated[Key, Refers("field", of="entity")]
    """A field of type ``json`` for the copy: ``{"entity", "id", "revision", "at", "values": {path: value}, "names": {path: name}, "labels":
    {path: label}}``. Names are those of the people, departments, records and options among the values as they were called then; a record's is
    left out if a role that reads this field cannot read titles there."""
    snapshot: Annotated[tuple[OwnPath, ...], Option(min_length=1, max_length=SETTINGS_PER_ACTION)]
    """What is copied: field paths of the record."""
    once: bool = True
    """The same step for the same record makes its tasks once: again only if the former ones are gone."""
    link_field: Annotated[Key, Refers("field", of="entity")] | None = None
    """The field of the task that points to the record; ``once`` looks by it."""
