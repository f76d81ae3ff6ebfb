"""What volatile fields and row rules need of the moment and the viewer, as values of a statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from builder.compiled.app import CompiledApp
from builder.compiled.computing import viewer_values
from formulas.schema import Context
from runtime.access.grants import roles_of
from runtime.identity.actors import Actor


def variables(app: CompiledApp, actor: Actor | None, now: datetime, *, always: bool = False) -> dict[str, Any]:
    """Return the parameters of ``NOW``, ``CURRENTUSER``, ``INDEPT`` and their like; nothing if no field and no row rule needs them, unless ``always``."""
    if not always and not app.has_volatile and app.sight is None:
        return {}
    return viewer_values(viewer(app, actor, now))


def viewer(app: CompiledApp, actor: Actor | None, now: datetime) -> Context:
    """Return the moment and the person of a request, as formulas see them."""
    if actor is None:
        return Context(now=now, zone=app.zone)
    return Context(
        now=now,
        zone=app.zone,
        user=actor.user_id,
        department=actor.department_id,
        roles=tuple(sorted(roles_of(app, actor))),
        departments=actor.departments,
        team=actor.team,
        reports=actor.reports,
        areas=actor.areas,
        manager=actor.manager_id,
    )
