"""``timers``: see ``builder/definition/scenarios/expectations/timers.py``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from builder.definition.scenarios.expectations.timers import ExpectedTimer, Timers
from builder.kernel.text import Text, say
from runtime.scenarios.wording import timer_words
from runtime.scenarios.world import World


class TimersKind:
    """Looks what is to come for a record."""

    model = Timers

    def words(self, world: World, expected: Timers) -> Text:
        """Say what has to be so."""
        if not expected.timers:
            return say(f"{expected.record} 没有待触发的提醒", f"Nothing is to come for {expected.record}")
        told = [
            timer_words(world, timer.reminder, (timer.due or "").replace("T", " "), timer.state)
            for timer in expected.timers
        ]
        return say(f"{expected.record} 的提醒:{_zh(told)}", f"To come for {expected.record}: {_en(told)}")

    async def check(self, world: World, expected: Timers) -> Text | None:
        """Compare."""
        entity = world.entity_of(expected.record)
        described = await world.services.timers.describe(
            world.caller(), world.app.key, entity.key, world.id_of(expected.record)
        )
        found = {timer["reminder"]: timer for timer in described["timers"]}
        wanted = {timer.reminder: timer for timer in expected.timers}
        if found.keys() == wanted.keys() and all(_fits(world, found[key], wanted[key]) for key in wanted):
            return None
        told = [timer_words(world, key, _due(world, timer), timer["state"]) for key, timer in found.items()]
        return say(f"实为 {_zh(told) or '–'}", f"There is {_en(told) or '–'}")


def _fits(world: World, found: dict[str, Any], wanted: ExpectedTimer) -> bool:
    due = None if wanted.due is None else world.local(world.moment(wanted.due))
    return (due is None or due == _due(world, found)) and wanted.state in (None, found["state"])


def _due(world: World, timer: dict[str, Any]) -> str:
    return world.local(datetime.fromisoformat(timer["due_at"])) if timer["due_at"] else ""


def _zh(told: list[Text]) -> str:
    return "、".join(text.zh for text in told)


def _en(told: list[Text]) -> str:
    return ", ".join(text.en for text in told)
