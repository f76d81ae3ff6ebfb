"""Changes that need no DDL: labels, rules, whole-app members. The rules' data impact is what people want to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import sqlalchemy as sa

from builder.fields.auto_number import AutoNumberField
from builder.fields.base import Field, Invalid
from builder.fields.parts.files import FileSetField
from builder.kernel.limits import SAMPLE_RECORDS_SHOWN
from builder.kernel.text import Text, say
from builder.publish.impact import count_refused, count_rows, count_where, unfit_files
from builder.publish.step import SAFE, Impact, Step, Work
from builder.publish.steps.numbers import settle_numbers
from builder.store.types import StoredType

#: Members of a field that never make a stored value wrong.
_HARMLESS = frozenset(
    {
        "formula",
        "blank_as_zero",
        "path",
        "relation",
        "function",
        "value",
        "condition",
        "label",
        "help",
        "default",
        "default_formula",
        "required_if",
        "visible_if",
        "unique",
        "indexed",
        "renamed_from",
        "key",
        "required",
        "on_delete",
        "pattern_hint",
        "entity",
    }
)
_NO_NOTE = say("", "")
#: Members of a field of numbers that decide what the next one is.
_COUNTING = frozenset({"type", "pattern", "reset", "start"})


@dataclass(frozen=True, kw_only=True)
class ChangeRules(Step):
    """A field's options change; values that are there already are measured against them."""

    kind: ClassVar[str] = "change_rules"
    old_table: str
    old_column: str | None
    column_type: StoredType | None
    source: Field
    target: Field
    table: str
    """The table as it is called after the publish."""
    time_zone: str
    staged: bool = False
    """A pipeline moves records whose option is gone; how many, and where to, is told by its own step."""

    def summary(self) -> Text:
        """Say what happens."""
        names = ", ".join(sorted(changed_options(self.source, self.target) - {"key", "renamed_from"}))
        return say(
            f"修改字段 {self.entity}.{self.field}:{names}", f"Change {names} of the field {self.entity}.{self.field}"
        )

    def fill(self, work: Work) -> None:
        """Where the form of numbers changes, or text becomes a number, counting goes on behind what is there."""
        if isinstance(self.target, AutoNumberField) and changed_options(self.source, self.target) & _COUNTING:
            settle_numbers(work, self.entity, self.table, self.target, self.time_zone)

    def impact(self, connection: sa.Connection) -> Impact:
        """Count records that would break the new rules; they stay as they are until next changed."""
        if self.old_column is None or self.column_type is None:
            return SAFE
        total = count_rows(connection, self.old_table)
        count = 0
        ids: tuple[str, ...] = ()
        samples: tuple[tuple[str, Any], ...] = ()
        if self.target.required and not self.source.required and self.target.visible_if is None:
            count, ids = count_where(connection, self.old_table, self.old_column, self.column_type, blank=True)
        if changed_options(self.source, self.target) - _HARMLESS - ({"options"} if self.staged else set()):
            refuses = self._refuses_with(self._unfit(connection))
            refused, unfit = count_refused(connection, self.old_table, self.old_column, self.column_type, refuses)
            samples = tuple((key, self.source.to_json(value)) for key, value in unfit)
            count, ids = count + refused, (*ids, *(key for key, _ in unfit))[:SAMPLE_RECORDS_SHOWN]
        if not count:
            return Impact("safe", 0, total)
        note = say(
            f"{total:,} 条记录中有 {count:,} 条违反新规则;它们保持原样,下次修改时须改正",
            f"{count:,} of {total:,} records would break it; they stay as they are until next changed",
        )
        return Impact("safe", count, total, ids, note, samples)

    def _unfit(self, connection: sa.Connection) -> frozenset[str]:
        """Files that the field holds and would not take any more."""
        target = self.target
        if not isinstance(target, FileSetField):
            return frozenset()
        return unfit_files(connection, lambda file: target.refuses(file) is not None)

    def _refuses_with(self, unfit: frozenset[str]) -> Callable[[Any], bool]:
        def refuses(value: Any) -> bool:
            try:
                made = self.target.coerce(self.source.to_json(value))
            except Invalid:
                return True
            return made is None or (bool(unfit) and not unfit.isdisjoint(made))

        return refuses


@dataclass(frozen=True, kw_only=True)
class ChangeDocument(Step):
    """A document is new or gone, or anything else in it changes: labels, title field, the order of fields, conditions, times."""

    kind: ClassVar[str] = "change_document"
    document: str
    title: Text
    """What kind of document it is, and what people call it."""
    members: tuple[str, ...] = ()
    deed: Literal["add", "change", "remove"] = "change"
    note: Text = _NO_NOTE
    """What was and what becomes."""

    def summary(self) -> Text:
        """Say what happens."""
        zh, en = f"{self.title.zh}({self.document})", f"{self.title.en} ({self.document})"
        if self.deed == "add":
            return say(f"新增{zh}", f"Add the {en}")
        if self.deed == "remove":
            return say(f"删除{zh}", f"Remove the {en}")
        names = ", ".join(self.members)
        return say(f"修改{zh}的 {names}", f"Change {names} of the {en}")

    def impact(self, connection: sa.Connection) -> Impact:
        """No record changes; the note says what is another one."""
        return Impact("safe", note=self.note)


def changed_options(source: Field, target: Field) -> set[str]:
    """Return the names of the members in which two fields differ."""
    before, after = source.model_dump(), target.model_dump()
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
