"""``stage``: see ``builder/definition/scenarios/expectations/stage.py``."""

from __future__ import annotations

from builder.compiled.pipelines import CompiledPipeline
from builder.definition.scenarios.expectations.stage import Stage
from builder.fields.parts.choices import ChoiceField
from builder.kernel.text import Text, say
from runtime.scenarios.world import StoryBroken, World


class StageKind:
    """Looks where a record stands."""

    model = Stage

    def words(self, world: World, expected: Stage) -> Text:
        """Say what has to be so."""
        label = _label(world, expected, expected.stage)
        node = f" / {expected.node}" if expected.node else ""
        return say(f"{expected.record} 处于“{label.zh}”{node}", f"{expected.record} is in {label.en}{node}")

    async def check(self, world: World, expected: Stage) -> Text | None:
        """Compare."""
        pipeline = _pipeline(world, expected)
        found = await world.find_record(expected.record)
        if found is None:
            return say("记录已不存在", "The record is gone")
        place = pipeline.place_of(found)
        if place.stage == expected.stage and expected.node in (None, place.node):
            return None
        label = _label(world, expected, place.stage)
        node = f" / {place.node}" if place.node else ""
        return say(f"实际处于“{label.zh}”{node}", f"It is in {label.en}{node}")


def _pipeline(world: World, expected: Stage) -> CompiledPipeline:
    entity = world.entity_of(expected.record)
    found = world.app.pipelines.get(entity.key, ())
    if not found:
        raise StoryBroken(say(f"“{entity.key}”没有流程", f'"{entity.key}" has no pipeline'))
    return next((one for one in found if expected.stage in one.stages), found[0])


def _label(world: World, expected: Stage, stage: str) -> Text:
    """What people call a stage: its option of the pipeline's field."""
    field = world.entity_of(expected.record).find_field(_pipeline(world, expected).definition.field)
    return field.option_label(stage) if isinstance(field, ChoiceField) else say(stage, stage)
