"""``text``: one line of text. Source: DESIGN 5; patterns are RE2, so no pattern can run away."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import re2

from pydantic import StringConstraints, field_validator

from builder.fields.base import JSON, Field, FieldSample, Invalid, Option, expect_text, refuse_control_characters
from builder.kernel.limits import PATTERN_LENGTH, TEXT_LENGTH
from builder.kernel.text import say
from builder.store.types import StoredType, Words
from formulas.types import TEXT, Type


class TextField(Field):
    """One line of text, trimmed; empty text is blank."""

    title = say("文本", "Text")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"max_length": 5},
            (("abc", "abc"), ("  张三😀 ", "张三😀"), ("", None), ("'; --", "'; --")),
            (("abcdef", "max_length"), (5, "type"), (True, "type"), (["a"], "type"), ("a\x00b", "character"), ("a\nb", "character")),
        ),
        FieldSample({"min_length": 2, "pattern": "[A-Z]{2}-\\d+"}, (("AB-1", "AB-1"),), (("A", "min_length"), ("ab-1", "pattern"))),
    )

    type: Literal["text"] = "text"
    min_length: Annotated[int, Option(ge=0, le=TEXT_LENGTH)] = 0
    max_length: Annotated[int, Option(ge=1, le=TEXT_LENGTH)] = 200
    """In characters (code points)."""
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=PATTERN_LENGTH)] | None = None
    """A regular expression (RE2) that the whole text must match."""
    pattern_hint: Annotated[str, StringConstraints(max_length=200)] | None = None
    """What the pattern asks for, in the user's words."""

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            compile_pattern(pattern)
        return pattern

    def column_type(self) -> StoredType:
        """Text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Trim and check length and pattern."""
        text = expect_text(value).strip()
        if not text:
            return None
        if not text.isprintable():
            refuse_control_characters(text)
        check_length(text, self.min_length, self.max_length)
        if self.pattern is not None and compile_pattern(self.pattern).fullmatch(text) is None:
            wanted = self.pattern_hint or self.pattern
            raise Invalid("pattern", say(f"格式不符,应为:{wanted}", f"Does not match the expected form: {wanted}"), pattern=self.pattern)
        return text

    def formula_type(self) -> Type:
        """Text."""
        return TEXT

    def value_schema(self) -> dict[str, Any]:
        """A string with its bounds."""
        schema: dict[str, Any] = {"type": "string", "maxLength": self.max_length}
        if self.min_length:
            schema["minLength"] = self.min_length
        if self.pattern:
            schema["pattern"] = f"^(?:{self.pattern})$"
        return schema


_patterns: dict[str, Any] = {}


def compile_pattern(pattern: str) -> Any:
    """Compile a pattern with RE2 (linear time); kept, because a coercer meets it on every write.

    Raises:
        ValueError: RE2 does not understand it (look-around, back-references).
    """
    found = _patterns.get(pattern)
    if found is None:
        options = re2.Options()
        options.log_errors = False
        try:
            found = re2.compile(pattern, options)
        except re2.error as error:
            raise ValueError(f"not a regular expression RE2 understands: {error}") from None
        if len(_patterns) > 5_000:
            _patterns.clear()
        _patterns[pattern] = found
    return found


def check_length(text: str, least: int, most: int) -> None:
    """Refuse a text outside its bounds, counted in code points."""
    if len(text) < least:
        raise Invalid("min_length", say(f"至少 {least} 个字符,现有 {len(text)} 个", f"At least {least} characters, got {len(text)}"), min_length=least)
    if len(text) > most:
        raise Invalid("max_length", say(f"最多 {most} 个字符,现有 {len(text)} 个", f"At most {most} characters, got {len(text)}"), max_length=most)
