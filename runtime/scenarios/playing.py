"""Playing one scenario: acts in their order, then what has to be so."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Literal

from builder.definition.scenarios import Chapter, Scenario
from builder.fields.base import label_text
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from runtime.scenarios.acts import BY_MODEL as ACTS
from runtime.scenarios.expectations import BY_MODEL as EXPECTATIONS
from runtime.scenarios.report import Line
from runtime.scenarios.world import StoryBroken, World

Step = tuple[Literal["act", "expectation"], str, Any]


async def play(world: World, scenario: Scenario) -> tuple[list[Line], Text | None]:
    """Return a sentence for every step, and why the story could not begin, if it could not."""
    try:
        await world.settle(scenario)
    except (Problem, StoryBroken) as wrong:
        return [], say(f"给定的数据无法建立:{_words(wrong).zh}", f"What is given cannot be: {_words(wrong).en}")
    lines: list[Line] = []
    stopped = False
    for place, chapter in enumerate(scenario.story):
        if chapter.label is not None:
            lines.append(Line("chapter", "", label_text(chapter.label), "passed"))
        for kind, pointer, step in _steps(chapter, f"/story/{place}"):
            if stopped:
                lines.append(Line(kind, "", _told(world, kind, step), "not_reached", pointer=pointer))
                continue
            line = await _take(world, kind, pointer, step)
            lines.append(line)
            # after an act that went otherwise nothing that follows means anything
            stopped = kind == "act" and line.state == "failed"
    return lines, None


def _steps(chapter: Chapter, pointer: str) -> list[Step]:
    acts: list[Step] = [("act", f"{pointer}/when/{place}", act) for place, act in enumerate(chapter.when)]
    return acts + [("expectation", f"{pointer}/then/{place}", one) for place, one in enumerate(chapter.then)]


async def _take(world: World, kind: Literal["act", "expectation"], pointer: str, step: Any) -> Line:
    at = world.local()
    try:
        text = _told(world, kind, step)
        run: Awaitable[Text | None] = (
            ACTS[type(step)].run(world, step) if kind == "act" else EXPECTATIONS[type(step)].check(world, step)
        )
        found = await run
    except (Problem, StoryBroken) as wrong:
        found, text = _words(wrong), _told(world, kind, step)
    return Line(kind, at, text, "passed" if found is None else "failed", found, pointer)


def _told(world: World, kind: str, step: Any) -> Text:
    try:
        return ACTS[type(step)].words(world, step) if kind == "act" else EXPECTATIONS[type(step)].words(world, step)
    except StoryBroken:  # it speaks of something that never came to be
        name = getattr(step, "record", "")
        return say(f"{step.type} {name}", f"{step.type} {name}")


def _words(wrong: Problem | StoryBroken) -> Text:
    if isinstance(wrong, StoryBroken):
        return wrong.message
    more = "; ".join(f"{v.pointer} {v.message.zh}" for v in wrong.violations[:5])
    more_en = "; ".join(f"{v.pointer} {v.message.en}" for v in wrong.violations[:5])
    return say(f"{wrong.detail.zh} {more}".strip(), f"{wrong.detail.en} {more_en}".strip())
