"""What a check says."""

from __future__ import annotations

from typing import Literal, NamedTuple

from builder.definition.kinds import DocumentId
from builder.kernel.text import Language, Text

Severity = Literal["error", "warning"]


class Finding(NamedTuple):
    """Something wrong (error: cannot be published) or doubtful (warning) in a draft."""

    code: str
    severity: Severity
    document: DocumentId
    pointer: str
    message: Text

    def to_json(self, language: Language) -> dict[str, str]:
        """Write the finding for the API."""
        return {
            "code": self.code,
            "severity": self.severity,
            "document": f"{self.document.kind}/{self.document.key}",
            "pointer": self.pointer,
            "message": self.message.pick(language),
        }


def error(code: str, document: DocumentId, pointer: str, message: Text) -> Finding:
    """Make a finding that stops a publish."""
    return Finding(code, "error", document, pointer, message)


def warning(code: str, document: DocumentId, pointer: str, message: Text) -> Finding:
    """Make a finding that does not."""
    return Finding(code, "warning", document, pointer, message)
