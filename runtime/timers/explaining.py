"""Timers in words: which reminder, from which moment, counted how, and what has become of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from builder.compiled.app import CompiledEntity
from builder.compiled.calendars import calendar_documents, calendar_label
from builder.compiled.reminders import CompiledReminder, Step
from builder.definition.reminder import (
    AbsenceOccasion,
    DateOccasion,
    StreakOccasion,
    UnchangedOccasion,
)
from builder.definition.spans import Span
from builder.fields.base import label_text
from builder.kernel.canonical import parse_json
from builder.kernel.clock import instant_text
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from runtime.records.seeing import seen_reads
from runtime.records.writer import Writing
from runtime.timers.arming import calendar_of
from runtime.timers.counting import due_of
from runtime.timers.rows import Timer

JSON = Any

_HOUR_SECONDS = 3_600


def describe(
    w: Writing, timers: Sequence[Timer], fired: Sequence[Mapping[str, Any]], told: Collection[str]
) -> dict[str, JSON]:
    """Return timers and firings for the API; texts are ``{"zh", "en"}``.

    Args:
        told: the reminders of which the caller may be told (``told_reminders``).
    """
    rules = w.app.reminders.by_key
    known = [(timer, rules.get(timer.rule)) for timer in timers]
    return {
        "timers": [
            _timer(w, timer, rule)
            for timer, rule in sorted(known, key=lambda pair: pair[0].rule)
            if rule and rule.key in told
        ],
        "fired": [_firing(w, row) for row in fired if row["rule"] in told or w.sight is None],
    }


def told_reminders(w: Writing, entity: CompiledEntity, record_id: str, keys: Iterable[str]) -> Unit[frozenset[str]]:
    """Return the reminders of a record of which the caller may be told: the moments of one tell of everything that it reads."""
    rules = [w.app.reminders.by_key[key] for key in set(keys) if key in w.app.reminders.by_key]
    seen = yield from seen_reads(w, entity, record_id, (read for rule in rules for read in rule.reads))
    return frozenset(rule.key for rule in rules if rule.reads <= seen)


def _timer(w: Writing, timer: Timer, rule: CompiledReminder) -> dict[str, JSON]:
    comes = timer.due_at is not None
    return {
        "reminder": timer.rule,
        "label": _both(label_text(rule.document.label)),
        "state": _state(timer),
        "due_at": _at(timer.due_at),
        "step": _step(rule, timer.step) if comes or timer.paused_at is not None else None,
        "steps_left": max(len(rule.steps) - timer.step, 0) if timer.acknowledged_at is None else 0,
        "occasion_at": _at(timer.anchor_at),
        "provisional": timer.provisional,
        "snoozed_until": _at(timer.snoozed_until),
        "acknowledged_at": _at(timer.acknowledged_at),
        "acknowledged_by": timer.acknowledged_by,
        "paused_at": _at(timer.paused_at),
        "why": _both(why(w, timer, rule)),
    }


def _state(timer: Timer) -> str:
    if timer.acknowledged_at is not None:
        return "acknowledged"
    if timer.paused_at is not None:
        return "paused"
    if timer.due_at is None:
        return "done"
    return "snoozed" if timer.snoozed_until == timer.due_at else "waiting"


def _step(rule: CompiledReminder, place: int) -> dict[str, JSON]:
    step = rule.steps[min(place, len(rule.steps) - 1)]
    label = label_text(step.label) if step.label is not None else step_words(step)
    return {"number": step.place + 1, "turn": step.turn + 1, "label": _both(label)}


def _firing(w: Writing, row: Mapping[str, Any]) -> dict[str, JSON]:
    rule = w.app.reminders.by_key.get(row["rule"])
    return {
        "reminder": row["rule"],
        "label": _both(label_text(rule.document.label)) if rule else None,
        "outcome": row["outcome"],
        "step": _step(rule, row["step"]) if rule else None,
        "occasion_at": _at(row["anchor_at"]),
        "due_at": _at(row["due_at"]),
        "fired_at": _at(row["fired_at"]),
        "detail": parse_json(row["detail"]) if row["detail"] and (w.sight is None or _is_plain(row)) else None,
    }


def _is_plain(row: Mapping[str, Any]) -> bool:
    """Whether the words of a firing are ours: those of actions tell what they read, which the caller may not see."""
    return bool(row["outcome"] == "missed")


def step_words(step: Step) -> Text:
    """Say when a step comes: ``24 小时后``."""
    words = step.span.words()
    if not step.span.amount:
        text = say("当时", "at the moment")
    else:
        text = (
            say(f"{words.zh}后", f"{words.en} later") if step.sign > 0 else say(f"{words.zh}前", f"{words.en} before")
        )
    if step.turn and step.again is not None:
        again = step.again.words()
        return say(f"{text.zh}起每 {again.zh}第 {step.turn} 次", f"{text.en}, then every {again.en}, no. {step.turn}")
    return text


def why(w: Writing, timer: Timer, rule: CompiledReminder) -> Text:
    """Say why the next step comes when it comes."""
    occasion = occasion_words(w, rule)
    at = local(w, timer.anchor_at)
    zh, en = [f"{occasion.zh}:{at}"], [f"{occasion.en}: {at}"]
    if timer.paused_at is not None:
        since = local(w, timer.paused_at)
        zh.append(f"{since} 起暂停计时")
        en.append(f"its clock stands still since {since}")
    elif timer.acknowledged_at is not None:
        zh.append(f"已于 {local(w, timer.acknowledged_at)} 确认,后续步骤不再执行")
        en.append(f"acknowledged at {local(w, timer.acknowledged_at)}, so no further step comes")
    elif timer.due_at is None:
        zh.append("所有步骤都已执行")
        en.append("all its steps are done")
    else:
        _count(w, timer, rule, zh, en)
    return say(",".join(zh) + "。", ", ".join(en) + ".")


def _count(w: Writing, timer: Timer, rule: CompiledReminder, zh: list[str], en: list[str]) -> None:
    calendar = calendar_of(w, rule)
    step = rule.steps[timer.step]
    due = due_of(rule, step, timer.anchor_at, calendar, timer.paused_seconds)
    words = step_words(step)
    if rule.counts_working_time:
        name = calendar_label(calendar_documents(w.app.definition)[calendar.key])
        words = say(f"{words.zh}(按日历“{name.zh}”)", f'{words.en} (by the calendar "{name.en}")')
    counted = local(w, due.counted)
    zh.append(f"{words.zh}是 {counted}")
    en.append(f"{words.en} is {counted}")
    if timer.paused_seconds:
        stood = _stood(timer.paused_seconds)
        zh.append(f"其中扣除暂停或推迟的 {stood.zh}")
        en.append(f"{stood.en} of standing still or being put off left out")
    if due.at != due.counted:
        zh.append(f"避开非工作或免打扰时段,顺延到 {local(w, due.at)}")
        en.append(f"moved to {local(w, due.at)}, out of quiet or free hours")
    if timer.snoozed_until is not None and timer.due_at == timer.snoozed_until:
        zh.append(f"有人推迟到 {local(w, timer.snoozed_until)}")
        en.append(f"put off until {local(w, timer.snoozed_until)}")
    if due.unknown_years:
        years = ", ".join(str(year) for year in due.unknown_years)
        zh.append(f"{years} 年尚无节假日数据,暂按周末计算")
        en.append(f"the holidays of {years} are not known yet, so only weekends are off")


def _stood(seconds: float) -> Text:
    if seconds < _HOUR_SECONDS:
        return Span(max(1, round(seconds / 60)), "m", working=False).words()
    hours = f"{seconds / _HOUR_SECONDS:.1f}"
    return say(f"{hours} 小时", f"{hours} hours")


def occasion_words(w: Writing, rule: CompiledReminder) -> Text:
    """Say what a reminder counts from."""
    when = rule.document.when
    fields = w.app.entities[rule.entity].fields
    if isinstance(when, DateOccasion):
        field = w.app.entities[rule.entity].find_field(when.moment)
        return label_text(field.label) if field is not None else say(f"“{when.moment}”", f'"{when.moment}"')
    if isinstance(when, UnchangedOccasion):
        if not when.fields:
            return say("最后更新", "Last changed")
        labels = [label_text(fields[key].label) for key in when.fields]
        zh, en = "、".join(text.zh for text in labels), ", ".join(text.en for text in labels)
        return say(f"“{zh}”最后变化", f"Last change of {en}")
    if isinstance(when, AbsenceOccasion):
        if when.relation is not None:
            label = label_text(fields[when.relation].label)
            return say(f"最近一次符合条件的“{label.zh}”(或创建)", f"The last fitting {label.en} (or its creation)")
        return say("最近一条符合条件的记录", "The last fitting record")
    assert isinstance(when, StreakOccasion)
    return say(f"连续第 {when.length} 条", f"No. {when.length} in a row")


def local(w: Writing, at: datetime) -> str:
    """Write an instant in the app's zone."""
    return at.astimezone(w.app.zone).strftime("%Y-%m-%d %H:%M")


def _at(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)


def _both(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}
