"""``record``: see ``builder/definition/scenarios/expectations/record.py``."""

from __future__ import annotations

from builder.definition.scenarios.expectations.record import Record
from builder.fields.base import JSON, Field
from builder.fields.parts.choices import ChoiceField
from builder.kernel.text import Text, say
from runtime.records.values import same_json
from runtime.scenarios.wording import condition_words, read_values
from runtime.scenarios.world import World


class RecordKind:
    """Looks at one record."""

    model = Record

    def words(self, world: World, expected: Record) -> Text:
        """Say what has to be so."""
        if expected.gone:
            return say(f"{expected.record} 已不存在", f"{expected.record} is gone")
        values = world.values_words(world.entity_of(expected.record), expected.values)
        zh = [f"{expected.record} 的{values.zh}"] if expected.values else []
        en = [f"{expected.record} has {values.en}"] if expected.values else []
        if expected.where is not None:
            where = condition_words(world, world.entity_of(expected.record), expected.where)
            zh.append(f"{expected.record} 满足 {where.zh}")
            en.append(f"{expected.record} meets {where.en}")
        return say(",".join(zh), ", ".join(en))

    async def check(self, world: World, expected: Record) -> Text | None:
        """Compare."""
        found = await world.find_record(expected.record)
        if found is None:
            return None if expected.gone else say("记录已不存在", "The record is gone")
        if expected.gone:
            return say("记录还在", "The record is still there")
        entity = world.entity_of(expected.record)
        wanted = {key: _kept(entity.find_field(key), value) for key, value in world.real(expected.values).items()}
        wrong = {key: found.get(key) for key, value in wanted.items() if not same_json(value, found.get(key))}
        if wrong:
            shown = world.values_words(
                world.entity_of(expected.record), {key: _titled(world, value) for key, value in wrong.items()}
            )
            return say(f"实为 {shown.zh}", f"It is {shown.en}")
        if expected.where is not None:
            where = f'({expected.where}) AND id = "{world.id_of(expected.record)}"'
            count, _ = await world.count(world.entity_of(expected.record).key, where)
            if not count:
                return _unmet(world, expected, found)
        return None


def _unmet(world: World, expected: Record, found: dict[str, object]) -> Text:
    """Say that a condition does not hold, and what it looks at."""
    entity = world.entity_of(expected.record)
    read = read_values(world, entity, expected.where or "", found)
    shown = world.values_words(entity, {key: _titled(world, value) for key, value in read.items()})
    zh, en = (f":{shown.zh}", f": {shown.en}") if read else ("", "")
    return say(f"不满足条件{zh}", f"It does not meet the condition{en}")


def _kept(field: Field | None, value: JSON) -> JSON:
    """Return a value as the record keeps it: an option may be given by its label, as in every write."""
    if not isinstance(field, ChoiceField):
        return value
    if isinstance(value, list):
        return [_kept(field, item) for item in value]
    return (field.find_key(value) or value) if isinstance(value, str) else value


def _titled(world: World, value: object) -> object:
    return world.titled(value) if isinstance(value, str) else value
