"""``notify``: see ``builder/definition/actions/notify.py``."""

from __future__ import annotations

from builder.definition.actions.base import audience_words
from builder.definition.actions.notify import Notify
from builder.kernel.problems import Problem
from builder.kernel.text import counted, say
from builder.store.statement import Unit
from runtime.automations.actions.base import Occasion, Outcome, audience, is_not_connected, missing_port
from runtime.automations.ports import Letter


class NotifyKind:
    """Puts a message down; it is delivered once the transaction is committed."""

    model = Notify

    def carry_out(self, o: Occasion, action: Notify, key: str) -> Unit[Outcome]:
        """Write the text as it is now, to the people it is for now."""
        if o.ports.outward is None:
            raise missing_port("消息", "messages")
        user_ids = yield from audience(o, action.to)
        subject = yield from o.render(action.subject)
        if not user_ids:
            whom = audience_words(action.to)
            zh = f"没有可通知的人({whom.zh}):{subject.zh}"
            en = f"There is nobody to tell ({whom.en}): {subject.en}"
            return Outcome("passed", say(zh, en))
        text = yield from o.render(action.text)
        about = (o.w.app.key, o.entity.key, o.subject.record_id)
        letter = Letter(key, tuple(user_ids), action.channel, subject, text, *about, urgent=action.urgent)
        try:
            yield from o.ports.outward.post_letter(o.w, letter)
        except Problem as problem:
            if not (action.if_connected and is_not_connected(problem)):
                raise
            yield from o.ports.outward.post_letter(o.w, letter._replace(channel=None))
        count = len(user_ids)
        return Outcome(
            "done", say(f"已通知 {count} 人:{subject.zh}", f"Told {counted(count, 'person', 'people')}: {subject.en}")
        )
