"""``answer``: see ``builder/definition/scenarios/acts/answer.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.answer import Answer
from builder.kernel.text import Text, say
from runtime.scenarios.base import judge_answer, refusal_words
from runtime.scenarios.world import World

_WORDS = {
    "approve": say("{who} 同意 {it} 的审批", "{who} approves {it}"),
    "reject": say("{who} 拒绝 {it} 的审批", "{who} rejects {it}"),
    "return": say("{who} 退回 {it} 的审批", "{who} returns {it}"),
    "delegate": say("{who} 把 {it} 的审批转交给{to}", "{who} hands the approval of {it} on to {to}"),
    "add_signer": say("{who} 请{to}为 {it} 加签", "{who} asks {to} to sign {it}, too"),
    "withdraw": say("{who} 撤回 {it} 的审批", "{who} withdraws {it}"),
    "comment": say("{who} 评论 {it} 的审批", "{who} comments on the approval of {it}"),
}


class AnswerKind:
    """Answers the approval that runs, as a person would."""

    model = Answer

    def words(self, world: World, act: Answer) -> Text:
        """Say what happens."""
        end, to = refusal_words(act), "" if act.to is None else world.person(act.to)
        names = {"who": world.person(act.by), "it": act.record, "to": to}
        zh, en = (text.format_map(names) for text in _WORDS[act.answer])
        said, told = ("", "") if act.comment is None else (f":{act.comment}", f": {act.comment}")
        return say(f"{zh}{said}{end.zh}", f"{en}{told}{end.en}")

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
