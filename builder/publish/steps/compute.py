"""Computed fields are filled anew when their formula, or what it reads, changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from builder.compiled.app import CompiledApp
from builder.compiled.computing import Computed, FieldId
from builder.compiled.recompute import recompute
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from builder.publish.impact import count_rows
from builder.publish.step import SAFE, Impact, Step, Work

import sqlalchemy as sa


@dataclass(frozen=True, kw_only=True)
class ComputeField(Step):
    """Bring a stored computed field up to date for all records of its entity, in one statement."""

    kind: ClassVar[str] = "compute_field"
    app: CompiledApp
    """The app as it will be."""
    computed: Computed
    old_table: str | None
    """The table as it is called before the publish; None if it is new."""

    def summary(self) -> Text:
        """Say what happens."""
        label = label_text(self.app.entities[self.entity].fields[self.field].label)
        return say(
            f"计算字段 {self.entity}.{self.field}({label.zh})", f"Compute the field {self.entity}.{self.field} ({label.en})"
        )

    def fill(self, work: Work) -> None:
        """UPDATE … FROM the expression."""
        if self.computed.place == "local" and self.computed.program is not None and not self._in_sql(work.dialect):
            self._fill_in_python(work)
            return
        work.connection.execute(recompute(self.app, self.computed, _dialect(work.dialect), within=False))
