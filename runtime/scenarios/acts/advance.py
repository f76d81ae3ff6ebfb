"""``advance``: see ``builder/definition/scenarios/acts/advance.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.advance import Advance
from builder.definition.spans import read_span
from builder.kernel.text import Text, say
from runtime.scenarios.world import World


class AdvanceKind:
    """Lets time pass."""

    model = Advance

    def words(self, world: World, act: Advance) -> Text:
        """Say what happens."""
        if act.by is not None:
            length = read_span(act.by).words()
            passes = "passes" if length.en.startswith("1 ") else "pass"
            return say(f"过了 {length.zh}", f"{length.en} {passes}")
        until = (act.until or "").replace("T", " ")
        return say(f"时间到了 {until}", f"It becomes {until}")

    async def run(self, world: World, act: Advance) -> Text | None:
        """Do it."""
        if act.by is not None:
            until = world.clock.now() + read_span(act.by).length
        else:
            until = world.moment(act.until or "")
        await world.advance(until)
        return None
