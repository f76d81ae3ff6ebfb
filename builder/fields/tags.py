"""``tags``: free keywords. Source: DESIGN 5."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from builder.fields.base import JSON, FieldSample, Option, wrong_type
from builder.fields.parts.sets import SetField
from builder.fields.parts.texts import check_length, clean_line
from builder.kernel.limits import TAG_LENGTH
from builder.kernel.text import say
from formulas import types as formula_types

_SEPARATORS = re.compile("[;；,，、|\n]")


class TagsField(SetField):
    """Keywords that people make up, each once, in the order given."""

    title = say("标签", "Tags")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"max_count": 4, "max_length": 10},
            (
                (["老客户", " VIP ", "VIP"], ["老客户", "VIP"]),
                (["b", "a"], ["b", "a"]),
                ([], []),
                (["", " \u3000"], []),
                (['a", "b', "c"], ['a", "b', "c"]),
                (['"', '",', '\\"', "'"], ['"', '",', '\\"', "'"]),
                (["a, b", "😀"], ["a, b", "😀"]),
                (["a\u2028b", "\u202eb"], ["a\u2028b", "\u202eb"]),
            ),
            (
                (["a", "b", "c", "d", "e"], "max_count"),
                (["12345678901"], "max_length"),
                (["a\x00"], "character"),
                (["\ud800"], "character"),
                (["a\nb"], "character"),
                ("a", "type"),
                ([1], "type"),
                ([["a"]], "type"),
                ([None], "type"),
                ({"a": True}, "type"),
                (True, "type"),
            ),
        ),
        FieldSample(
            {"min_count": 2}, ((["a", "b"], ["a", "b"]), ([], [])), ((["a"], "min_count"), (["a", "a"], "min_count"))
        ),
    )

    type: Literal["tags"] = "tags"
    max_length: Annotated[int, Option(ge=1, le=TAG_LENGTH)] = 50
    """The longest tag, in characters (code points)."""

    def coerce(self, value: JSON) -> tuple[str, ...] | None:
        """Take a list of texts."""
        if not isinstance(value, list | tuple):
            raise wrong_type(say("标签的列表", "a list of tags"))
        tags = tuple(dict.fromkeys(tag for item in value if (tag := clean_line(item)) is not None))
        for tag in tags:
            check_length(tag, 0, self.max_length)
        return self.check_count(tags)

    def formula_type(self) -> formula_types.Type:
        """A set of texts."""
        return formula_types.set_of(formula_types.TEXT)

    def value_schema(self) -> dict[str, Any]:
        """A list of texts."""
        return self.array_schema({"type": "string", "minLength": 1, "maxLength": self.max_length})

    def from_text(self, text: str) -> JSON:
        """Read tags between ``;``, ``,``, ``、``, ``|`` or line ends."""
        return _unquoted(text) if '"' in text else _SEPARATORS.split(text)

    def to_text(self, value: Any) -> str:
        """Tags with ``;`` between them; one that contains a separator or a quote stands in quotes, doubled inside."""
        return ";".join(
            '"' + tag.replace('"', '""') + '"' if _SEPARATORS.search(tag) or '"' in tag else tag for tag in value
        )


def _unquoted(text: str) -> list[str]:
    parts = re.findall(r'\s*"((?:[^"]|"")*)"\s*(?:[;；,，、|\n]|\Z)|([^;；,，、|\n]+)', text)
    return [quoted.replace('""', '"') if quoted else plain for quoted, plain in parts]
