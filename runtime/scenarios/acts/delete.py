"""``delete``: see ``builder/definition/scenarios/acts/delete.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.delete import Delete
from builder.kernel.text import Text, say
from runtime.scenarios.base import judge_answer, refusal_words
from runtime.scenarios.world import World


class DeleteKind:
    """Deletes a record as a person would."""

    model = Delete

    def words(self, world: World, act: Delete) -> Text:
        """Say what happens."""
        who, end = world.person(act.by), refusal_words(act)
        return say(f"{who} 删除 {act.record}{end.zh}", f"{who} deletes {act.record}{end.en}")

    async def run(self, world: World, act: Delete) -> Text | None:
        """Do it."""
        return judge_answer(act, await world.ask(act.by, "DELETE", world.place_of(act.record)))
