"""Choosing a person by a rule: the first step that finds somebody decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from builder.calendars.working import is_working_moment
from builder.definition.assignment import Assignment, Hours, LeastLoad, RoundRobin, Score, Step, Sticky
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from runtime.assignments.candidates import (
    Candidate,
    count_open,
    known_people,
    pass_over_away,
    read_turns,
    score_all,
)
from runtime.automations.actions.base import Occasion, audience
from runtime.automations.ports import Ports
from runtime.expressions.prepared import Subject
from runtime.records.writer import Writing

JSON = Any


@dataclass
class Looked:
    """What became of one step."""

    label: Text
    why: Text
    """Why it decided, or did not."""
    candidates: list[Candidate] = field(default_factory=list)


@dataclass
class Decision:
    """What a rule decided, with everything it looked at."""

    user_id: str | None
    steps: list[Looked]

    @property
    def text(self) -> Text:
        """Say in one paragraph what was decided and why."""
        zh = ";".join(_step_text(looked).zh for looked in self.steps)
        en = "; ".join(_step_text(looked).en for looked in self.steps)
        return say(zh, en)

    def to_json(self) -> list[JSON]:
        """Write everything that was looked at."""
        return [
            {
                "label": {"zh": s.label.zh, "en": s.label.en},
                "why": {"zh": s.why.zh, "en": s.why.en},
                "candidates": [_candidate_json(c) for c in s.candidates],
            }
            for s in self.steps
        ]


def decide(w: Writing, ports: Ports, subject: Subject, rule: Assignment) -> Unit[Decision]:
    """Find a person; what was looked at is told. Writes nothing; whoever wants caps kept holds the head row first."""
    looked: list[Looked] = []
    for place, step in enumerate(rule.steps, 1):
        label = label_text(step.label) if step.label else say(f"第 {place} 步", f"Step {place}")
        chosen, told = yield from _try_step(w, ports, subject, rule, step, label)
        looked.append(told)
        if chosen is not None:
            return Decision(chosen.user_id, looked)
    return Decision(None, looked)


def _try_step(
    w: Writing, ports: Ports, subject: Subject, rule: Assignment, step: Step, label: Text
) -> Unit[tuple[Candidate | None, Looked]]:
    if not (yield from ports.expressions.holds(w, subject, step.when)):
        return None, Looked(label, say("条件不满足", "its condition is not met"))
    if step.hours is not None and not is_within(step.hours, w.now.astimezone(w.app.zone)):
        return None, Looked(label, say("不在时间段内", "it is outside its hours"))
    if step.in_hours_of is not None:
        calendar = w.published.calendars.get(step.in_hours_of)
        if calendar is not None and not is_working_moment(calendar, w.now):
            return None, Looked(label, say("非工作时间", "it is outside working hours"))
    user_ids = yield from audience(Occasion(w, ports, subject, ""), step.people)
    candidates = yield from known_people(w, user_ids)
    if not candidates:
        return None, Looked(label, say("没有候选人", "there is no candidate"))
    yield from count_open(w, rule, candidates, subject.record_id)
    yield from read_turns(w, rule, candidates)
    if step.skip_away:
        yield from pass_over_away(w, candidates)
    for candidate in candidates:
        if step.at_most is not None and candidate.open >= step.at_most and candidate.passed_over is None:
            most = step.at_most
            candidate.passed_over = say(
                f"已有 {candidate.open} 条,上限 {most}", f"has {candidate.open} of at most {most}"
            )
    free = [candidate for candidate in candidates if candidate.passed_over is None]
    if not free:
        return None, Looked(label, say("无人有空", "nobody is free"), candidates)
    chosen, why = yield from _pick(w, ports, subject, rule, step, free)
    zh, en = f"分给{chosen.name}({why.zh})", f"goes to {chosen.name} ({why.en})"
    return chosen, Looked(label, say(zh, en), candidates)


def _pick(
    w: Writing, ports: Ports, subject: Subject, rule: Assignment, step: Step, free: Sequence[Candidate]
) -> Unit[tuple[Candidate, Text]]:
    picker = step.picker
    if isinstance(picker, RoundRobin):
        return min(free, key=_waited), say("轮到", "their turn")
    if isinstance(picker, Score):
        yield from score_all(w, ports.expressions, subject, rule, picker, free)
        best = min(free, key=lambda c: (-(c.score or 0), _waited(c)))
        return best, say(f"得分最高 {best.score}", f"the highest score, {best.score}")
    if isinstance(picker, Sticky):
        values = yield from ports.expressions.evaluate(w, subject, [picker.person])
        same = next((c for c in free if c.user_id == values[0]), None)
        if same is not None:
            return same, say("原负责人", "who had it before")
    assert isinstance(picker, LeastLoad | Sticky)
    least = min(free, key=lambda c: (c.open, _waited(c)))
    return least, say(f"未结最少 {least.open} 条", f"the fewest open, {least.open}")


def _waited(candidate: Candidate) -> tuple[int, str]:
    """Who has waited longest comes first; among those who never had a turn, by id."""
    return candidate.turn, candidate.user_id


def is_within(hours: Hours, at: datetime) -> bool:
    """Whether a local moment lies in these hours; hours over midnight belong to the day they begin on."""
    clock, day = at.strftime("%H:%M"), at.isoweekday()
    begins, ends = hours.begins or "00:00", hours.ends or "24:00"
    if begins < ends:
        in_time = begins <= clock < ends
    else:
        in_time = clock >= begins or clock < ends
        if clock < ends:
            day = day - 1 or 7
    return in_time and (not hours.weekdays or day in hours.weekdays)


def _step_text(looked: Looked) -> Text:
    passed = [c for c in looked.candidates if c.passed_over is not None]
    zh = ",".join(f"{c.name} {c.passed_over.zh}" for c in passed if c.passed_over)
    en = ", ".join(f"{c.name} {c.passed_over.en}" for c in passed if c.passed_over)
    return say(
        f"“{looked.label.zh}”:{looked.why.zh}" + (f"[跳过:{zh}]" if zh else ""),
        f'"{looked.label.en}": {looked.why.en}' + (f" [passed over: {en}]" if en else ""),
    )


def _candidate_json(c: Candidate) -> dict[str, JSON]:
    return {
        "user_id": c.user_id,
        "name": c.name,
        "open": c.open,
        "last_turn": c.turn,
        "passed_over": None if c.passed_over is None else {"zh": c.passed_over.zh, "en": c.passed_over.en},
        "score": c.score,
        "measures": c.measures,
    }
