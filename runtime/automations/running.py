"""Running automations inside a transaction: who may run, what a failure undoes, what is noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from builder.definition.automation import Automation
from builder.fields.base import label_text
from builder.kernel.limits import AUTOMATION_DEPTH, AUTOMATION_FAILURES
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import Text, say
from builder.store.database import ConstraintRefused
from builder.store.statement import Query, Statement, Unit
from runtime.automations.actions.base import ActionFailed, Occasion
from runtime.automations.callers import acting
from runtime.automations.carrying import carry_out
from runtime.automations.ports import Letter, Ports
from runtime.automations.runs import Run, Standing, count_runs, set_failures, standings, write_runs
from runtime.expressions.prepared import Subject
from runtime.records.ahead import CannotAhead
from runtime.records.caller import Caller
from runtime.records.diagnosis import met
from runtime.records.writer import Writing

JSON = Any

SAVEPOINT = Statement("SAVEPOINT automation", (), has_rows=False)
BACK = Statement("ROLLBACK TO SAVEPOINT automation", (), has_rows=False)


class Start(NamedTuple):
    """An automation that a trigger has started for a record."""

    automation: Automation
    subject: Subject
    caller: Caller
    """Who caused it."""
    reason: Text


def started_by_time(automation: Automation) -> Automation:
    """Return an automation as it runs where there is no write that a failure could refuse."""
    return automation if automation.on_error == "log" else automation.model_copy(update={"on_error": "log"})


def run_all(w: Writing, ports: Ports, starts: Sequence[Start]) -> Unit[list[Run]]:
    """Run what was started, in order, and note it.

    Raises:
        Problem: ``automation.failed`` if one fails that says ``"on_error": "refuse"``; the whole write goes with it.
    """
    if not starts:
        return []
    stand = yield from standings(w)
    starts = [start for start in starts if not _is_off(start, stand)]
    runs = yield from _run_together(w, ports, starts)
    noted = [run for run in runs if run is not None]
    yield from write_runs(w, noted)
    yield from _count_failures(w, ports, starts, runs, stand)
    return noted


def _is_off(start: Start, stand: Mapping[str, Standing]) -> bool:
    found = stand.get(start.automation.key)
    return found is not None and found.is_disabled


def _run_together(w: Writing, ports: Ports, starts: Sequence[Start]) -> Unit[list[Run | None]]:
    """Run them behind one savepoint; only if one fails is each run again behind one of its own."""
    if all(start.automation.on_error == "refuse" for start in starts):
        return (yield from _run_each(w, ports, starts))
    if w.course.ahead is not None:  # an attempt has nothing to go back to: it ends
        try:
            return (yield from _run_each(w, ports, starts))
        except ActionFailed as failed:
            raise CannotAhead from failed
    back = Back(w)
    yield Query(SAVEPOINT, {})
    try:
        return (yield from _run_each(w, ports, starts))
    except (ActionFailed, Problem, ConstraintRefused) as failed:
        if isinstance(failed, Problem) and failed.code == "automation.failed":
            raise
        yield Query(BACK, {})
        back.go()
    runs: list[Run | None] = []
    for start in starts:
        runs.append((yield from _run_alone(w, ports, start, runs)))
    return runs


def _run_each(w: Writing, ports: Ports, starts: Sequence[Start]) -> Unit[list[Run | None]]:
    runs: list[Run | None] = []
    for start in starts:
        runs.append((yield from _run(w, ports, start, runs)))
    return runs


def _run_alone(w: Writing, ports: Ports, start: Start, before: Sequence[Run | None]) -> Unit[Run | None]:
    back = Back(w)
    yield Query(SAVEPOINT, {})
    try:
        return (yield from _run(w, ports, start, before))
    except (ActionFailed, Problem, ConstraintRefused) as failed:
        if isinstance(failed, Problem) and failed.code == "automation.failed":
            raise
        yield Query(BACK, {})
        back.go()
        run = _begun(w, start)
        run.state, run.reason = "failed", why(failed)
        return run


class Back:
    """What a write keeps in memory, to go back to with the savepoint."""

    def __init__(self, w: Writing) -> None:
        self._w = w
        self._mark()

    def _mark(self) -> None:
        self._changes = self._w.changes.mark()
        self._course = self._w.course.mark()

    def go(self) -> None:
        """Forget what came after."""
        self._w.changes.go_back(self._changes)
        self._course()
        self._mark()


def _run(w: Writing, ports: Ports, start: Start, before: Sequence[Run | None]) -> Unit[Run | None]:
    """Run one automation; None: there is nothing to be noted.

    Args:
        before: runs of this round, which are not written yet.

    Raises:
        ActionFailed, Problem, ConstraintRefused.
    """
    automation, subject = start.automation, start.subject
    run = _begun(w, start)
    if start.caller.depth >= AUTOMATION_DEPTH:
        run.state, run.reason = "failed", too_deep()
        return run
    if not (yield from ports.expressions.holds(w, subject, automation.condition)):
        run.state, run.reason = "passed", say("不满足条件", "Its condition is not met")
        return run if automation.log == "all" else None
    if (yield from _is_throttled(w, automation, subject, before)):
        run.state, run.reason = "passed", say("超过频率上限,已跳过", "Beyond the bound of its throttle: passed over")
        return run
    try:
        acts = yield from acting(w, ports, automation, subject, start.caller, run.id)
        carried = yield from carry_out(
            Occasion(acts, ports, subject, f"run:{run.id}", label_text(automation.label)), automation.actions
        )
    except (ActionFailed, Problem, ConstraintRefused) as failed:
        if automation.on_error == "log":
            raise
        raise refused(automation, failed) from failed
    run.outcomes += carried.outcomes
    if carried.waiting_from is not None:
        run.state, run.next_action, run.due_at = "waiting", carried.waiting_from, w.now
    return run


def note_passed(w: Writing, start: Start, why_not: Text) -> Unit[Run | None]:
    """Note, if the automation wants that noted, that there was nothing to run for."""
    if start.automation.log != "all":
        return None
    run = _begun(w, start)
    run.state, run.reason = "passed", why_not
    yield from write_runs(w, [run])
    return run


def note_failure(w: Writing, ports: Ports, start: Start, failed: Exception) -> Unit[Run]:
    """Note that an automation could not even begin; what it wrote is undone already.

    Raises:
        Problem: ``automation.failed`` of one that says ``"on_error": "refuse"``.
    """
    if start.automation.on_error == "refuse":
        raise refused(start.automation, failed) from failed
    run = _begun(w, start)
    run.state, run.reason = "failed", why(failed)
    yield from write_runs(w, [run])
    yield from _count_failures(w, ports, [start], [run], (yield from standings(w)))
    return run


def too_deep() -> Text:
    """Say that automations set each other off too often."""
    zh = f"自动化互相触发已达 {AUTOMATION_DEPTH} 层,未执行"
    return say(zh, f"Automations set each other off {AUTOMATION_DEPTH} times; not run")


def _begun(w: Writing, start: Start) -> Run:
    automation, subject = start.automation, start.subject
    return Run(
        w.ids.record_id(),
        automation.key,
        subject.entity.key,
        subject.record_id or None,
        automation.trigger.type,
        "done",
        start.reason,
        cause=start.caller.cause,
        depth=start.caller.depth,
    )


def _is_throttled(w: Writing, automation: Automation, subject: Subject, before: Sequence[Run | None]) -> Unit[bool]:
    throttle = automation.throttle
    if throttle is None:
        return False
    record_id = subject.record_id if throttle.each_record else None
    now = sum(
        run is not None
        and run.automation == automation.key
        and run.state != "passed"
        and (record_id is None or run.record_id == record_id)
        for run in before
    )
    return (yield from count_runs(w, automation.key, record_id, throttle.per_minutes)) + now >= throttle.at_most


def _count_failures(
    w: Writing,
    ports: Ports,
    starts: Sequence[Start],
    runs: Sequence[Run | None],
    stand: Mapping[str, Standing],
) -> Unit[None]:
    """Keep failures in a row; after too many switch the automation off and tell those who build the app."""
    failures = {key: found.failures for key, found in stand.items()}
    changed: dict[str, Start] = {}
    for start, run in zip(starts, runs, strict=True):
        key = start.automation.key
        before = failures.get(key, 0)
        if run is None or run.state == "passed":
            continue
        failures[key] = before + 1 if run.state == "failed" else 0
        if failures[key] != before:
            changed[key] = start
    for key, start in changed.items():
        yield from _keep_failures(w, ports, start.automation, start.subject, failures[key])


def count_failure(w: Writing, ports: Ports, automation: Automation, subject: Subject) -> Unit[None]:
    """Count one failure more."""
    stand = yield from standings(w)
    before = stand[automation.key].failures if automation.key in stand else 0
    yield from _keep_failures(w, ports, automation, subject, before + 1)


def _keep_failures(w: Writing, ports: Ports, automation: Automation, subject: Subject, count: int) -> Unit[None]:
    reason = _switched_off(count) if count >= AUTOMATION_FAILURES else None
    yield from set_failures(w, automation.key, count, reason)
    if reason is not None:
        yield from tell_builders(w, ports, automation, subject, reason)


def _switched_off(count: int) -> Text:
    return say(f"连续失败 {count} 次,已停用", f"Switched off after {count} failures in a row")


def tell_builders(w: Writing, ports: Ports, automation: Automation, about: Subject, reason: Text) -> Unit[None]:
    """Put a message down for those who build apps."""
    if ports.outward is None:
        return
    user_ids: list[str] = []
    for role in ("admin", "builder"):
        user_ids += yield from ports.people.with_role(w, role)
    if not user_ids:
        return
    label = label_text(automation.label)
    subject = say(f"自动化“{label.zh}”已停用", f'The automation "{label.en}" was switched off')
    key = f"automation:{w.app.key}:{automation.key}:off:{w.now.isoformat()}"
    entity, record_id = about.entity.key, about.record_id
    letter = Letter(key, tuple(dict.fromkeys(user_ids)), None, subject, reason, w.app.key, entity, record_id)
    yield from ports.outward.post_letter(w, letter)


def why(failed: Exception) -> Text:
    """Say why actions could not be carried out."""
    if isinstance(failed, ActionFailed):
        return failed.message
    if isinstance(failed, Problem):
        details = [_at_field(v) for v in failed.violations[:3]]
        zh = ";".join([failed.detail.zh, *(d.zh for d in details)])
        return say(zh, "; ".join([failed.detail.en, *(d.en for d in details)]))
    if isinstance(failed, ConstraintRefused):
        return why(met(failed))
    return say("内部错误", "Internal error")


def _at_field(violation: Violation) -> Text:
    name = violation.pointer.rpartition("/")[2]
    zh, en = violation.message
    return say(f"{name}:{zh}", f"{name}: {en}") if name and not name.isdigit() else violation.message


def refused(automation: Automation, failed: Exception) -> Problem:
    """The write is refused because what has to follow from it cannot."""
    label, reason = label_text(automation.label), why(failed)
    detail = say(f"自动化“{label.zh}”失败:{reason.zh}", f'The automation "{label.en}" failed: {reason.en}')
    return Problem("automation.failed", detail, extra={"automation": automation.key})
