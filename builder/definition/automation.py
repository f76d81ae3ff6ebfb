"""``automations/*.json``: when this happens and that holds, do these things. See docs/decisions/0020."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from builder.definition.actions import Actions
from builder.definition.actions.base import Condition, OwnPath
from builder.definition.triggers import AnyTrigger
from builder.fields.base import BothLanguages, Key, Label, Model, Option, Refers, wrong_option


class Throttle(Model):
    """How often an automation may run; what is beyond that is passed over and noted."""

    at_most: Annotated[int, Option(ge=1, le=10_000)]
    per_minutes: Annotated[int, Option(ge=1, le=43_200)]
    each_record: bool = False
    """The bound holds for each record by itself."""


class Automation(Model):
    """A trigger, a condition, actions."""

    key: Key
    label: Label
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    entity: Annotated[Key, Refers("entity")]
    """Whose records it is about: formulas and actions see one of them."""
    enabled: bool = True
    trigger: AnyTrigger
    condition: Condition = None
    """A formula or a JSON filter; every record if left out."""
    actions: Annotated[Actions, Option(min_length=1)]
    run_as: Literal["actor", "owner", "system"] = "system"
    """Whose name the actions are done in: who caused it, the person in ``owner`` (each with the rights they have themselves), or the
    system, which may do everything."""
    owner: OwnPath | None = None
    """With ``run_as`` ``owner``: the path to a person; nobody there = the system."""
    on_error: Literal["log", "refuse"] = "log"
    """What a failure undoes: what the automation has written, or the whole write with it."""
    throttle: Throttle | None = None
    log: Literal["runs", "all"] = "runs"
    """``all`` also notes when the trigger fitted but the condition did not hold."""

    @model_validator(mode="after")
    def _owner_named(self) -> Self:
        if (self.run_as == "owner") != (self.owner is not None):
            raise wrong_option(
                "run_as 为 owner 时须给出 owner,否则不要给", "Give owner with run_as owner, and only then"
            )
        return self
