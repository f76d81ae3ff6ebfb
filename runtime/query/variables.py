"""What volatile fields need of the moment and the viewer, as values of a statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from builder.compiled.app import CompiledApp
from builder.compiled.computing import VARIABLES
from runtime.identity.actors import Actor


def variables(app: CompiledApp, actor: Actor | None, now: datetime) -> dict[str, Any]:
    """Return the parameters of ``NOW``, ``TODAY``, ``CURRENTUSER`` and ``CURRENTDEPARTMENT``; nothing if no field needs them."""
    if not app.has_volatile:
        return {}
    values: dict[str, Any] = {
        "NOW": now,
        "TODAY": now.astimezone(app.zone).date(),
        "CURRENTUSER": actor.user_id if actor else None,
        "CURRENTDEPARTMENT": actor.department_id if actor else None,
    }
    return {f"p{VARIABLES[name]}": value for name, value in values.items()}
