"""What kinds of acts and expectations are."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from builder.definition.scenarios.base import Act, Expectation, PersonalAct
from builder.kernel.problems import CODES
from builder.kernel.text import Text, say
from runtime.scenarios.asking import Answer
from runtime.scenarios.world import World

JSON = Any
A = TypeVar("A", bound=Act)
E = TypeVar("E", bound=Expectation)


class ActKind(Protocol[A]):
    """One kind of act. It has no state of its own."""

    model: type[A]

    def words(self, world: World, act: A) -> Text:
        """Say what happens."""
        ...

    async def run(self, world: World, act: A) -> Text | None:
        """Do it; return what went otherwise than the scenario says, None if nothing.

        Raises:
            StoryBroken.
        """
        ...


class ExpectationKind(Protocol[E]):
    """One kind of expectation. It has no state of its own."""

    model: type[E]

    def words(self, world: World, expected: E) -> Text:
        """Say what has to be so."""
        ...

    async def check(self, world: World, expected: E) -> Text | None:
        """Return what is found instead, None if it is so.

        Raises:
            StoryBroken.
        """
        ...


async def judge_run(
    world: World, automation: str, name: str | None, found: tuple[str, str, str], run_id: str | None
) -> Text | None:
    """Compare what came of a message with what should have, and let a name stand for the record it was for.

    Args:
        found: the state that was expected, the one there is, and its reason.
    """
    expected, state, reason = found
    state = "done" if state == "waiting" else state
    if state != expected:
        return say(f"应为 {expected},实为 {state} {reason}", f"It should be {expected}, it is {state} {reason}")
    if name is not None and run_id is not None:
        record_id = await world.record_of_run(run_id)
        if record_id is None:
            return say("这次运行没有记录", "The run was for no record")
        world.name(name, record_id, world.automation(automation).entity)
    return None


def judge_answer(act: PersonalAct, answer: Answer) -> Text | None:
    """Compare an answer with what the act expects: success, or a refusal with a code."""
    if answer.status < 400:
        if act.refused is None:
            return None
        return say(f"应被拒绝({act.refused}),却成功了", f"It should have been refused ({act.refused}) and was not")
    if act.refused is not None and answer.code == act.refused:
        return None
    told = problem_words(answer)
    if act.refused is None:
        return say(f"被拒绝:{told}", f"It was refused: {told}")
    return say(
        f"应以 {act.refused} 拒绝,实为 {told}", f"It should have been refused with {act.refused}, not with {told}"
    )


def problem_words(answer: Answer) -> str:
    """Say what a refusal says."""
    body = answer.body if isinstance(answer.body, dict) else {}
    parts = [f"{answer.code or answer.status}", str(body.get("detail", ""))]
    for error in [*(body.get("errors") or ()), *(body.get("todo") or ())][:5]:
        if isinstance(error, dict):
            parts.append(f"{error.get('pointer', '')} {error.get('detail') or error.get('message') or ''}".strip())
    return "; ".join(part for part in parts if part)


def refusal_words(act: PersonalAct) -> Text:
    """Say that an act has to be refused, if it has."""
    return say("", "") if act.refused is None else code_words(act.refused)


def code_words(code: str) -> Text:
    """Say that something is refused, and why in the words of the code."""
    known = CODES.get(code)
    zh, en = ("", "") if known is None else (f":{known.title.zh}", f": {known.title.en}")
    return say(f" → 被拒绝{zh}({code})", f" → refused{en} ({code})")
