"""``acknowledge``: see ``builder/definition/scenarios/acts/acknowledge.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.acknowledge import Acknowledge
from builder.kernel.text import Text, say
from runtime.scenarios.base import judge_answer, refusal_words
from runtime.scenarios.wording import reminder_words
from runtime.scenarios.world import World


class AcknowledgeKind:
    """Says that somebody knows."""

    model = Acknowledge

    def words(self, world: World, act: Acknowledge) -> Text:
        """Say what happens."""
        who, end, label = world.person(act.by), refusal_words(act), reminder_words(world, act.reminder)
        return say(
            f"{who} 确认 {act.record} 的提醒{label.zh}{end.zh}",
            f"{who} acknowledges the reminder {label.en} of {act.record}{end.en}",
        )

    async def run(self, world: World, act: Acknowledge) -> Text | None:
        """Do it."""
        path = f"{world.place_of(act.record)}/timers/{act.reminder}/acknowledge"
        return judge_answer(act, await world.ask(act.by, "POST", path))
