"""Types of values. A `Type` is immutable and hashable, so it may be part of a cache key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from formulas.errors import Message

TypeKind = Literal[
    "text",
    "integer",
    "decimal",
    "boolean",
    "date",
    "datetime",
    "time",
    "duration",
    "option",
    "set",
    "person",
    "department",
    "geo",
    "file",
    "record",
    "json",
    "blank",
]

#: Digits assumed for a number field that declares none: what a JSON number carries exactly.
DEFAULT_DIGITS = 15
#: Digits that fit the 64-bit integers in which SQLite keeps scaled decimals.
NARROW_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Type:
    """What a value can be.

    `scale` is the number of decimal places and `digits` the bound of all digits of a number; `entity` names what a
    record points to, `options` the keys of a choice, `element` what a set holds. `labels` are what people call the options,
    as (label, key): they may be written for the keys, and types are equal without.
    """

    kind: TypeKind
    scale: int = 0
    digits: int = DEFAULT_DIGITS
    entity: str | None = None
    options: tuple[str, ...] = ()
    element: Type | None = None
    labels: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

    @property
    def is_number(self) -> bool:
        """An integer or a decimal."""
        return self.kind in ("integer", "decimal")

    @property
    def is_textual(self) -> bool:
        """Read and compared as a text: a text or the key of an option."""
        return self.kind in ("text", "option")

    def key_of(self, label: str) -> str | None:
        """The option with this label; None where none or another one has it, or where it is the key of an option."""
        found = [key for text, key in self.labels if text == label]
        return found[0] if len(set(found)) == 1 and label not in self.options else None

    def label_of(self, key: object) -> str | None:
        """What people call an option, where that means no other."""
        return next((label for label, of in self.labels if of == key and self.key_of(label) == key), None)

    @property
    def name(self) -> Message:
        """What a person calls this type."""
        return TYPE_NAMES[self.kind]


TEXT = Type("text")
INTEGER = Type("integer")
BOOLEAN = Type("boolean")
DATE = Type("date")
DATETIME = Type("datetime")
TIME = Type("time")
DURATION = Type("duration")
PERSON = Type("person")
DEPARTMENT = Type("department")
GEO = Type("geo")
FILE = Type("file")
JSON = Type("json")
BLANK = Type("blank")

TYPE_NAMES: dict[str, Message] = {
    "text": Message("文本", "text"),
    "integer": Message("整数", "integer"),
    "decimal": Message("数字", "number"),
    "boolean": Message("是/否", "true or false"),
    "date": Message("日期", "date"),
    "datetime": Message("日期时间", "date and time"),
    "time": Message("时间", "time of day"),
    "duration": Message("时长", "duration"),
    "option": Message("选项", "option"),
    "set": Message("多选集合", "set"),
    "person": Message("人员", "person"),
    "department": Message("部门", "department"),
    "geo": Message("位置", "position"),
    "file": Message("文件", "file"),
    "record": Message("关联记录", "record"),
    "json": Message("JSON", "JSON"),
    "blank": Message("空值", "blank"),
}


def integer(digits: int = DEFAULT_DIGITS) -> Type:
    """A whole number of at most `digits` digits."""
    return Type("integer", digits=digits)


def decimal(scale: int, digits: int = DEFAULT_DIGITS) -> Type:
    """A number with `scale` decimal places and at most `digits` digits in all."""
    return Type("decimal", scale=scale, digits=max(digits, scale))


def option(keys: Iterable[str], labels: Iterable[tuple[str, str]] = ()) -> Type:
    """The key of one of these options; `labels` are pairs of a label and its key."""
    return Type("option", options=tuple(keys), labels=tuple(labels))


def set_of(element: Type) -> Type:
    """Several different values of one type, in order."""
    return Type("set", element=element)


def record(entity: str) -> Type:
    """A reference to a record of the entity."""
    return Type("record", entity=entity)
