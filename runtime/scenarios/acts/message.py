"""``message``: see ``builder/definition/scenarios/acts/message.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.message import Message
from builder.kernel.canonical import dump_json
from builder.kernel.text import Text, say
from runtime.api.http import Header
from runtime.channels.webhook import ID_HEADER, SIGNATURE_HEADER, TIME_HEADER, sign
from runtime.identity.audit import Origin
from runtime.scenarios.asking import Answer, ask
from runtime.scenarios.base import code_words, judge_run, problem_words
from runtime.scenarios.world import World

_ENDS = {
    "done": say("", ""),
    "passed": say("(不处理)", " (passed over)"),
    "failed": say("(失败)", " (it fails)"),
    "repeated": say("(重复,不再处理)", " (a repetition)"),
}
_REFUSALS = {"failed": "automation.failed"}
"""What the sender of a message is answered that could not be taken over."""


class MessageKind:
    """Sends a message through the front door, signed."""

    model = Message

    def words(self, world: World, act: Message) -> Text:
        """Say what happens."""
        label = world.automation_label(act.automation)
        end = _ENDS[act.becomes] if act.refused is None else code_words(act.refused)
        return say(f"其他系统向“{label.zh}”发来消息{end.zh}", f"Another system sends a message to {label.en}{end.en}")

    async def run(self, world: World, act: Message) -> Text | None:
        """Do it."""
        answer = await _send(world, act)
        if act.refused is not None or answer.status >= 400:
            if answer.code == (act.refused or _REFUSALS.get(act.becomes)):
                return None
            told = problem_words(answer)
            return say(f"实为 {answer.status} {told}", f"The answer is {answer.status} {told}")
        shown = answer.body["data"]
        state = "repeated" if shown["repeated"] else "passed" if shown["run"] is None else shown["run"]["state"]
        reason = shown["run"]["reason"] if shown["run"] else ""
        run_id = shown["run"]["id"] if shown["run"] else None
        return await judge_run(world, act.automation, act.name, (act.becomes, state, reason), run_id)


async def _send(world: World, act: Message) -> Answer:
    services = world.services
    secret = world.secrets.get(act.automation)
    if secret is None:
        origin = Origin("system", "", "")
        made = await services.hooks.change_secret(world.caller(), origin, world.app.key, act.automation, 0)
        secret = world.secrets[act.automation] = made.secret
    seconds, body = int(services.clock.now().timestamp()), dump_json(world.real(act.body))
    named = {
        ID_HEADER: act.id or services.ids.record_id(),
        TIME_HEADER: str(seconds),
        SIGNATURE_HEADER: sign(secret, seconds, body),
    }
    headers: tuple[Header, ...] = tuple((name.encode(), value.encode()) for name, value in named.items())
    path = f"/api/{world.app.key}/hooks/{act.automation}"
    answer = await ask(world.application, "POST", path, "", content=body, headers=headers)
    await world.work()
    return answer
