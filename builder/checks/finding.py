"""What a check says."""

from __future__ import annotations

from typing import Literal, NamedTuple

from builder.definition.kinds import DocumentId
from builder.kernel.text import Text

Severity = Literal["error", "warning"]


class Finding(NamedTuple):
    """Something wrong (error: cannot be published) or doubtful (warning) in a draft."""

    code: str
    severity: Severity
    document: DocumentId
    pointer: str
    message: Text


def error(code: str, document: DocumentId, pointer: str, message: Text) -> Finding:
    """Make a finding that stops a publish."""
    return Finding(code, "error", document, pointer, message)


def warning(code: str, document: DocumentId, pointer: str, message: Text) -> Finding:
    """Make a finding that does not."""
    return Finding(code, "warning", document, pointer, message)
