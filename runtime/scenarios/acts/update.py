"""``update``: see ``builder/definition/scenarios/acts/update.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.update import Update
from builder.kernel.text import Text, say
from runtime.scenarios.base import judge_answer, refusal_words
from runtime.scenarios.world import World


class UpdateKind:
    """Changes a record as a person would."""

    model = Update

    def words(self, world: World, act: Update) -> Text:
        """Say what happens."""
        values, end = world.values_words(world.entity_of(act.record), act.values), refusal_words(act)
        who = world.person(act.by)
        return say(f"{who} 修改 {act.record}:{values.zh}{end.zh}", f"{who} changes {act.record}: {values.en}{end.en}")

    async def run(self, world: World, act: Update) -> Text | None:
        """Do it."""
        answer = await world.ask(act.by, "PATCH", world.place_of(act.record), body=world.real(act.values))
        return judge_answer(act, answer)
