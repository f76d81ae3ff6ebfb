"""``multi_user``: several people who may sign in. Source: DESIGN 5."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from builder.fields.base import JSON, FieldSample, wrong_type
from builder.fields.parts.ids import A_USER, coerce_ids
from builder.fields.parts.sets import SetField
from builder.kernel.text import say
from formulas.types import PERSON, Type, set_of

_ONE = "0193f7a0-1b2c-7d3e-8f40-112233445566"
_TWO = "0193f7a0-1b2c-7d3e-8f40-112233445577"


class MultiUserField(SetField):
    """The ids of users, each once, in the order given; the write path sees to it that they exist."""

    title = say("多个人员", "Users")
    lists: ClassVar[str | None] = "user"
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"max_count": 2},
            (
                ([_ONE.upper(), _ONE, {"id": _TWO}], [_ONE, _TWO]),
                ([], []),
            ),
            (
                ([_ONE, _TWO, _ONE[:-1] + "0"], "max_count"),
                (_ONE, "type"),
                (["张三"], "type"),
                ([None], "type"),
                ([{"name": "x"}], "type"),
                ([5], "type"),
                ({"id": _ONE}, "type"),
                (True, "type"),
            ),
        ),
    )

    type: Literal["multi_user"] = "multi_user"

    def coerce(self, value: JSON) -> tuple[str, ...] | None:
        """Take a list of ids, or of objects with an ``id``."""
        if not isinstance(value, list | tuple):
            raise wrong_type(say("人员编号的列表", "a list of user ids"))
        return self.check_count(coerce_ids(value, A_USER))

    def formula_type(self) -> Type:
        """A set of people."""
        return set_of(PERSON)

    def value_schema(self) -> dict[str, Any]:
        """A list of UUIDs."""
        return self.array_schema({"type": "string", "format": "uuid"})

    def from_text(self, text: str) -> JSON:
        """Read ids between ``;`` or ``,``."""
        return [part.strip() for part in re.split("[;；,，]", text)]

    def to_text(self, value: Any) -> str:
        """Ids with ``;`` between them."""
        return ";".join(value)
