"""What is missing before a record may move: a list that a phone can show, each line with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.fields.base import BothLanguages, label_text
from builder.kernel.limits import TODO_ITEMS
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import Text, say
from runtime.records.writer import Writing

JSON = Any


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


def discreet(w: Writing, entity: CompiledEntity, lines: Iterable[Todo]) -> list[Todo]:
    """Return the lines without what the caller does not see: values of hidden fields, records of hidden entities."""
    found = []
    for line in lines:
        seen = w.seen.app.entities.get(line.entity or entity.key)  # a line about another record names its fields
        if line.field is not None and (seen is None or line.field.split(".")[0] not in seen.fields):
            line = line._replace(field=None, pointer="", label=None, current=None)
        if line.entity is not None and line.entity not in w.seen.app.entities:
            line = line._replace(entity=None, record_id=None, label=None, current=None)
        found.append(line)
    return found


def sentence(words: str | BothLanguages) -> Text:
    """Return a sentence of a document in both languages."""
    return say(words.zh, words.en) if isinstance(words, BothLanguages) else say(words, words)


def refused(code: str, todo: Iterable[Todo], **extra: JSON) -> Problem:
    """Make the problem that carries a list."""
    listed = list(todo)
    count = len(listed)
    detail = say(f"还有 {count} 项要完成", f"{count} {'thing is' if count == 1 else 'things are'} missing")
    return Problem(code, detail, extra={**extra, "todo": [item.as_json() for item in listed[:TODO_ITEMS]]})
