"""``answer``: see ``builder/definition/scenarios/acts/answer.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.answer import Answer
from builder.kernel.text import Text, say
from runtime.scenarios.base import judge_answer, refusal_words
from runtime.scenarios.world import World

_WORDS = {
    "approve": say("同意", "approves"),
    "reject": say("拒绝", "rejects"),
    "return": say("退回", "returns"),
    "delegate": say("转交", "hands on"),
    "add_signer": say("加签", "asks somebody else to sign"),
    "withdraw": say("撤回", "withdraws"),
    "comment": say("评论", "comments on"),
}


class AnswerKind:
    """Answers the approval that runs, as a person would."""

    model = Answer

    def words(self, world: World, act: Answer) -> Text:
        """Say what happens."""
        who, does, end = world.person(act.by), _WORDS[act.answer], refusal_words(act)
        to = say("", "") if act.to is None else say(f"给{world.person(act.to)}", f" to {world.person(act.to)}")
        said = "" if act.comment is None else f":{act.comment}"
        return say(
            f"{who} {does.zh} {act.record} 的审批{to.zh}{said}{end.zh}",
            f"{who} {does.en} the approval of {act.record}{to.en}{said}{end.en}",
        )

    async def run(self, world: World, act: Answer) -> Text | None:
        """Do it: to the approval that runs, the last one if none does."""
        found = await world.ask(act.by, "GET", f"{world.place_of(act.record)}/approvals")
        if found.status >= 400:
            return judge_answer(act, found)
        listed = [item for item in found.body["data"] if item["state"] == "running"] or found.body["data"]
        if not listed:
            return say(f"{act.record} 没有审批", f"{act.record} has no approval")
        body = {} if act.comment is None else {"comment": act.comment}
        body |= {} if act.to is None else {"user_id": world.real(f"@{act.to}")}
        path = f"/api/{world.app.key}/approvals/{listed[0]['id']}/{act.answer}"
        return judge_answer(act, await world.ask(act.by, "POST", path, body=body))
