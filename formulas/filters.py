"""The JSON form of conditions: a Directus-shaped filter tree to a typed tree, all errors at once.

Grammar: `{"field": value}` or `{"field": {"_op": value, …}}`, joined by `_and`, `_or`, `_not`; objects nest over to-one
relations, `_some` and `_none` ask about the rows of a to-many relation. Beside fields `{"_formula": "text"}` is a condition
in the text form, about the record whose fields stand beside it; `this.` is the one whose related rows are asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Any, ParamSpec

from formulas.errors import FormulaError, FormulaErrors, Kind, Message, did_you_mean, nearest, nearest_key
from formulas.filter_texts import FORMULA, Judge, Texts
from formulas.literals import LIST_LIMIT, WrongValueError, read_value
from formulas.moments import bind_context, read_variable
from formulas.schema import Context, FieldInfo, Schema
from formulas.tree import Call, Literal, Path, Rollup, Tree, join, negate
from formulas.types import BLANK, BOOLEAN, TEXT, Type, decimal, set_of

DEPTH_LIMIT = 32
NODE_LIMIT = 500
HOP_LIMIT = 5
#: Digits of a constant that does not fit its field's type.
WIDE_DIGITS = 150

P = ParamSpec("P")
TRUE = Literal(True, BOOLEAN, fixed=True)

_ORDERED = ("text", "integer", "decimal", "date", "datetime", "time", "duration", "option")
_SINGLE = (*_ORDERED, "boolean", "person", "department", "record", "file")
_TEXTUAL = ("text", "option")
_COMPARE = {"_lt": "lt", "_lte": "le", "_gt": "gt", "_gte": "ge"}
_TEXT_CALLS = {
    "_contains": ("CONTAINS", False, False),
    "_ncontains": ("CONTAINS", False, True),
    "_icontains": ("CONTAINS", True, False),
    "_nicontains": ("CONTAINS", True, True),
    "_starts_with": ("STARTSWITH", False, False),
    "_nstarts_with": ("STARTSWITH", False, True),
    "_istarts_with": ("STARTSWITH", True, False),
    "_ends_with": ("ENDSWITH", False, False),
    "_nends_with": ("ENDSWITH", False, True),
    "_iends_with": ("ENDSWITH", True, False),
}
_SET_CALLS = {"_has_any": "HASANY", "_has_all": "HASALL", "_has_none": "HASNONE"}
_DAYS = {"date", "datetime"}
_ALIASES = {"_neq": "_ne", "_le": "_lte", "_ge": "_gte", "_every": "_all"}
_WORDS = ("_and", "_or", "_not", FORMULA)
OPERATORS: tuple[str, ...] = (
    *("_eq", "_ne", "_lt", "_lte", "_gt", "_gte", "_in", "_nin", "_null", "_nnull", "_empty", "_nempty"),
    *("_between", "_nbetween", *_TEXT_CALLS, "_has", *_SET_CALLS, "_some", "_none", "_all"),
)


class _Stop(Exception):
    """This part of the filter cannot be read further; its error is already noted."""


def parse_filter(
    json_value: object,
    schema: Schema,
    entity: str,
    context: Context | None = None,
    *,
    pointer: str = "",
    outer: tuple[str, ...] = (),
    judge: Judge | None = None,
) -> Tree:
    """Read a filter tree for rows of `entity`.

    With a context `$NOW`, `$TODAY` and `$CURRENT_USER` become values; without one they stay calls, for conditions that
    are kept and bound later. `pointer` is where the filter stands in its document. `outer` are the entities of the rows
    that the record is related to, the outermost first. `judge` looks at each condition that was written as text and may
    raise `FormulaErrors`. Raises `FormulaErrors` with every error found, those in a text with its pointer and their span.
    """
    reader = _Reader(schema, context.zone if context else UTC, Texts(schema, context, judge))
    tree = reader.group(json_value, _Scope(entity, (), (*outer, entity)), pointer, 0)
    if reader.errors:
        raise FormulaErrors(reader.errors)
    reader.texts.bound(tree)
    return bind_context(tree, context) if context else tree


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where a nested object stands: the entity of its keys and the to-one steps from the current row.

    `rows` are the entities of the rows it stands in, from the outermost to the current one.
    """

    entity: str
    steps: tuple[str, ...]
    rows: tuple[str, ...]


@dataclass(slots=True)
class _Reader:
    schema: Schema
    zone: tzinfo
    texts: Texts
    errors: list[FormulaError] = field(default_factory=list)
    nodes: int = 0

    def fail(self, kind: Kind, pointer: str, zh: str, en: str) -> None:
        self.errors.append(FormulaError(kind, Message(zh, en), pointer=pointer))

    def stop(self, kind: Kind, pointer: str, zh: str, en: str) -> _Stop:
        self.fail(kind, pointer, zh, en)
        return _Stop()

    def count(self, pointer: str, depth: int) -> None:
        """Bound the work. Beyond the bound nothing more is read."""
        self.nodes += 1
        if depth > DEPTH_LIMIT:
            raise self.stop("LIMIT", pointer, f"筛选嵌套超过 {DEPTH_LIMIT} 层", f"nested deeper than {DEPTH_LIMIT}")
        if self.nodes > NODE_LIMIT:
            self.nodes = -(10**9)
            self.fail("LIMIT", pointer, f"筛选条件超过 {NODE_LIMIT} 个", f"more than {NODE_LIMIT} conditions")
            raise FormulaErrors(self.errors)

    def group(self, value: object, scope: _Scope, pointer: str, depth: int) -> Tree:
        """An object of fields and logical operators, joined by and."""
        return self.guarded(self._group, value, scope, pointer, depth)

    def guarded(self, read: Callable[P, Tree], *args: P.args, **kwargs: P.kwargs) -> Tree:
        """Read a part; where that fails, go on with the rest so that every error is found."""
        try:
            return read(*args, **kwargs)
        except _Stop:
            return TRUE

    def _group(self, value: object, scope: _Scope, pointer: str, depth: int) -> Tree:
        self.count(pointer, depth)
        if not isinstance(value, dict):
            raise self.stop("TYPE", pointer, "这里应为对象", "expected an object")
        parts: list[Tree] = []
        for key, part in value.items():
            here = f"{pointer}/{escape(str(key))}"
            parts.append(self.guarded(self._entry, str(key), part, scope, here, depth))
        return join("and", parts)

    def _entry(self, key: str, value: object, scope: _Scope, pointer: str, depth: int) -> Tree:
        if key in ("_and", "_or"):
            return self._logical(key[1:], value, scope, pointer, depth)
        if key == "_not":
            return negate(self.group(value, scope, pointer, depth + 1))
        if key == FORMULA:
            return self._formula(value, scope, pointer)
        if key.startswith("_") and self.schema.find_field(scope.entity, key) is None:
            raise self._unknown_operator(key, pointer, _WORDS)
        return self._field(key, value, scope, pointer, depth)

    def _logical(self, word: str, value: object, scope: _Scope, pointer: str, depth: int) -> Tree:
        if not isinstance(value, list):
            raise self.stop("TYPE", pointer, "这里应为条件列表", "expected a list of conditions")
        parts = [self.group(part, scope, f"{pointer}/{index}", depth + 1) for index, part in enumerate(value)]
        return join(word, parts)

    def _formula(self, value: object, scope: _Scope, pointer: str) -> Tree:
        """A condition as text, about the record whose keys stand beside it."""
        try:
            return self.texts.read(value, scope.rows, scope.steps, scope.entity)
        except FormulaErrors as found:
            self.errors += [FormulaError(error.kind, error.message, error.at, pointer) for error in found.errors]
            raise _Stop from None

    def _field(self, key: str, value: object, scope: _Scope, pointer: str, depth: int) -> Tree:
        first, _, rest = key.partition(".")
        info = self.find(first, scope, pointer)
        inner = replace(scope, steps=(*scope.steps, *info.through, first))
        if rest:
            if info.target_entity is None:
                raise self.stop("NAME", pointer, f"“{first}”不是关联字段", f'"{first}" is not a relation')
            if info.many:
                return self._rows("_some", {rest: value}, info, inner, pointer, depth)
            self.hops(inner, pointer)
            return self._field(rest, value, replace(inner, entity=info.target_entity), pointer, depth + 1)
        if isinstance(value, dict):
            return self._operators(value, info, inner, pointer, depth)
        return self.operator("_in" if isinstance(value, list) else "_eq", value, info, inner, pointer, depth)

    def find(self, key: str, scope: _Scope, pointer: str) -> FieldInfo:
        info = self.schema.find_field(scope.entity, key)
        if info is not None:
            return info
        zh, en = did_you_mean(nearest_key(key, self.schema.fields(scope.entity)))
        shown = key[:100]
        raise self.stop("NAME", pointer, f"没有字段“{shown}”{zh}", f'no field "{shown}"{en}')

    def hops(self, scope: _Scope, pointer: str) -> None:
        if len(scope.steps) > HOP_LIMIT:
            raise self.stop("LIMIT", pointer, f"路径超过 {HOP_LIMIT} 层", f"path longer than {HOP_LIMIT} steps")

    def _operators(self, value: dict[Any, Any], info: FieldInfo, scope: _Scope, pointer: str, depth: int) -> Tree:
        """`{"_gt": 1, "_lt": 5}`, or the fields of a related record, or both."""
        self.count(pointer, depth)
        self.hops(scope, pointer)
        target = info.target_entity
        nested = {key: part for key, part in value.items() if not self._is_operator(str(key), target)}
        if nested and target is None:
            raise self._unknown_operator(str(next(iter(nested))), pointer, OPERATORS)
        parts = [
            self.guarded(self.operator, str(key), part, info, scope, f"{pointer}/{escape(str(key))}", depth)
            for key, part in value.items()
            if key not in nested
        ]
        if nested and info.many:
            parts.append(self._rows("_some", nested, info, scope, pointer, depth))
        elif nested and target is not None:
            parts.append(self.group(nested, replace(scope, entity=target), pointer, depth + 1))
        return join("and", parts)

    def _is_operator(self, key: str, target: str | None) -> bool:
        """An operator of the field itself, not a word or a field of the records it leads to."""
        if target is None:
            return key.startswith("_")
        return _ALIASES.get(key, key) in OPERATORS

    def operator(self, name: str, value: object, info: FieldInfo, scope: _Scope, pointer: str, depth: int) -> Tree:
        name = _ALIASES.get(name, name)
        if info.many and info.target_entity is not None:
            return self._rows(name, value, info, scope, pointer, depth)
        path = Path(scope.steps, info.type)
        if name in ("_null", "_nnull", "_empty", "_nempty"):
            return self._blank(name, value, path, pointer)
        read = self._readers(info.type).get(name)
        if read is not None:
            return read(name, value, path, pointer)
        if name in OPERATORS:
            shown = info.type.name
            raise self.stop(
                "TYPE", pointer, f"{name} 不能用于{shown.zh}字段", f"{name} does not apply to a {shown.en} field"
            )
        raise self._unknown_operator(name, pointer, OPERATORS)

    def _readers(self, type_: Type) -> dict[str, Callable[[str, object, Path, str], Tree]]:
        """The operators that apply to a type."""
        readers: dict[str, Callable[[str, object, Path, str], Tree]] = {}
        if type_.kind in _SINGLE:
            readers.update(dict.fromkeys(("_eq", "_ne"), self._equal) | dict.fromkeys(("_in", "_nin"), self._among))
        if type_.kind in _ORDERED:
            readers.update(dict.fromkeys(_COMPARE, self._ordered))
            readers.update(dict.fromkeys(("_between", "_nbetween"), self._between))
        if type_.kind in _TEXTUAL:
            readers.update(dict.fromkeys(_TEXT_CALLS, self._text))
        if type_.kind == "set":
            readers.update(dict.fromkeys(("_has", *_SET_CALLS), self._set) | dict.fromkeys(("_eq", "_ne"), self._equal))
        return readers

    def _unknown_operator(self, name: str, pointer: str, known: Iterable[str]) -> _Stop:
        zh, en = did_you_mean(nearest(name, known))
        if name == FORMULA:
            zh, en = "，它与字段并列，不写在字段里", "; it stands beside fields, not inside one"
        return self.stop("NAME", pointer, f"没有运算符“{name[:100]}”{zh}", f'no operator "{name[:100]}"{en}')

    def literal(self, value: object, type_: Type, pointer: str) -> Tree:
        """A constant of the field's type, or the call that a `$` variable stands for."""
        if isinstance(value, str) and value.startswith("$"):
            call = read_variable(value)
            if call is not None and (call.type.kind == type_.kind or {call.type.kind, type_.kind} == _DAYS):
                return call
        try:
            canonical = read_value(value, type_, self.zone)
        except WrongValueError:
            raise self._wrong_value(value, type_, pointer) from None
        return Literal(canonical, _literal_type(canonical, type_))

    def _wrong_value(self, value: object, type_: Type, pointer: str) -> _Stop:
        zh, en = f"这里应为{type_.name.zh}", f"expected {type_.name.en}"
        element = type_.element or type_
        if element.options and isinstance(value, str):
            labelled = tuple((key, label) for label, key in element.labels)
            hint = did_you_mean(nearest_key(value, labelled or tuple((key, key) for key in element.options)))
            zh, en = f"没有选项“{value[:100]}”{hint[0]}", f'no option "{value[:100]}"{hint[1]}'
        return self.stop("TYPE", pointer, zh, en)

    def _equal(self, name: str, value: object, path: Path, pointer: str) -> Tree:
        return Call("eq" if name == "_eq" else "ne", (path, self.literal(value, path.type, pointer)), BOOLEAN)

    def _ordered(self, name: str, value: object, path: Path, pointer: str) -> Tree:
        return Call(_COMPARE[name], (path, self.present(value, path.type, pointer)), BOOLEAN)

    def present(self, value: object, type_: Type, pointer: str) -> Tree:
        found = self.literal(value, type_, pointer)
        if isinstance(found, Literal) and found.value is None:
            raise self.stop("TYPE", pointer, "这里不能为空", "a value is needed here")
        return found

    def items(self, value: object, pointer: str, length: int | None = None) -> list[Any]:
        if not isinstance(value, list) or (length is not None and len(value) != length):
            zh = "这里应为列表" if length is None else f"这里应为 {length} 个值的列表"
            en = "expected a list" if length is None else f"expected a list of {length} values"
            raise self.stop("TYPE", pointer, zh, en)
        if len(value) > LIST_LIMIT:
            raise self.stop("LIMIT", pointer, f"列表超过 {LIST_LIMIT} 项", f"more than {LIST_LIMIT} values")
        return value

    def _between(self, name: str, value: object, path: Path, pointer: str) -> Tree:
        low, high = (
            self.present(item, path.type, f"{pointer}/{index}")
            for index, item in enumerate(self.items(value, pointer, 2))
        )
        inside = Call("and", (Call("ge", (path, low), BOOLEAN), Call("le", (path, high), BOOLEAN)), BOOLEAN)
        return inside if name == "_between" else negate(inside)

    def _among(self, name: str, value: object, path: Path, pointer: str) -> Tree:
        """Calls (the current user) and the blank are compared singly, all other values as one list."""
        found = [self.literal(item, path.type, f"{pointer}/{i}") for i, item in enumerate(self.items(value, pointer))]
        singles = [item for item in found if not isinstance(item, Literal) or item.value is None]
        given = [item for item in found if isinstance(item, Literal) and item.value is not None]
        # a number with more digits than the field holds equals none of its values
        values = tuple(dict.fromkeys(item.value for item in given if item.type == path.type))
        choices: list[Tree] = [Call("eq", (path, item), BOOLEAN) for item in dict.fromkeys(singles)]
        if values or not singles:
            choices.insert(0, Call("in", (path, Literal(values, set_of(path.type))), BOOLEAN))
        inside = join("or", choices)
        return inside if name == "_in" else negate(inside)

    def _blank(self, name: str, value: object, path: Path, pointer: str) -> Tree:
        if not isinstance(value, bool):
            raise self.stop("TYPE", pointer, "这里应为 true 或 false", "expected true or false")
        wanted = value == (name in ("_null", "_empty"))
        blank = Call("ISBLANK", (path,), BOOLEAN)
        return blank if wanted else negate(blank)

    def _text(self, name: str, value: object, path: Path, pointer: str) -> Tree:
        function, folded, negated = _TEXT_CALLS[name]
        needle = self.present(value, TEXT, pointer)
        subject: Tree = path
        if folded and isinstance(needle, Literal):
            needle = replace(needle, value=needle.value.lower())
            subject = Call("LOWER", (path,), TEXT)
        call = Call(function, (subject, needle), BOOLEAN)
        return negate(call) if negated else call

    def _set(self, name: str, value: object, path: Path, pointer: str) -> Tree:
        element = path.type.element or TEXT
        if name == "_has":
            return Call("HAS", (path, self.present(value, element, pointer)), BOOLEAN)
        found = [self.present(item, element, f"{pointer}/{i}") for i, item in enumerate(self.items(value, pointer))]
        function = _SET_CALLS[name]
        if all(isinstance(item, Literal) for item in found):
            values = tuple(dict.fromkeys(item.value for item in found if isinstance(item, Literal)))
            return Call(function, (path, Literal(values, set_of(element))), BOOLEAN)
        singles = tuple(Call("HAS", (path, item), BOOLEAN) for item in found)
        joined = join("and" if name == "_has_all" else "or", singles)
        return negate(joined) if name == "_has_none" else joined

    def _rows(self, name: str, value: object, info: FieldInfo, scope: _Scope, pointer: str, depth: int) -> Tree:
        """A question about the rows of a to-many relation."""
        target = info.target_entity or ""
        self.hops(scope, pointer)
        exists = Rollup(scope.steps, target, "EXISTS", None, None, BOOLEAN)
        if name in ("_some", "_none", "_all"):
            condition = self.group(value, _Scope(target, (), (*scope.rows, target)), pointer, depth + 1)
            if name == "_all":
                return negate(replace(exists, condition=negate(condition)))
            found = replace(exists, condition=None if condition == TRUE else condition)
            return found if name == "_some" else negate(found)
        if name in ("_null", "_nnull", "_empty", "_nempty"):
            blank = self._blank(name, value, Path(scope.steps, BLANK), pointer)
            return negate(exists) if isinstance(blank, Call) and blank.function == "ISBLANK" else exists
        return self._rows_with_id(name, value, exists, pointer)

    def _rows_with_id(self, name: str, value: object, exists: Rollup, pointer: str) -> Tree:
        identity = self.schema.find_field(exists.entity, "id")
        if identity is None or name not in ("_has", "_eq", "_in", *_SET_CALLS):
            raise self.stop(
                "TYPE", pointer, f"{name} 不能用于一对多关联", f"{name} does not apply to a to-many relation"
            )
        path = Path(identity.steps, identity.type)
        if name in ("_has", "_eq"):
            return replace(exists, condition=self._equal("_eq", value, path, pointer))
        if name == "_has_all":
            ids = enumerate(self.items(value, pointer))
            each = [self._equal("_eq", item, path, f"{pointer}/{i}") for i, item in ids]
            return join("and", [replace(exists, condition=condition) for condition in each])
        found = replace(exists, condition=self._among("_in", value, path, pointer))
        return negate(found) if name == "_has_none" else found


def _literal_type(value: Any, type_: Type) -> Type:
    """The field's type, or a finer decimal when the constant has more places than the field."""
    if not isinstance(value, Decimal):
        return type_
    exponent = value.normalize().as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    fits = places <= type_.scale and len(value.as_tuple().digits) + type_.scale - places <= type_.digits
    return type_ if fits else decimal(max(places, type_.scale), WIDE_DIGITS)


def escape(key: str) -> str:
    """A key as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")
