"""``delete``: somebody deletes a record."""

from __future__ import annotations

from typing import Literal

from builder.definition.scenarios.base import Name, PersonalAct


class Delete(PersonalAct):
    """Delete a record."""

    type: Literal["delete"] = "delete"
    record: Name
