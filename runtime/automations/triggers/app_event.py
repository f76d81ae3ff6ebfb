"""``app_event``: see ``builder/definition/triggers/app_event.py``."""

from __future__ import annotations

from builder.definition.triggers.app_event import AppEvent
from builder.kernel.text import say
from runtime.automations.triggers.base import Elsewhere


class AppEventKind(Elsewhere):
    """Started by the feed of another app: ``runtime/automations/app_events.py``."""

    model = AppEvent
    title = say("其他应用的事件", "Event of another app")
