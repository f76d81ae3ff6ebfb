"""``webhook``: see ``builder/definition/triggers/webhook.py``."""

from __future__ import annotations

from builder.definition.triggers.webhook import Webhook
from builder.kernel.text import say
from runtime.automations.triggers.base import Elsewhere


class WebhookKind(Elsewhere):
    """Started by a message."""

    model = Webhook
    title = say("外部消息", "Webhook")
