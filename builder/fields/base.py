"""What every field type is: a pydantic model of its options, with the behaviour beside them.

A new type is one file with one subclass of ``Field`` and one line in ``builder/fields/__init__.py``; ``tests/conformance`` then drives it
on both databases with its own samples.

Value forms: *JSON* (what the API carries), *value* (canonical Python: str, int, Decimal, bool, date, aware datetime, tuple of keys, JSON for
``json``), *stored* (the column type's business). ``None`` is blank everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, StringConstraints
from pydantic import Field as Option
from pydantic._internal._docs_extraction import extract_docstrings_from_cls
from pydantic_core import CoreSchema

from builder.kernel.limits import FORMULA_LENGTH, KEY_LENGTH, LABEL_LENGTH
from builder.kernel.problems import Violation
from builder.kernel.text import Text, say
from builder.store.types import StoredType
from formulas.types import Type

JSON = Any

KEY_PATTERN = rf"^[a-z][a-z0-9_]{{0,{KEY_LENGTH - 1}}}$"
Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=LABEL_LENGTH)]


class Model(BaseModel):
    """Base of all documents: immutable, unknown members refused, nothing converted silently."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        ignored_types=(cached_property,),
        defer_build=True,  # a validator is made when a document is first read: a start needs few of the hundred and more
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JSON:
        """Describe members by the strings under them; read now and not with the class (``use_attribute_docstrings``): a fifth of a start."""
        schema = handler(core_schema)
        members = handler.resolve_ref_schema(schema).get("properties", {})
        for kind in cls.__mro__:
            if issubclass(kind, Model) and kind is not Model:
                for name, words in extract_docstrings_from_cls(kind, use_inspect=True).items():
                    described = cls.model_fields.get(name)
                    member = members.get((described and described.alias) or name)
                    if described is not None and member is not None:
                        member.setdefault("description", words)
        return schema


class BothLanguages(Model):
    """A text in Chinese and English."""

    zh: ShortText
    en: ShortText


Label = ShortText | BothLanguages


def label_text(label: Label | None) -> Text:
    """Return a label in both languages; a plain label serves for both."""
    if isinstance(label, BothLanguages):
        return say(label.zh, label.en)
    return say(label or "", label or "")


class Refers:
    """Marks a member that holds the key of another document: ``Annotated[Key, Refers("entity")]``, ``Refers("roles")``: any kind by name.

    ``Refers("field", of="entity")`` says: a field of the entity named by the sibling member; ``of="../entity"``: by a member of what
    this stands in; ``of="/entity"``: by the member of the document itself; ``of="."``: of the entity this stands in; more steps lead
    through members (``../each/entity``). ``Refers("path", of=…)``: a field path from there, which may have a ``-`` in front (an
    order). Checks find broken references by these marks, and a rename rewrites along them.
    """

    def __init__(self, kind: str, *, of: str = "") -> None:
        self.kind = kind
        self.of = of


class Formula:
    """Marks a member that holds a formula over the records of an entity: ``Annotated[str, Formula(of="/entity", gives="boolean")]``.

    ``of`` names the entity as in ``Refers``. ``gives`` is the kind of type it has to have (``formulas/types.py``), or ``any``; a
    condition (``boolean``) may also be a JSON filter tree where the member allows an object. ``in_database``: the database judges it,
    so every function in it needs a form there. Checks and renames go by these marks.
    """

    def __init__(self, *, of: str, gives: str = "any", in_database: bool = False) -> None:
        self.of = of
        self.gives = gives
        self.in_database = in_database


class Template:
    """Marks a text for people that may hold formulas over the records of an entity in double braces: ``客户 {{customer.name}}``."""

    def __init__(self, *, of: str) -> None:
        self.of = of


FormulaLength = StringConstraints(min_length=1, max_length=FORMULA_LENGTH)


class Invalid(Exception):
    """A value that a field refuses: the rule's code and how to mend it."""

    path = ""
    """Where below the field's value: ``/note`` for a part of it."""

    def __init__(self, code: str, message: Text, **params: Any) -> None:
        self.code = code
        self.message = message
        self.params: Mapping[str, Any] = params
        super().__init__(f"{code}: {message.en}")

    def below(self, name: str) -> Self:
        """The same of a part of a value."""
        self.path = "/" + name.replace("~", "~0").replace("/", "~1") + self.path
        return self

    def violation(self, pointer: str) -> Violation:
        """What is wrong with a request whose field stands at a pointer."""
        return Violation(self.code, pointer + self.path, self.message, self.params)


class OptionInvalid(ValueError):
    """Members of a document do not go together, said in both languages; validators of models raise it."""

    def __init__(self, message: Text) -> None:
        self.message = message
        super().__init__(message.en)


def wrong_option(zh: str, en: str) -> OptionInvalid:
    """Make what a validator of a model raises."""
    return OptionInvalid(say(zh, en))


class FieldSample(NamedTuple):
    """One configuration of a field type with values it takes and refuses; the conformance suite runs them on both databases."""

    options: Mapping[str, JSON]
    accepted: tuple[tuple[JSON, JSON], ...]
    """(given, as read back)"""
    refused: tuple[tuple[JSON, str], ...] = ()
    """(given, code)"""


class Field(Model):
    """A field of an entity. Subclasses set ``type`` to a Literal and add their options."""

    samples: ClassVar[tuple[FieldSample, ...]] = ()
    title: ClassVar[Text]
    """The type's name for people."""
    assigned: ClassVar[bool] = False
    """True: the system gives the value; a client's value is refused."""
    refers_to: ClassVar[str | None] = None
    """``user`` or ``department`` where the value is the id of one."""
    lists: ClassVar[str | None] = None
    """``user`` or ``file`` where the value is a set of ids of them; the write path sees to it that they exist."""
    shows: ClassVar[str | None] = None
    """The system field whose value this field shows under its own key; it has no column of its own."""

    key: Key
    """The field's name in the API, in formulas and in the database; identity."""
    type: str
    label: Label
    """The field's name for people."""
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    """A hint shown beside the field."""
    required: bool = False
    """A blank value is refused. A rule of the write path: records that break it already stay as they are until next changed."""
    unique: bool = False
    """No two records share a value; blanks do not count."""
    indexed: bool = False
    """Keep a database index for filters and sorts."""
    default: JSON = None
    """The value of a new record that does not give one."""
    default_formula: Annotated[str, FormulaLength, Formula(of=".")] | None = None
    """The value of a new record that does not give one, computed from its other fields: ``IF(level = "A", 3, 7)``, ``TODAY() + 3``."""
    required_if: Annotated[str, FormulaLength, Formula(of=".", gives="boolean")] | None = None
    """A blank value is refused while this condition holds."""
    visible_if: Annotated[str, FormulaLength, Formula(of=".", gives="boolean")] | None = None
    """Front ends show the field while this condition on the record's own fields holds; a hidden field is not required."""
    renamed_from: Key | None = None
    """The key this field had before: the plan then renames instead of dropping and adding."""

    def column_type(self) -> StoredType | None:
        """Return the type of the field's column, or None if it has no column."""
        raise NotImplementedError(type(self).__name__)

    def coerce(self, value: JSON) -> Any:
        """Turn a JSON value (never None) into a canonical value; None if it counts as blank.

        Raises:
            Invalid: the value breaks the type or an option.
        """
        raise NotImplementedError(type(self).__name__)

    def to_json(self, value: Any) -> JSON:
        """Turn a canonical value (never None) into JSON."""
        return value

    def blank_json(self) -> JSON:
        """Return what a blank value is in JSON."""
        return None

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """Return the expression by which the database itself writes the value into a JSON object, equal to ``to_json`` and ``blank_json``.

        On SQLite it stands as an argument of ``json_object`` (wrap in ``json()`` what is not text or integer); on PostgreSQL as a
        column of a row for ``row_to_json``.
        """
        return column

    def formula_type(self) -> Type:
        """Return the type the formula language sees; filter operators follow from it."""
        raise NotImplementedError(type(self).__name__)

    def value_schema(self) -> dict[str, JSON]:
        """Return the JSON Schema of a value that is not blank."""
        raise NotImplementedError(type(self).__name__)

    def from_text(self, text: str) -> JSON:
        """Read a cell of a CSV or another field's text as JSON for ``coerce``; empty text never arrives here.

        A text that cannot be read comes back as it is, so that ``coerce`` refuses it in its own words.

        Raises:
            Invalid: where the text itself must be refused (``json``).
        """
        return text

    def to_text(self, value: Any) -> str:
        """Write a canonical value as text that ``from_text`` of this and of other types can read."""
        return str(self.to_json(value))

    def convert(self, source: Field, value: Any) -> Any:
        """Turn a canonical value of another field into one of this field, by way of text.

        Raises:
            Invalid: it does not fit.
        """
        return self.coerce(self.from_text(source.to_text(value)))

    @property
    def stored(self) -> bool:
        """Whether the field has a column."""
        return self.column_type() is not None

    @classmethod
    def of(cls, **options: Any) -> Self:
        """Build a field in code with defaults for key and label (tests, samples)."""
        kind = cls.model_fields["type"].default
        return cls.model_validate({"key": kind, "label": kind, **options}, strict=False)


def find_type(name: str) -> type[Field] | None:
    """Return the field type of a name, for types that hold fields of others; they must not import each other."""
    waiting: list[type[Field]] = [Field]
    while waiting:
        kind = waiting.pop()
        own = kind.model_fields["type"]
        if own.default == name and kind.__module__ == f"builder.fields.{name}":
            return kind
        waiting += kind.__subclasses__()
    return None


def wrong_type(expected: Text) -> Invalid:
    """The value has the wrong JSON type."""
    return Invalid("type", say(f"这里应是{expected.zh}", f"Expected {expected.en}"), expected=expected.en)


_CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def refuse_control_characters(text: str, *, allowed: str = "") -> None:
    """Refuse NUL, other control characters and lone surrogates: PostgreSQL cannot store the first, nobody can read the rest."""
    for found in _CONTROL_CHARACTERS.finditer(text):
        if found[0] not in allowed:
            shown = f"U+{ord(found[0]):04X}"
            raise Invalid(
                "character",
                say(
                    f"文本含有不可见的控制字符 {shown},请删除",
                    f"The text contains the control character {shown}; remove it",
                ),
                character=shown,
            )


def expect_text(value: JSON) -> str:
    """Return the value if it is text."""
    if type(value) is not str:
        raise wrong_type(say("文本", "text"))
    return value


_KEY = re.compile(KEY_PATTERN)


def is_key(text: str) -> bool:
    """Whether a text may be a key."""
    return _KEY.fullmatch(text) is not None


__all__ = [
    "JSON",
    "KEY_PATTERN",
    "BothLanguages",
    "Field",
    "FieldSample",
    "Formula",
    "Invalid",
    "Key",
    "Label",
    "Model",
    "Option",
    "OptionInvalid",
    "Refers",
    "ShortText",
    "Template",
    "expect_text",
    "find_type",
    "is_key",
    "label_text",
    "refuse_control_characters",
    "wrong_option",
    "wrong_type",
]
