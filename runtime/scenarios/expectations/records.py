"""``records``: see ``builder/definition/scenarios/expectations/records.py``."""

from __future__ import annotations

from builder.definition.scenarios.expectations.records import Records
from builder.kernel.text import Text, counted, say
from runtime.scenarios.wording import condition_words
from runtime.scenarios.world import World


class RecordsKind:
    """Counts records."""

    model = Records

    def words(self, world: World, expected: Records) -> Text:
        """Say what has to be so."""
        entity = world.app.entities[expected.entity]
        label, records = entity.label(), counted(expected.count, "record")
        where = condition_words(world, entity, expected.where) if expected.where else None
        zh, en = ("", "") if where is None else (f"(满足 {where.zh})", f" where {where.en}")
        if expected.by is not None:
            who = world.people.get(expected.by, expected.by)
            told = f'{who} sees {records} of "{label.en}"{en}'
            return say(f"{who} 看到“{label.zh}”{expected.count} 条{zh}", told)
        are = "There is" if expected.count == 1 else "There are"
        return say(f"“{label.zh}”有 {expected.count} 条{zh}", f'{are} {records} of "{label.en}"{en}')

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
