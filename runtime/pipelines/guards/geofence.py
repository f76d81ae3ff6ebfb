"""``geofence``: see ``builder/definition/guards/geofence.py``."""

from __future__ import annotations

from typing import Any

from builder.definition.guards.geofence import GeofenceGuard
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from formulas.errors import CellError
from formulas.functions.places import distance
from runtime.pipelines.guards.base import Found, Plain, Standing, Texts, in_wgs84, words
from runtime.pipelines.todo import Todo, of_field


class GeofenceKind(Plain):
    """Measures the way between two positions, whatever their datums."""

    model = GeofenceGuard

    def formulas(self, guard: GeofenceGuard) -> Texts:
        """The positions."""
        return guard.field, guard.target

    def unmet(self, guard: GeofenceGuard, s: Standing, found: Found) -> Unit[list[Todo]]:
        """One line if it is too far, or if a position is not known."""
        yield from ()
        here, there = (None if isinstance(point, CellError) else point for point in found.values)
        metres: int | None = None
        if here is not None and there is not None:
            metres = round(distance(in_wgs84(s, guard.field, here), in_wgs84(s, guard.target, there)))
            if metres <= guard.metres:
                return []
        message = words(guard, _message(guard, here, there, metres))
        path = guard.target if here is not None and there is None else guard.field
        needed = {"maximum_metres": guard.metres}
        if "." in path:
            return [Todo("geofence", message, field=path, current=metres, needed=needed)]
        return [of_field(s.entity, path, "geofence", message, metres, needed)]


def _message(guard: GeofenceGuard, here: Any, there: Any, metres: int | None) -> Text:
    if here is None:
        return say("没有定位,请先打卡", "There is no position; check in first")
    if there is None:
        return say("目标地点没有坐标,请先补充", "The place has no position yet; add it first")
    return say(
        f"打卡位置距目标 {metres} 米,须在 {guard.metres} 米以内",
        f"The position is {metres} m away; it has to be within {guard.metres} m",
    )
