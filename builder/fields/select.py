"""``select``: one of a list of options. Source: DESIGN 5."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from builder.fields.base import JSON, FieldSample
from builder.fields.parts.choices import ChoiceField
from builder.kernel.text import say
from builder.store.types import StoredType, Words
from formulas import types as formula_types

_OPTIONS = [
    {"key": "new", "label": {"zh": "新建", "en": "New"}, "color": "#1677ff"},
    {"key": "won", "label": "赢单"},
    {"key": "A", "label": "重要"},
    {"key": "old", "label": "旧", "hidden": True},
]


class SelectField(ChoiceField):
    """The key of one option. A label is taken too and resolved to its key."""

    title = say("单选", "Select")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"options": _OPTIONS},
            (
                ("new", "new"),
                ("新建", "new"),
                ("New", "new"),
                (" 赢单 ", "won"),
                ("A", "A"),
                ("old", "old"),
                ("", None),
            ),
            (
                ("wno", "option"),
                ("a", "option"),
                ("new; DROP TABLE x", "option"),
                ("new\x00", "option"),
                ("\ud800", "option"),
                ("\u202ewen", "option"),
                ("😀" * 10_000, "option"),
                (0, "type"),
                (True, "type"),
                (["new"], "type"),
                ({"key": "new"}, "type"),
            ),
        ),
    )

    type: Literal["select"] = "select"

    def column_type(self) -> StoredType:
        """The key as text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Take the key or the label of an option."""
        return self.key_of(value)

    def formula_type(self) -> formula_types.Type:
        """An option with its keys."""
        return formula_types.option(self.option_keys, self.option_labels)

    def value_schema(self) -> dict[str, Any]:
        """One of the keys."""
        return {"type": "string", "enum": list(self.option_keys)}
