"""``request``: see ``builder/definition/scenarios/acts/request.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.request import Request
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from runtime.scenarios.base import judge_answer, problem_words, refusal_words
from runtime.scenarios.world import World


class RequestKind:
    """Sends whatever request."""

    model = Request

    def words(self, world: World, act: Request) -> Text:
        """Say what happens."""
        if act.label is not None:
            label = label_text(act.label)
            return say(f"{world.person(act.by)} {label.zh}", f"{world.person(act.by)} {label.en}")
        who, end = world.person(act.by), refusal_words(act)
        return say(f"{who} 请求 {act.method} {act.path}{end.zh}", f"{who} requests {act.method} {act.path}{end.en}")

    async def run(self, world: World, act: Request) -> Text | None:
        """Do it."""
        answer = await world.ask(act.by, act.method, world.path(act.path), body=world.real(act.body))
        if act.name is not None and answer.status < 400:
            shown = answer.body.get("data") if isinstance(answer.body, dict) else None
            if not isinstance(shown, dict) or not isinstance(shown.get("id"), str):
                return say("回答里没有 id", "The answer has no id")
            parts = act.path.split("/")
            entity = parts[1] if parts[0] == "records" and len(parts) > 1 and parts[1] in world.app.entities else ""
            world.name(act.name, shown["id"], entity)
        if act.status is not None:
            if answer.status == act.status:
                return None
            told = problem_words(answer)
            return say(f"状态应为 {act.status},实为 {told}", f"The status should be {act.status}, it is {told}")
        return judge_answer(act, answer)
