"""``entities/*.json``: an entity with its fields. It becomes a real table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from builder.fields import AnyField
from builder.fields.base import BothLanguages, Formula, FormulaLength, Key, Label, Model, Option, Refers
from builder.kernel.limits import (
    DUPLICATE_RULES,
    FIELDS_PER_ENTITY,
    INDEXES_PER_ENTITY,
    RULES_PER_ENTITY,
    SEARCHED_FIELDS,
    UNIQUES_PER_ENTITY,
)

OwnField = Annotated[Key, Refers("field", of=".")]
FieldKeys = Annotated[tuple[OwnField, ...], Option(min_length=1, max_length=8)]

#: What every record has besides its fields; no field may take these keys.
SYSTEM_KEYS: tuple[str, ...] = ("id", "revision", "created_at", "created_by", "updated_at", "updated_by")
#: What PostgreSQL has in every table besides.
_POSTGRESQL_COLUMNS = ("tableoid", "xmin", "xmax", "cmin", "cmax", "ctid")
RESERVED_KEYS: frozenset[str] = frozenset((*SYSTEM_KEYS, "deleted_at", "deleted_by", *_POSTGRESQL_COLUMNS))


#: Types of fields that hold a text people look for.
SEARCHABLE = ("text", "long_text", "rich_text", "email", "phone", "url", "auto_number", "barcode")


OwnFormula = Annotated[str, FormulaLength, Formula(of=".", gives="boolean")]


class Rule(Model):
    """Something that is true of every record: a formula, and what to say when it is not."""

    key: Key
    formula: OwnFormula
    """True of every record that may be written; a blank result counts as true, an error as false."""
    message: Label
    """What to say when it does not hold."""
    when: OwnFormula | None = None
    """The rule counts only while this condition holds."""
    field: OwnField | None = None
    """The field that the message stands beside; the record as a whole if left out."""


class UniqueIf(Model):
    """Fields that no two records share among those for which a condition holds: one main contact per customer."""

    key: Key
    fields: FieldKeys
    when: OwnFormula
    """Comparisons, AND, OR, NOT, IN and ISBLANK over stored fields of the record."""
    message: Label | None = None
    """What to say of a second record; a general sentence if left out."""


class DuplicateRule(Model):
    """One way in which two records may be the same thing."""

    field: OwnField
    match: Literal["same", "similar"] = "same"
    """``same``: equal, whatever the case and spaces; ``similar``: alike in writing or sound (张三, 章三)."""
    threshold: Annotated[int, Option(ge=50, le=100)] = 85
    """From how alike on, of 100; of ``similar`` only."""


class Entity(Model):
    """A kind of record: customers, leads, payments."""

    key: Key
    label: Label
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    title_field: OwnField | None = None
    """The field that names a record to people; the first text field if left out."""
    fields: Annotated[tuple[AnyField, ...], Option(max_length=FIELDS_PER_ENTITY)] = ()
    unique: Annotated[tuple[FieldKeys, ...], Option(max_length=UNIQUES_PER_ENTITY)] = ()
    """Sets of fields that no two records share; a set with a blank in it does not count."""
    unique_if: Annotated[tuple[UniqueIf, ...], Option(max_length=UNIQUES_PER_ENTITY)] = ()
    """The same, but only among the records for which a condition holds."""
    rules: Annotated[tuple[Rule, ...], Option(max_length=RULES_PER_ENTITY)] = ()
    """What is true of every record."""
    indexes: Annotated[tuple[FieldKeys, ...], Option(max_length=INDEXES_PER_ENTITY)] = ()
    """Sets of fields that lists are often filtered and sorted by, in this order."""
    search: FieldKeys | None = None
    """The fields that ``search=`` looks in; its texts, titles first, if left out."""
    trash: bool = False
    """Deleted records are kept in the trash, from which they can be restored."""
    duplicates: Annotated[tuple[DuplicateRule, ...], Option(max_length=DUPLICATE_RULES)] = ()
    """What makes two records look like the same thing; a new record is compared by it."""
    renamed_from: Key | None = None
    """The key this entity had before."""

    @property
    def searched(self) -> tuple[str, ...]:
        """The fields that a search looks in."""
        if self.search is not None:
            return self.search
        return tuple(field.key for field in self.fields if field.type in SEARCHABLE)[:SEARCHED_FIELDS]
