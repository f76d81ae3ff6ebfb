"""``long_text``: text of several lines. Source: DESIGN 5."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import model_validator

from builder.fields.base import JSON, Field, FieldSample, Option, expect_text, refuse_control_characters, wrong_option
from builder.fields.parts.texts import check_length
from builder.kernel.limits import LONG_TEXT_LENGTH
from builder.kernel.text import say
from builder.store.types import StoredType, Words
from formulas.types import TEXT, Type


class LongTextField(Field):
    """Text of several lines. Line ends become line feeds; blank lines around it are dropped, indents stay."""

    title = say("多行文本", "Long text")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"max_length": 8, "min_length": 2},
            (
                ("a\r\nb\rc\n\n", "a\nb\nc"),
                ("\n\n  张\t三😀", "  张\t三😀"),
                (" \n\t ", None),
                ("", None),
                ("12345678\n", "12345678"),
            ),
            (
                ("123456789", "max_length"),
                ("1", "min_length"),
                (1, "type"),
                (["a"], "type"),
                ("a\x00b", "character"),
                ("a\x1bb", "character"),
                ("ab\udfff", "character"),
            ),
        ),
        FieldSample(
            {},
            (
                ('{"a": "\\u0000"}', '{"a": "\\u0000"}'),
                ("'); DROP TABLE x; --\n\"\\%_", "'); DROP TABLE x; --\n\"\\%_"),
                ("\u202etxt.exe\u2028\u2029\ufeffx", "\u202etxt.exe\u2028\u2029\ufeffx"),
                ("长" * 10_000, "长" * 10_000),
            ),
            (("长" * 10_001, "max_length"),),
        ),
    )

    type: Literal["long_text"] = "long_text"
    min_length: Annotated[int, Option(ge=0, le=LONG_TEXT_LENGTH)] = 0
    """The least number of characters of a text that is not blank."""
    max_length: Annotated[int, Option(ge=1, le=LONG_TEXT_LENGTH)] = 10_000
    """In characters (code points)."""

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.min_length > self.max_length:
            raise wrong_option("min_length 大于 max_length", "min_length is larger than max_length")
        return self

    def column_type(self) -> StoredType:
        """Text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Make line ends alike, trim, check the length."""
        text = expect_text(value).replace("\r\n", "\n").replace("\r", "\n").rstrip()
        if not text:
            return None
        refuse_control_characters(text, allowed="\n\t")
        text = text.lstrip("\n")
        check_length(text, self.min_length, self.max_length)
        return text

    def formula_type(self) -> Type:
        """Text."""
        return TEXT

    def value_schema(self) -> dict[str, Any]:
        """A string with its bounds."""
        schema: dict[str, Any] = {"type": "string", "maxLength": self.max_length}
        if self.min_length:
            schema["minLength"] = self.min_length
        return schema
