"""``schedule``: see ``builder/definition/triggers/schedule.py``."""

from __future__ import annotations

from builder.definition.triggers.schedule import Schedule
from builder.kernel.text import say
from runtime.automations.triggers.base import Elsewhere


class ScheduleKind(Elsewhere):
    """Started by the clock: ``runtime/automations/schedules.py``."""

    model = Schedule
    title = say("定时", "Schedule")
