"""``time_window``: see ``builder/definition/guards/time_window.py``."""

from __future__ import annotations

from builder.definition.guards.time_window import WEEKDAYS, TimeWindowGuard
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from runtime.pipelines.guards.base import Found, Plain, Standing, words
from runtime.pipelines.todo import Todo

_ZH = "一二三四五六日"


class TimeWindowKind(Plain):
    """Looks at the clock on the wall of the app."""

    model = TimeWindowGuard

    def unmet(self, guard: TimeWindowGuard, s: Standing, found: Found) -> Unit[list[Todo]]:
        """One line outside of the window."""
        yield from ()
        local = s.w.now.astimezone(s.w.app.zone)
        clock = f"{local:%H:%M}"
        in_time = guard.from_time <= clock and (guard.until_time is None or clock < guard.until_time)
        if guard.days is None:
            calendars = s.w.published.calendars
            calendar = calendars[guard.calendar] if guard.calendar is not None else s.w.published.calendar
            on_day = calendar.is_worked(local.date())
        else:
            on_day = WEEKDAYS[local.weekday()] in guard.days
        if in_time and on_day:
            return []
        needed = {"days": list(guard.days or ("working",)), "from": guard.from_time, "until": guard.until_time}
        return [Todo("time_window", words(guard, _message(guard)), current=f"{local:%Y-%m-%d %H:%M}", needed=needed)]


def _message(guard: TimeWindowGuard) -> Text:
    zh, en = "工作日", "on working days"
    if guard.days is not None:
        zh = "周" + "、".join(_ZH[WEEKDAYS.index(day)] for day in guard.days)
        en = "on " + ", ".join(guard.days)
    until = guard.until_time or "24:00"
    return say(f"只能在{zh} {guard.from_time}–{until} 进行", f"Only {en}, {guard.from_time} to {until}")
