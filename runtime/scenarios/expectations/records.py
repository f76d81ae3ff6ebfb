"""``records``: see ``builder/definition/scenarios/expectations/records.py``."""

from __future__ import annotations

from builder.definition.scenarios.expectations.records import Records
from builder.kernel.text import Text, say
from runtime.scenarios.world import World


class RecordsKind:
    """Counts records."""

    model = Records

    def words(self, world: World, expected: Records) -> Text:
        """Say what has to be so."""
        label = world.app.entities[expected.entity].label()
        zh, en = (f"(满足 {expected.where})", f" where {expected.where}") if expected.where else ("", "")
        if expected.by is not None:
            who = world.people.get(expected.by, expected.by)
            return say(f"{who} 看到“{label.zh}”{expected.count} 条{zh}", f"{who} sees {expected.count} {label.en}{en}")
        return say(f"“{label.zh}”有 {expected.count} 条{zh}", f"There are {expected.count} {label.en}{en}")

    async def check(self, world: World, expected: Records) -> Text | None:
        """Count."""
        if expected.by is None:
            count, ids = await world.count(expected.entity, expected.where)
        else:
            count, ids = await world.count_as(expected.by, expected.entity, expected.where)
        if count != expected.count:
            return say(f"实有 {count} 条", f"There are {count}")
        if expected.name is not None and ids:
            world.name(expected.name, ids[0], expected.entity)
        return None
