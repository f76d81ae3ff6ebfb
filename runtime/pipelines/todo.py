"""What is missing before a record may move: a list that a phone can show, each line with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.fields.base import BothLanguages, label_text
from builder.kernel.limits import TODO_ITEMS
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from runtime.records.rights import acting_sight, seen_of
from runtime.records.seeing import whole_fields
from runtime.records.writer import Writing

JSON = Any
_UNSEEN = say("还有您看不到的内容要先完成", "Something that you do not see has to be done first")


class Todo(NamedTuple):
    """One thing to do."""

    code: str
    """The kind of guard, or the code of a violation."""
    message: Text
    """What is missing and how to mend it."""
    pointer: str = ""
    """Where in the body of the move it can be given; empty: not there."""
    field: str | None = None
    label: Text | None = None
    """What the field, or the record to be mended, is called."""
    current: JSON = None
    needed: JSON = None
    entity: str | None = None
    """Another record that has to be looked at."""
    record_id: str | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return the members that say something; texts in both languages, picked where they are written."""
        always = ("code", "message", "pointer")
        return {name: value for name, value in self._asdict().items() if value is not None or name in always}


def of_field(
    entity: CompiledEntity, key: str, code: str, message: Text, current: JSON = None, needed: JSON = None
) -> Todo:
    """Return a line about a field of the record."""
    field = entity.find_field(key)
    label = label_text(field.label) if field is not None else None
    pointer = f"/fields/{key}" if key in entity.fields else ""
    return Todo(code, message, pointer, key, label, current, needed)


def of_violation(entity: CompiledEntity, violation: Violation) -> Todo:
    """Return a line about a value of the move itself that breaks a rule."""
    key = violation.pointer.removeprefix("/fields/").split("/")[0]
    todo = of_field(entity, key, violation.code, violation.message)
    return todo._replace(pointer=violation.pointer, needed=dict(violation.params) or None)


def without_hidden_labels(w: Writing, entity: CompiledEntity, lines: Iterable[Todo]) -> list[Todo]:
    """Return lines whose words were made of labels without those that the caller does not see."""
    return [line if _is_known(w, entity, line) else line._replace(message=_UNSEEN) for line in lines]


def _is_known(w: Writing, entity: CompiledEntity, line: Todo) -> bool:
    seen = w.seen.app.entities.get(line.entity or entity.key)  # a line about another record names its fields
    return seen is not None and (line.field is None or line.field.split(".")[0] in seen.fields)


def discreet(w: Writing, entity: CompiledEntity, record_id: str, lines: Sequence[Todo]) -> Unit[list[Todo]]:
    """Return the lines without what the caller does not see: hidden fields, values that are shown in part, hidden records."""
    if acting_sight(w) is None or not lines:
        return list(lines)
    whole = yield from whole_fields(w, entity, [record_id])
    own = whole.get(record_id, frozenset())
    found = []
    for line in lines:
        if not _is_known(w, entity, line):
            line = line._replace(field=None, pointer="", label=None, current=None)
        elif line.entity is None and line.field is not None and line.field not in own:
            line = line._replace(current=None)
        if line.entity is not None:
            line = yield from _of_record(w, line)
        found.append(line)
    return found


def _of_record(w: Writing, line: Todo) -> Unit[Todo]:
    """Return a line about another record, without that record if the caller does not see it."""
    owner = w.seen.app.entities.get(line.entity or "")
    if owner is None:
        return line._replace(entity=None, record_id=None, label=None, current=None)
    if line.record_id is None or line.record_id in (yield from seen_of(w, owner, [line.record_id])):
        return line
    return line._replace(record_id=None, label=owner.label(), current=None)


def sentence(words: str | BothLanguages) -> Text:
    """Return a sentence of a document in both languages."""
    return say(words.zh, words.en) if isinstance(words, BothLanguages) else say(words, words)


def refused(code: str, todo: Iterable[Todo], **extra: JSON) -> Problem:
    """Make the problem that carries a list."""
    listed = list(todo)
    count = len(listed)
    detail = say(f"还有 {count} 项要完成", f"{count} {'thing is' if count == 1 else 'things are'} missing")
    return Problem(code, detail, extra={**extra, "todo": [item.as_json() for item in listed[:TODO_ITEMS]]})
