"""What a write gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builder.compiled.app import CompiledEntity
from runtime.records.values import record_body

JSON = Any


@dataclass(frozen=True, slots=True)
class Written:
    """A record after a write."""

    record: dict[str, JSON]
    body: bytes
    """The record as JSON, byte by byte what a read gives."""

    @property
    def revision(self) -> int:
        """The record's revision."""
        return int(self.record["revision"])


def as_written(owner: CompiledEntity, shown: dict[str, JSON]) -> Written:
    """Return a record as it was written."""
    return Written(shown, record_body(owner, shown))
