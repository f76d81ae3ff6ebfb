"""What other rooms ask the outbox to send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from builder.kernel.text import Text

JSON = Any


class Letter(NamedTuple):
    """A message to people about a record."""

    key: str
    """Two letters of the same key are one."""
    user_ids: tuple[str, ...]
    channel: str | None
    """A connection; None = the inbox."""
    subject: Text
    text: Text
    app: str
    entity: str
    record_id: str
    """Empty: of no record, as what a schedule tells that runs once."""
    urgent: bool = False
    """It goes out at once, whatever people wish for."""


class Call(NamedTuple):
    """A request to another system."""

    key: str
    """Two calls of the same key are one; the other side is told it."""
    connection: str
    method: str
    path: str
    query: Mapping[str, str]
    body: JSON
    app: str
    entity: str
    record_id: str
    answer: tuple[tuple[str, str], ...] = ()
    """(JSON pointer into the answer, field of the record that takes it)."""
