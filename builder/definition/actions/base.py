"""What the kinds of actions share: conditions, texts, values to be set, people to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import StringConstraints, model_validator

from builder.fields.base import BothLanguages, Formula, Key, Model, Option, Refers, ShortText, Template, wrong_option
from builder.kernel.limits import SETTINGS_PER_ACTION
from builder.kernel.text import Text, say

FormulaText = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
PATH_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){0,5}$"
FieldPath = Annotated[str, StringConstraints(pattern=PATH_PATTERN, max_length=250)]
Condition = Annotated[FormulaText | dict[str, Any] | None, Formula(of="/entity", gives="boolean")]
"""A formula or a JSON filter over the record that occasioned the action."""
OwnPath = Annotated[FieldPath, Refers("path", of="/entity")]
Pointer = Annotated[str, StringConstraints(pattern=r"^(/[^/]{1,100}){0,8}$")]

_Words = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
_Sentence = Annotated[_Words, Template(of="/entity")]


class BothSentences(Model):
    """A text in Chinese and English, each with formulas in double braces."""

    zh: _Sentence
    en: _Sentence


Wording = _Sentence | BothSentences
"""A text for people with formulas over the record in double braces."""


class ActionModel(Model):
    """An action: one step of what follows."""

    effect: ClassVar[Literal["inside", "after"]]
    """``inside``: it is done in the transaction of what occasioned it, or not at all; ``after``: it is put down in that transaction
    and carried out once it is committed."""

    label: ShortText | BothLanguages | None = None
    condition: Condition = None
    """The action is passed over for records that do not meet it."""


class RecordAction(ActionModel):
    """An action that writes records."""

    effect: ClassVar[Literal["inside", "after"]] = "inside"

    run: Literal["inside", "after"] = "inside"
    """``inside`` the transaction of what occasioned it; ``after`` it is committed, in one of its own (as are those behind it)."""


class _Value(Model):
    value: Any = None
    """A constant, as the API takes it."""
    formula: Annotated[FormulaText | None, Formula(of="/entity")] = None
    """A formula over the record that occasioned the action."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("value", "formula", "item", "own") if getattr(self, name, None) is not None]
        if len(given) > 1:
            raise wrong_option(f"只能给出其中一个:{'、'.join(given)}", f"Give only one of {', '.join(given)}")
        return self


class OwnSetting(_Value):
    """What a field of the record itself becomes; without a value it becomes blank."""

    field: Annotated[Key, Refers("field", of="/entity")]


class Setting(_Value):
    """What a field of the written record becomes; without a value it is blank."""

    field: Annotated[Key, Refers("field", of="../entity")]
    item: Annotated[FieldPath, Refers("path", of="../each/entity")] | None = None
    """With ``each``: a field path of the related record, or ``value`` for a member of a list."""


class TargetSetting(_Value):
    """What a field of a changed record becomes."""

    field: Annotated[Key, Refers("field", of="../entity")]
    own: Annotated[FormulaText | None, Formula(of="../entity")] = None
    """A formula over the changed record itself."""


class Match(_Value):
    """A field of the records looked for, and what it has to be equal to."""

    field: Annotated[Key, Refers("path", of="../entity")]
    """``id`` finds the record that a reference points to: ``{"field": "id", "formula": "customer"}``."""


class Member(_Value):
    """A member of a body that is sent: a dotted name for members inside members."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*){0,5}$")]


OwnSettings = Annotated[tuple[OwnSetting, ...], Option(min_length=1, max_length=SETTINGS_PER_ACTION)]
Settings = Annotated[tuple[Setting, ...], Option(max_length=SETTINGS_PER_ACTION)]
TargetSettings = Annotated[tuple[TargetSetting, ...], Option(min_length=1, max_length=SETTINGS_PER_ACTION)]
Members = Annotated[tuple[Member, ...], Option(max_length=SETTINGS_PER_ACTION)]


class Each(Model):
    """Over what an action fans out: the records of a relation, or the members of a list."""

    relation: OwnPath | None = None
    """A path to a children field."""
    entity: Annotated[Key, Refers("entity")] | None = None
    """With ``relation``: the entity of its records."""
    where: Annotated[FormulaText | None, Formula(of="entity", gives="boolean", in_database=True)] = None
    """With ``relation``: which of them."""
    list: Annotated[FormulaText | None, Formula(of="/entity", gives="set")] = None
    """A formula that gives a set: chosen options, tags, people."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.relation is None) == (self.list is None) or (self.relation is None) != (self.entity is None):
            raise wrong_option("请给出 relation 和 entity,或者 list", "Give either relation and entity, or list")
        if self.where is not None and self.relation is None:
            raise wrong_option("where 只能与 relation 一起使用", "where goes with relation only")
        return self


class Who(Model):
    """People: exactly one way of naming them."""

    user: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    """A user name."""
    field: OwnPath | None = None
    """A path to a field that holds a person, people or a department (its members)."""
    formula: Annotated[FormulaText | None, Formula(of="/entity")] = None
    """A formula that gives a person or people."""
    area: OwnPath | None = None
    """Everybody whose areas have the value of this field."""
    role: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    """Everybody who has a role."""
    department: Key | None = None
    """Everybody in a department and in those below it."""
    manager_of: OwnPath | None = None
    """The manager of the person in this field."""
    levels: Annotated[int, Option(ge=1, le=10)] = 1
    """With ``manager_of``: how far up the line; 2 = the manager's manager. Who has nobody that far up gets the highest there is."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = ("user", "field", "formula", "area", "role", "department", "manager_of")
        if sum(getattr(self, name) is not None for name in ways) != 1:
            raise wrong_option(f"请给出其中一个:{'、'.join(ways)}", f"Give exactly one of {', '.join(ways)}")
        return self


_KEY_SHOWN = 80
_WAYS: dict[str, tuple[str, str]] = {
    "user": ("用户“{}”", 'the user "{}"'),
    "field": ("字段“{}”", 'the field "{}"'),
    "formula": ("公式“{}”", 'the formula "{}"'),
    "area": ("区域为“{}”的人", 'the people of the area "{}"'),
    "role": ("角色“{}”", 'the role "{}"'),
    "department": ("部门“{}”", 'the department "{}"'),
    "manager_of": ("“{}”的上级", 'the manager of "{}"'),
}


def audience_words(who: Sequence[Who]) -> Text:
    """Say who is meant, by the keys that the document names: what to look at when nobody is found."""
    named = [
        (way, str(getattr(one, name))[:_KEY_SHOWN])
        for one in who
        for name, way in _WAYS.items()
        if getattr(one, name) is not None
    ]
    zh, en = "、".join(way[0].format(key) for way, key in named), ", ".join(way[1].format(key) for way, key in named)
    return say(zh, en)


Audience = Annotated[tuple[Who, ...], Option(min_length=1, max_length=20)]
