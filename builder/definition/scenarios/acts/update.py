"""``update``: somebody changes a record."""

from __future__ import annotations

from typing import Literal

from builder.definition.scenarios.base import Name, PersonalAct, Values


class Update(PersonalAct):
    """Change fields of a record."""

    type: Literal["update"] = "update"
    record: Name
    values: Values
