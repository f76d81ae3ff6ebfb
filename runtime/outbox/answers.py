"""Answers of other systems, written into the records that asked: through the one write path, as the system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builder.kernel.problems import Problem
from runtime.channels.base import find_at
from runtime.observe.logs import Log
from runtime.outbox.rows import Claimed
from runtime.records.caller import system_caller
from runtime.records.service import Records

JSON = Any


class Answers:
    """Writes answers down. A value that the record does not take is told in the log; the delivery counts all the same."""

    def __init__(self, records: Records, log: Log) -> None:
        self._records = records
        self._log = log

    async def __call__(self, row: Claimed, answer: JSON, pairs: Sequence[tuple[str, str]]) -> None:
        """Write the members of an answer into the fields they are for; what the answer does not have stays as it was."""
        if row.app is None or row.entity is None or row.record_id is None:
            return
        found = {field: find_at(answer, pointer) for pointer, field in pairs}
        body = {field: value for field, value in found.items() if value is not None}
        if not body:
            return
        try:
            caller = system_caller(row.key, "connector")
            await self._records.update(caller, row.app, row.entity, row.record_id, body, None)
        except Problem as problem:
            reasons = [f"{violation.pointer}: {violation.message.en}" for violation in problem.violations]
            self._log.warning("answer.refused", key=row.key, code=problem.code, reasons=reasons)
