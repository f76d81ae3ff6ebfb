"""``auto_number``: a number that the system gives, such as ``L-202611-0001``. Source: DESIGN 5.

The field knows the form; counting is the write path's business: one counter for each ``period``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import StringConstraints, model_validator

from builder.fields.base import JSON, Field, FieldSample, Option, wrong_option
from builder.fields.parts.texts import check_length, clean_line
from builder.kernel.limits import SAFE_INTEGER
from builder.kernel.text import say
from builder.store.types import StoredType, Words
from formulas.types import TEXT, Type

Reset = Literal["never", "yearly", "monthly", "daily"]

_LENGTH = 100
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SEQUENCE = re.compile(r"seq:([1-9]|1[0-2])\Z", re.ASCII)
_DATE_PARTS: Mapping[str, str] = {"yyyy": "{0.year:04d}", "yy": "{1:02d}", "mm": "{0.month:02d}", "dd": "{0.day:02d}"}
_NEEDS: Mapping[Reset, tuple[str, ...]] = {
    "never": (),
    "yearly": ("yyyy",),
    "monthly": ("yyyy", "mm"),
    "daily": ("yyyy", "mm", "dd"),
}
_PERIODS: Mapping[Reset, str] = {
    "never": "",
    "yearly": "{0.year:04d}",
    "monthly": "{0.year:04d}-{0.month:02d}",
    "daily": "{0.year:04d}-{0.month:02d}-{0.day:02d}",
}


class Counted(NamedTuple):
    """Where a number stands in its series."""

    period: str
    sequence: int


class AutoNumberField(Field):
    """A number given by the system when a record is created; it never changes and is never given twice."""

    title = say("自动编号", "Auto number")
    assigned: ClassVar[bool] = True
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"pattern": "L-{yyyy}{mm}-{seq:4}", "reset": "monthly"},
            (
                ("L-202611-0001", "L-202611-0001"),
                (" 旧编号 7😀 ", "旧编号 7😀"),
                ("'; DROP TABLE x; --", "'; DROP TABLE x; --"),
                ("\u202e1", "\u202e1"),
                ("", None),
            ),
            (
                (1, "type"),
                (True, "type"),
                ([], "type"),
                ("a\x00", "character"),
                ("a\nb", "character"),
                ("\ud800", "character"),
                ("1" * 101, "max_length"),
            ),
        ),
    )

    type: Literal["auto_number"] = "auto_number"
    unique: bool = True
    """No two records share a number, also not one that was imported."""
    pattern: Annotated[str, StringConstraints(min_length=7, max_length=60)] = "{seq:6}"
    """The form: text with ``{seq:n}`` (n digits at least, required once) and ``{yyyy}``, ``{yy}``, ``{mm}``, ``{dd}`` of the day of creation."""
    reset: Reset = "never"
    """When counting starts again. The pattern must then name the year, month or day, so that no number comes twice."""
    start: Annotated[int, Option(ge=0, le=SAFE_INTEGER)] = 1
    """The first number of each series."""

    @model_validator(mode="after")
    def _check_pattern(self) -> Self:
        names = _PLACEHOLDER.findall(self.pattern)
        outside = _PLACEHOLDER.sub("", self.pattern)
        if "{" in outside or "}" in outside:
            raise wrong_option("花括号不成对", "the pattern has a brace without its partner")
        if not outside.isprintable() or self.pattern != self.pattern.strip():
            raise wrong_option(
                "格式中有控制字符,或首尾有空格", "the pattern has control characters, or spaces at an end"
            )
        unknown = [name for name in names if name not in _DATE_PARTS and not _SEQUENCE.match(name)]
        if unknown:
            known = "{seq:n} (n = 1 … 12), {yyyy}, {yy}, {mm}, {dd}"
            raise wrong_option(f"不认识 {{{unknown[0]}}},可用 {known}", f"{{{unknown[0]}}} is not known; use {known}")
        if sum(name not in _DATE_PARTS for name in names) != 1:
            raise wrong_option("格式中 {seq:n} 须恰好出现一次", "the pattern needs {seq:n} exactly once")
        missing = [part for part in _NEEDS[self.reset] if part not in names and not (part == "yyyy" and "yy" in names)]
        if missing:
            raise wrong_option(
                f"按 {self.reset} 重新计数时,格式须含 {{{missing[0]}}},否则编号会重复",
                f"with a {self.reset} reset the pattern needs {{{missing[0]}}}, or numbers would repeat",
            )
        return self

    def column_type(self) -> StoredType:
        """Text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Take a number that comes with imported or sample records; old numbers need not have the form."""
        text = clean_line(value)
        if text is not None:
            check_length(text, 0, _LENGTH)
        return text

    def period(self, on: date) -> str:
        """Return the name of the series that a record created on a day is counted in; empty if counting never starts again."""
        return _PERIODS[self.reset].format(on)

    def number(self, on: date, seq: int) -> str:
        """Return the number of the record that is the ``seq``-th of its series."""

        def fill(found: re.Match[str]) -> str:
            part = _DATE_PARTS.get(found[1])
            return part.format(on, on.year % 100) if part else f"{seq:0{found[1].removeprefix('seq:')}d}"

        return _PLACEHOLDER.sub(fill, self.pattern)

    def find_counted(self, number: str) -> Counted | None:
        """Return where an imported number stands in its series, so that counting can go on behind it; None if it has another form."""
        found = self._form.fullmatch(number)
        if found is None:
            return None
        parts = found.groupdict()
        year = parts.get("yyyy") or f"20{parts.get('yy', '00')}"
        try:
            on = date(int(year), int(parts.get("mm", 1)), int(parts.get("dd", 1)))
        except ValueError:
            return None
        return Counted(self.period(on), int(parts["seq"]))

    @cached_property
    def _form(self) -> re.Pattern[str]:
        form = ""
        seen: set[str] = set()
        for index, part in enumerate(_PLACEHOLDER.split(self.pattern)):  # literal text and placeholders in turn
            if index % 2 == 0:
                form += re.escape(part)
                continue
            name, _, width = part.partition(":")
            digits = rf"\d{{{width},15}}" if width else rf"\d{{{len(name)}}}"
            form += f"(?P={name})" if name in seen else f"(?P<{name}>{digits})"
            seen.add(name)
        return re.compile(form, re.ASCII)

    def formula_type(self) -> Type:
        """Text."""
        return TEXT

    def value_schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string", "maxLength": _LENGTH}
