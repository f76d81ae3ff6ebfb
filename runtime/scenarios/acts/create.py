"""``create``: see ``builder/definition/scenarios/acts/create.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.create import Create
from builder.kernel.text import Text, say
from runtime.scenarios.base import judge_answer, refusal_words
from runtime.scenarios.world import World


class CreateKind:
    """Makes a record as a person would."""

    model = Create

    def words(self, world: World, act: Create) -> Text:
        """Say what happens."""
        entity = world.app.entities[act.entity]
        label, values, end = entity.label(), world.values_words(entity, act.values), refusal_words(act)
        who, name = world.person(act.by), f" {act.name}" if act.name else ""
        return say(
            f"{who} 新建“{label.zh}”{name}:{values.zh}{end.zh}", f"{who} creates {label.en}{name}: {values.en}{end.en}"
        )

    async def run(self, world: World, act: Create) -> Text | None:
        """Do it."""
        path = world.path(f"records/{act.entity}")
        answer = await world.ask(act.by, "POST", path, body=world.real(act.values))
        if answer.status < 400 and act.name is not None:
            world.name(act.name, str(answer.body["data"]["id"]), act.entity)
        return judge_answer(act, answer)
