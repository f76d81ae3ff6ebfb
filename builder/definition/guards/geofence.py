"""``geofence``: the record's position is near another."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.guards.base import GuardModel, OwnPath
from builder.fields.base import Option


class GeofenceGuard(GuardModel):
    """Two positions are no further apart than so many metres; a blank one counts as too far."""

    type: Literal["geofence"] = "geofence"
    field: OwnPath
    """Where it happened, such as the check-in."""
    target: OwnPath
    """Where it had to happen, such as ``customer.position``."""
    metres: Annotated[int, Option(ge=1, le=100_000)] = 200
