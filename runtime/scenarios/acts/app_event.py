"""``app_event``: see ``builder/definition/scenarios/acts/app_event.py``."""

from __future__ import annotations

from builder.definition.kinds import AUTOMATIONS
from builder.definition.scenarios.acts.app_event import AppEvent
from builder.definition.triggers.app_event import AppEvent as Trigger
from builder.kernel.clock import instant_text
from builder.kernel.text import Text, say
from runtime.scenarios.base import judge_run
from runtime.scenarios.world import StoryBroken, World

_DEEDS = {
    "created": say("新建了", "was created"),
    "updated": say("修改了", "was changed"),
    "deleted": say("删除了", "was deleted"),
}


class AppEventKind:
    """Delivers what the other app would tell."""

    model = AppEvent

    def words(self, world: World, act: AppEvent) -> Text:
        """Say what happens."""
        trigger, deed = _trigger(world, act), _DEEDS[act.kind]
        return say(
            f"应用“{trigger.app}”{deed.zh}一条“{trigger.of_entity}”",
            f'In the app "{trigger.app}" a {trigger.of_entity} {deed.en}',
        )

    async def run(self, world: World, act: AppEvent) -> Text | None:
        """Do it."""
        trigger, services = _trigger(world, act), world.services
        record = None if act.kind == "deleted" else world.real(dict(act.values))
        message = {
            "app": trigger.app,
            "entity": trigger.of_entity,
            "record_id": services.ids.record_id(),
            "kind": act.kind,
            "revision": 1,
            "at": instant_text(services.clock.now()),
            "changes": {key: list(pair) for key, pair in act.changes.items()},
            "record": record,
        }
        run = await services.app_events.tell(world.app.key, act.automation, message)
        await world.work()
        state, reason = ("passed", "") if run is None else (run.state, run.reason.zh)
        return await judge_run(
            world, act.automation, act.name, (act.becomes, state, reason), None if run is None else run.id
        )


def _trigger(world: World, act: AppEvent) -> Trigger:
    found = world.app.definition.find(AUTOMATIONS, act.automation)
    if found is None or not isinstance(found.trigger, Trigger):
        raise StoryBroken(say(f"“{act.automation}”不由其他应用的事件触发", f"{act.automation} follows no other app"))
    return found.trigger
