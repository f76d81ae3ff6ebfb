"""``text``: one line of text. Source: DESIGN 5; patterns are RE2, so no pattern can run away."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import StringConstraints, field_validator, model_validator

from builder.fields.base import JSON, Field, FieldSample, Invalid, Option, wrong_option
from builder.fields.parts.check_digits import FORMS, Form, compact
from builder.fields.parts.texts import check_length, clean_form, clean_line, compile_pattern
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
            (
                ("abc", "abc"),
                ("  张三😀 ", "张三😀"),
                ("", None),
                (" \u3000 ", None),
                ("'; --", "'; --"),
                ('\\"%_{', '\\"%_{'),
            ),
            (
                ("abcdef", "max_length"),
                (5, "type"),
                (True, "type"),
                (["a"], "type"),
                ({"a": "b"}, "type"),
                ("a\x00b", "character"),
                ("a\nb", "character"),
                ("a\x7f", "character"),
                ("a\ud800", "character"),
            ),
        ),
        FieldSample(
            {"min_length": 2, "pattern": "[A-Z]{2}-\\d+"},
            (("AB-1", "AB-1"),),
            (("A", "min_length"), ("ab-1", "pattern"), ("xAB-1", "pattern")),
        ),
        FieldSample(
            {},
            (
                ("Robert'); DROP TABLE students;--", "Robert'); DROP TABLE students;--"),
                ("\u202eevil\u202c עברית العربية", "\u202eevil\u202c עברית العربية"),
                ("👩\u200d👩\u200d👧 𠮷野家 e\u0301", "👩\u200d👩\u200d👧 𠮷野家 e\u0301"),
                ("</script><b>&amp;", "</script><b>&amp;"),
            ),
        ),
        FieldSample(
            {"format": "social_credit_code"},
            (
                ("91350100m000100y43", "91350100M000100Y43"),
                (" 9135 0100-M000100Y43 ", "91350100M000100Y43"),
                ("", None),
            ),
            (
                ("91350100M000100Y44", "social_credit_code"),
                ("91350100M000100Y4", "social_credit_code"),
                ("91350100I000100Y43", "social_credit_code"),
                ("９1350100M000100Y4٣", "social_credit_code"),
                (913501, "type"),
            ),
        ),
        FieldSample(
            {"format": "resident_id"},
            (("11010519491231002x", "11010519491231002X"), ("440524 18800101 0014", "440524188001010014")),
            (
                ("110105194912310021", "resident_id"),
                ("110105194902310023", "resident_id"),
                ("110105491231002", "resident_id"),
            ),
        ),
        FieldSample(
            {"format": "bank_card"},
            (("6228 4804 0256 4890 018", "6228480402564890018"), ("4111-1111-1111-1111", "4111111111111111")),
            (("4111111111111112", "bank_card"), ("41111111", "bank_card"), ("4111x1111111111", "bank_card")),
        ),
        FieldSample(
            {"format": "mobile"},
            (
                ("138 1234 5678", "13812345678"),
                ("+86 138-1234-5678", "13812345678"),
                ("008613812345678", "13812345678"),
            ),
            (("12812345678", "mobile"), ("021-68881234", "mobile"), ("+8521381234567", "mobile"), ("+86", "mobile")),
        ),
    )

    type: Literal["text"] = "text"
    min_length: Annotated[int, Option(ge=0, le=TEXT_LENGTH)] = 0
    """The least number of characters of a text that is not blank."""
    max_length: Annotated[int, Option(ge=1, le=TEXT_LENGTH)] = 200
    """In characters (code points)."""
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=PATTERN_LENGTH)] | None = None
    """A regular expression (RE2) that the whole text must match."""
    pattern_hint: Annotated[str, StringConstraints(max_length=200)] | None = None
    """What the pattern asks for, in the user's words."""

    format: Form | None = None
    """A form with a check digit: mobile, social_credit_code (GB 32100), resident_id (GB 11643) or bank_card (Luhn). Spaces, hyphens and a +86 are dropped."""

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            compile_pattern(pattern)
        return pattern

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.min_length > self.max_length:
            raise wrong_option("min_length 大于 max_length", "min_length is larger than max_length")
        return self

    def column_type(self) -> StoredType:
        """Text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Trim and check length and pattern."""
        text = clean_line(value) if self.format is None else clean_form(value)
        if not text:
            return None
        if self.format is not None:
            text = compact(text, self.format)
            wrong = FORMS[self.format].explain(text)
            if wrong is not None:
                raise Invalid(self.format, wrong)
        check_length(text, self.min_length, self.max_length)
        if self.pattern is not None and compile_pattern(self.pattern).fullmatch(text) is None:
            wanted = self.pattern_hint or self.pattern
            raise Invalid(
                "pattern",
                say(f"格式不符,应为:{wanted}", f"Does not match the expected form: {wanted}"),
                pattern=self.pattern,
            )
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
