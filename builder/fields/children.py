"""``children``: the records of another entity that point here, edited inline as a sub-table. Source: DESIGN 5."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from builder.fields.base import JSON, FieldSample, Key, Refers, wrong_type
from builder.fields.parts.many import SOURCE, TARGET, ManyField
from builder.kernel.text import say
from formulas.types import Type, record, set_of


class ChildrenField(ManyField):
    """A to-many relation seen from its one side. It has no column: the children's reference field holds it.

    Writing takes the whole list: rows with an ``id`` are changed, rows without are created, rows that are missing are deleted.
    """

    title = say("子表", "Children")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"entity": "row", "via": "parent"},
            (([], []), ([{"name": "A"}], [{"name": "A"}])),
            (("x", "type"), (["x"], "type"), ([[]], "type"), ({"name": "A"}, "type"), (1, "type"), (True, "type")),
        ),
    )

    type: Literal["children"] = "children"
    entity: Annotated[Key, Refers("entity")]
    """The children's entity."""
    via: Annotated[Key, Refers("field", of="entity")]
    """The reference field of the children that points here; or their multi_reference, and this is its other side, which is only read."""

    @property
    def by(self) -> str:
        """The reference field, or the end of the link that points here."""
        return TARGET if self._link else self.via

    @property
    def through(self) -> tuple[str, ...]:
        """The other end of the link."""
        return (SOURCE,) if self._link else ()

    @property
    def is_other_side(self) -> bool:
        """Whether these are links that are written from their source."""
        return bool(self._link)

    def column_type(self) -> None:
        """No column."""
        return

    def coerce(self, value: JSON) -> list[dict[str, Any]]:
        """Take a list of objects; the write path checks each as a record of its entity."""
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise wrong_type(say("子记录的列表", "a list of records"))
        return value

    def blank_json(self) -> JSON:
        """The empty list."""
        return []

    def formula_type(self) -> Type:
        """A set of records."""
        return set_of(record(self.entity))

    def value_schema(self) -> dict[str, Any]:
        """A list of the children's records."""
        return {"type": "array", "items": {"type": "object"}}
