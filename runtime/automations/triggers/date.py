"""``date``: see ``builder/definition/triggers/date.py``."""

from __future__ import annotations

from builder.definition.triggers.date import DateReached
from builder.kernel.text import say
from runtime.automations.triggers.base import Elsewhere


class DateReachedKind(Elsewhere):
    """Started by the clock."""

    model = DateReached
    title = say("日期到达", "Date reached")
