"""``create``: somebody makes a record."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.scenarios.base import Name, PersonalAct, Values
from builder.fields.base import Key, Option, Refers


class Create(PersonalAct):
    """Make a record."""

    type: Literal["create"] = "create"
    entity: Annotated[Key, Refers("entity")]
    name: Name | None = None
    """``@name`` means its id from here on."""
    values: Values = Option(default_factory=dict)
