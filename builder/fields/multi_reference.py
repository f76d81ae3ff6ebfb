"""``multi_reference``: several records of an entity, each link with attributes of its own. Source: DESIGN 5; decision 0023."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import model_validator

from builder.fields.base import JSON, FieldSample, Invalid, Key, Option, Refers, label_text, wrong_option, wrong_type
from builder.fields.parts.ids import coerce_id
from builder.fields.parts.many import SOURCE, TARGET, ManyField
from builder.fields.parts.nested import Attribute
from builder.fields.parts.numbers import check_bounds
from builder.kernel.limits import CHILD_RECORDS, LINK_ATTRIBUTES
from builder.kernel.problems import nearest_hint
from builder.kernel.text import say
from formulas.types import Type, record, set_of

_ONE = "0193f7a0-1b2c-7d3e-8f40-112233445566"
_TWO = "0193f7a0-1b2c-7d3e-8f40-112233445577"


class Link(NamedTuple):
    """A link that is asked for."""

    id: str
    """The target."""
    attributes: Mapping[str, JSON] | None
    """None: nothing is said of them."""


class Links(NamedTuple):
    """What is to become of a record's links."""

    whole: tuple[Link, ...] | None
    """These and no others; None: as they are, with …"""
    add: tuple[Link, ...] = ()
    """… these, and …"""
    remove: tuple[str, ...] = ()
    """… without these."""


class MultiReferenceField(ManyField):
    """The links of a record, kept in a table of their own. Written whole as a list of ids or of ``{id, attributes}``, or in part as
    ``{"add": […], "remove": […]}``.
    """

    title = say("多对多关联", "Several references")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"entity": "other"},
            (
                ([], []),
                ([_ONE.upper(), {"id": _TWO, "name": "A"}], [_ONE, _TWO]),
                ([{"id": _ONE, "attributes": {}}], [_ONE]),
            ),
            (
                (_ONE, "type"),
                (["x"], "type"),
                ([None], "type"),
                ([_ONE, _ONE.upper()], "duplicate"),
                ({"id": _ONE}, "type"),
                ({"add": _ONE}, "type"),
                ({"add": [_ONE], "remove": [_ONE]}, "duplicate"),
                ([{"id": _ONE, "attributes": {"share": 1}}], "unknown"),
                ([{"id": _ONE, "attributes": 1}], "type"),
                (5, "type"),
                (True, "type"),
            ),
        ),
    )

    type: Literal["multi_reference"] = "multi_reference"
    entity: Annotated[Key, Refers("entity")]
    """The entity whose records this field leads to."""
    attributes: Annotated[tuple[Attribute, ...], Option(max_length=LINK_ATTRIBUTES)] = ()
    """What each link tells besides: a role, a share. Fields of simple types."""
    on_delete: Literal["restrict", "clear"] = "restrict"
    """What a deletion of a target does: refuse it, or take the link away."""
    min_count: Annotated[int, Option(ge=0, le=CHILD_RECORDS)] = 0
    """The least number of links of a record that has any."""
    max_count: Annotated[int, Option(ge=1, le=CHILD_RECORDS)] = CHILD_RECORDS
    """The greatest number of links."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        check_bounds(self.min_count, self.max_count)
        keys = [attribute.key for attribute in self.attributes]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise wrong_option(f"属性“{twice}”出现两次", f"the attribute {twice!r} occurs twice")
        return self

    @property
    def by(self) -> str:
        """The end that points here."""
        return SOURCE

    @property
    def through(self) -> tuple[str, ...]:
        """The other end."""
        return (TARGET,)

    def column_type(self) -> None:
        """No column: links have a table."""
        return

    def coerce(self, value: JSON) -> Links:
        """Take a list, or what is added and removed; the write path checks each link as a record of its own."""
        if isinstance(value, list):
            return Links(self._links(value))
        if not isinstance(value, dict) or not value or not value.keys() <= {"add", "remove"}:
            raise wrong_type(say("编号的列表,或 {add, remove}", 'a list of ids, or an object with "add" and "remove"'))
        add, remove = self._links(value.get("add", [])), self._links(value.get("remove", []))
        gone = tuple(link.id for link in remove)
        _refuse_twice([*(link.id for link in add), *gone])
        return Links(None, add, gone)

    def _links(self, given: JSON) -> tuple[Link, ...]:
        if not isinstance(given, list):
            raise wrong_type(say("编号的列表", "a list of ids"))
        if len(given) > CHILD_RECORDS:
            message = say(f"一次最多 {CHILD_RECORDS} 项", f"At most {CHILD_RECORDS} at once")
            raise Invalid("limit", message, maximum=CHILD_RECORDS)
        links = tuple(Link(coerce_id(item), self._attributes(item)) for item in given)
        _refuse_twice([link.id for link in links])
        return links

    def _attributes(self, item: JSON) -> Mapping[str, JSON] | None:
        given = item.get("attributes") if isinstance(item, dict) else None
        if not given:
            return None
        if not isinstance(given, dict):
            raise wrong_type(say("attributes 为对象", "attributes as an object"))
        known = [attribute.key for attribute in self.attributes]
        for key in given:
            if key not in known:
                hint = nearest_hint(key[:100], known)
                message = say(f"没有属性“{key[:100]}”{hint.zh}", f'There is no attribute "{key[:100]}"{hint.en}')
                raise Invalid("unknown", message, name=key[:100])
        return given

    def blank_json(self) -> JSON:
        """The empty list."""
        return []

    def to_json(self, value: Any) -> JSON:
        """The ids of a whole set."""
        return [link.id for link in value.whole or ()]

    def from_text(self, text: str) -> JSON:
        """Read ids between ``;``."""
        return [part.strip() for part in text.split(";") if part.strip()]

    def formula_type(self) -> Type:
        """A set of records."""
        return set_of(record(self.entity))

    def value_schema(self) -> dict[str, Any]:
        """A list of ids."""
        return {"type": "array", "items": {"type": "string", "format": "uuid"}, "maxItems": self.max_count}

    @property
    def counts(self) -> bool:
        """Whether it matters how many links there are."""
        return self.required or self.min_count > 0 or self.max_count < CHILD_RECORDS

    def count_wrong(self, count: int) -> Invalid | None:
        """Say what is wrong with a number of links; None: nothing."""
        if not count:
            named = label_text(self.label)
            message = say(f"请填写“{named.zh}”", f"{named.en} is required")
            return Invalid("required", message) if self.required else None
        if count < self.min_count:
            message = say(f"至少 {self.min_count} 项", f"At least {self.min_count} are needed")
            return Invalid("min_count", message, min_count=self.min_count)
        if count > self.max_count:
            message = say(f"最多 {self.max_count} 项", f"At most {self.max_count} are allowed")
            return Invalid("max_count", message, max_count=self.max_count)
        return None


def _refuse_twice(ids: list[str]) -> None:
    twice = next((one for one in ids if ids.count(one) > 1), None) if len(set(ids)) < len(ids) else None
    if twice is not None:
        raise Invalid("duplicate", say(f"{twice} 出现两次", f"{twice} is listed twice"), id=twice)
