"""A message from elsewhere becomes the record an automation runs for: found or made, and given what the trigger takes over."""

from __future__ import annotations

from collections.abc import Sequence

from builder.compiled.app import CompiledEntity
from builder.definition.automation import Automation
from builder.definition.triggers.app_event import AppEvent
from builder.definition.triggers.base import FromMessage, MessageTest
from builder.definition.triggers.webhook import Webhook
from builder.kernel.canonical import JSON
from builder.kernel.limits import AUTOMATION_DEPTH
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.store.database import ConstraintRefused
from builder.store.statement import Query, Unit
from runtime.automations.actions.base import ActionFailed, Occasion, canonical_value
from runtime.automations.actions.records import create_records, field_of
from runtime.automations.ports import Ports
from runtime.automations.running import (
    BACK,
    SAVEPOINT,
    Back,
    Start,
    note_failure,
    note_passed,
    refused,
    run_all,
    too_deep,
)
from runtime.automations.runs import Run
from runtime.channels.base import find_at
from runtime.expressions.finding import find_ids
from runtime.expressions.prepared import Subject
from runtime.records.caller import Caller
from runtime.records.changes import update_record
from runtime.records.holding import hold_record
from runtime.records.values import same_json
from runtime.records.writer import Writing

MessageTrigger = AppEvent | Webhook


def deliver(
    w: Writing,
    ports: Ports,
    automation: Automation,
    trigger: MessageTrigger,
    message: JSON,
    reason: Text,
    *,
    noted: bool = False,
) -> Unit[Run | None]:
    """Run an automation for a message; return its run, None if there was nothing to note.

    A message that cannot be taken over leaves nothing behind but a failed run for no record, unless failures refuse it as a whole.

    Args:
        noted: it could not be taken over before, which is noted and counted; that once is enough.

    Raises:
        Problem: ``automation.failed``, of an automation with ``"on_error": "refuse"``, or of a message that is noted.
    """
    entity = w.app.entities[automation.entity]
    start = Start(automation, Subject(entity, "", {}, gone=True), w.caller, reason)
    if not _counts(trigger.only, message):
        return (yield from note_passed(w, start, say("消息不在 only 之列", "The message is none of those that count")))
    if w.caller.depth >= AUTOMATION_DEPTH:
        return (yield from note_failure(w, ports, start, ActionFailed(too_deep())))
    back = Back(w)
    yield Query(SAVEPOINT, {})
    writer = w.acting_as(Caller(w.caller.actor, w.caller.request_id, "automation", None, "message", w.caller.depth))
    try:
        subject = yield from _take_over(writer, ports, entity, trigger, message)
    except (ActionFailed, Problem, ConstraintRefused) as failed:
        yield Query(BACK, {})
        back.go()
        if noted:
            raise refused(automation, failed) from failed
        return (yield from note_failure(w, ports, start, failed))
    if subject is None:
        return (yield from note_passed(w, start, say("没有对应的记录", "There is no record it is for")))
    runs = yield from run_all(w, ports, [start._replace(subject=subject)])
    return runs[0] if runs else None


def _counts(tests: Sequence[MessageTest], message: JSON) -> bool:
    return all(any(same_json(find_at(message, test.at), value) for value in test.among) for test in tests)


def _take_over(
    w: Writing, ports: Ports, entity: CompiledEntity, trigger: MessageTrigger, message: JSON
) -> Unit[Subject | None]:
    """Find the record, or make it, and write what it takes from the message; None: there is none and none is to be made."""
    o = Occasion(w, ports, Subject(entity, "", {}, gone=True), "message")
    matched = {pair.field: _value(pair, message) for pair in trigger.match}
    body = {pair.field: _value(pair, message) for pair in trigger.set if _is_there(pair, message)}
    found: list[str] = []
    if matched:
        equal = {
            key: canonical_value(field_of(entity, key), value, o, is_constant=True) for key, value in matched.items()
        }
        missing = [key for key, value in equal.items() if value is None]
        if missing:
            raise ActionFailed(
                say(f"消息中没有用于匹配“{missing[0]}”的值", f'The message has no value to match "{missing[0]}" by')
            )
        found = yield from find_ids(w, entity, equal, None, 2)
    if len(found) > 1:
        raise ActionFailed(say("有多条记录与消息匹配,无法确定是哪一条", "More than one record matches the message"))
    if not found and not trigger.create:
        return None
    if not found:
        found = yield from create_records(o, entity, [{**matched, **body}])
    elif body:
        yield from update_record(w, entity, found[0], body, None)
    held = yield from hold_record(w, entity, found[0])
    return Subject(entity, found[0], held.shown)


def _value(pair: FromMessage, message: JSON) -> JSON:
    return pair.value if pair.at is None else find_at(message, pair.at)


def _is_there(pair: FromMessage, message: JSON) -> bool:
    """Whether a message says anything about a field: null clears it, what is not there leaves it as it is."""
    if pair.at is None or find_at(message, pair.at) is not None:
        return True
    holder, _, name = pair.at.rpartition("/")
    inside = find_at(message, holder)
    return isinstance(inside, dict) and name.replace("~1", "/").replace("~0", "~") in inside
