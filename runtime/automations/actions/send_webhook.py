"""``send_webhook``: see ``builder/definition/actions/send_webhook.py``."""

from __future__ import annotations

from builder.definition.actions.send_webhook import SendWebhook
from builder.kernel.clock import instant_text
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.automations.actions.base import Occasion, Outcome, is_not_connected, missing_port, not_connected
from runtime.automations.actions.bodies import members_json
from runtime.automations.ports import Call


class SendWebhookKind:
    """Puts a signed request down; it is sent once the transaction is committed."""

    model = SendWebhook

    def carry_out(self, o: Occasion, action: SendWebhook, key: str) -> Unit[Outcome]:
        """Write the body as it is now."""
        if o.ports.outward is None:
            raise missing_port("外发", "deliveries")
        chosen = yield from members_json(o, action.body)
        body = {
            "key": key,
            "at": instant_text(o.w.now),
            "app": o.w.app.key,
            "entity": o.entity.key,
            "record_id": o.subject.record_id,
            "record": chosen if action.body else dict(o.subject.shown),
        }
        call = Call(key, action.connection, "POST", "", {}, body, o.w.app.key, o.entity.key, o.subject.record_id)
        try:
            yield from o.ports.outward.post_call(o.w, call)
        except Problem as problem:
            if action.if_connected and is_not_connected(problem):
                return not_connected(action.connection)
            raise
        text = say(f"将发送到“{action.connection}”", f'To be sent to "{action.connection}"')
        return Outcome("done", text)
