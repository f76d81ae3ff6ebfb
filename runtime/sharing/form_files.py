"""Files on public forms: brought one by one before the form is handed in, each remembered by whoever brought it alone.

A visitor gets no id but a sealed ticket for one field of one form: nobody can hand in what somebody else brought, nor read it back. What is
never handed in is unused, and cleared away like any other such file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder.definition.form import Form
from builder.fields.base import Field
from builder.fields.parts.files import FileSetField, StoredFile
from builder.kernel.limits import FORM_FILE_BYTES
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from runtime.files.service import FileLine, Files
from runtime.identity.actors import Actor
from runtime.secrets.sealing import Sealer

JSON = Any


@dataclass(frozen=True)
class Brought:
    """A file that a visitor brought."""

    ticket: str
    line: FileLine

    def as_json(self) -> dict[str, JSON]:
        """Return what the visitor is told."""
        return {"ticket": self.ticket, **{name: getattr(self.line, name) for name in ("name", "media_type", "bytes")}}


class FormFiles:
    """Takes files in, and turns their tickets into ids when the form is handed in."""

    def __init__(self, files: Files, sealer: Sealer) -> None:
        self._files = files
        self._sealer = sealer

    async def take(
        self, app: str, form: Form, field: Field, actor: Actor, name: str, chunks: AsyncIterator[bytes]
    ) -> Brought:
        """Take a file in for a field of a form.

        Raises:
            Problem: ``request.unknown_name``: the field holds no files. ``record.invalid``: it does not take this one. What ``Files.take`` raises.
        """
        if not isinstance(field, FileSetField):
            detail = say(f"字段“{field.key}”不是文件字段", f'The field "{field.key}" does not hold files')
            raise Problem("request.unknown_name", detail)
        line = await self._files.take(actor, app, name, chunks, most_bytes=most_bytes(field))
        refused = field.refuses(StoredFile(line.media_type, line.bytes))
        if refused is not None:
            violation = Violation(refused.code, f"/{field.key}", refused.message, refused.params)
            raise Problem("record.invalid", violations=[violation])
        return Brought(self._sealer.seal(line.id, _place(app, form, field.key)), line)

    def opened(self, app: str, form: Form, fields: Mapping[str, Field], values: Mapping[str, JSON]) -> dict[str, JSON]:
        """Return the values with ids in place of tickets.

        Raises:
            Problem: ``record.invalid`` for what is no ticket of this field.
        """
        opened = dict(values)
        violations: list[Violation] = []
        for key, value in values.items():
            if key in fields and isinstance(fields[key], FileSetField) and value is not None:
                place = _place(app, form, key)
                opened[key] = [
                    self._opened(ticket, place, f"/{key}/{at}", violations)
                    for at, ticket in enumerate(value if isinstance(value, list) else [value])
                ]
        if violations:
            raise Problem("record.invalid", violations=violations)
        return opened

    def _opened(self, ticket: JSON, place: str, pointer: str, violations: list[Violation]) -> str:
        try:
            return self._sealer.open(ticket if isinstance(ticket, str) else "", place)
        except Problem:
            message = say("请先上传文件,再填入得到的凭据", "Bring the file first, then give its ticket here")
            violations.append(Violation("ticket", pointer, message))
            return ""


def most_bytes(field: FileSetField) -> int:
    """Return how large a file for this field may be when a stranger brings it."""
    return min(field.max_bytes, FORM_FILE_BYTES)


def _place(app: str, form: Form, field: str) -> str:
    return f"form-file/{app}/{form.key}/{field}"
