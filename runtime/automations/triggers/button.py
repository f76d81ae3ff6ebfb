"""``button``: see ``builder/definition/triggers/button.py``."""

from __future__ import annotations

from builder.definition.triggers.button import Button
from builder.kernel.text import say
from runtime.automations.triggers.base import Elsewhere


class ButtonKind(Elsewhere):
    """Started by a person."""

    model = Button
    title = say("按钮", "Button")
