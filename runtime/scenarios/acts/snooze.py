"""``snooze``: see ``builder/definition/scenarios/acts/snooze.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.snooze import Snooze
from builder.definition.spans import read_span
from builder.kernel.text import Text, say
from runtime.scenarios.base import judge_answer, refusal_words
from runtime.scenarios.wording import reminder_words
from runtime.scenarios.world import World


class SnoozeKind:
    """Puts a reminder off."""

    model = Snooze

    def words(self, world: World, act: Snooze) -> Text:
        """Say what happens."""
        who, end, length = world.person(act.by), refusal_words(act), read_span(act.length).words()
        label = reminder_words(world, act.reminder)
        return say(
            f"{who} 把 {act.record} 的提醒{label.zh}推迟 {length.zh}{end.zh}",
            f"{who} puts the reminder {label.en} of {act.record} off for {length.en}{end.en}",
        )

    async def run(self, world: World, act: Snooze) -> Text | None:
        """Do it."""
        path = f"{world.place_of(act.record)}/timers/{act.reminder}/snooze"
        return judge_answer(act, await world.ask(act.by, "POST", path, body={"for": act.length}))
