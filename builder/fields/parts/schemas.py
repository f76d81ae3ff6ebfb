"""Users' JSON Schemas, made safe to run: no network, no runaway pattern, no endless work. Source: JSON Schema Draft 2020-12.

The library's own ``pattern`` and ``uniqueItems`` are replaced: Python's regular expressions can run for years, comparing all pairs for hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

import jsonschema
from jsonschema.validators import Draft202012Validator, extend

from builder.fields.base import JSON, Invalid, wrong_option
from builder.fields.parts.texts import compile_pattern
from builder.kernel.canonical import dump_json, dump_sorted
from builder.kernel.limits import BODY_DEPTH, JSON_SCHEMA_BYTES, JSON_SCHEMA_STEPS
from builder.kernel.problems import escape_pointer
from builder.kernel.text import say

Keyword = Callable[[Any, Any, Any, Any], Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFUSED = ("patternProperties", "$id", "$dynamicRef", "$dynamicAnchor", "$vocabulary")
_ERRORS_WEIGHED = 20
_SHOWN = 200

_steps: ContextVar[int] = ContextVar("steps")


class _TooMuchWork(Exception):
    pass


class _Schema(NamedTuple):
    """Where subschemas stand in a schema, by keyword."""

    one: frozenset[str]
    many: frozenset[str]
    named: frozenset[str]


_SUBSCHEMAS = _Schema(
    frozenset(
        (
            "additionalProperties",
            "items",
            "contains",
            "not",
            "if",
            "then",
            "else",
            "propertyNames",
            "unevaluatedItems",
            "unevaluatedProperties",
        )
    ),
    frozenset(("allOf", "anyOf", "oneOf", "prefixItems")),
    frozenset(("properties", "$defs", "dependentSchemas")),
)


def check_schema(schema: Mapping[str, JSON]) -> None:
    """Refuse a schema that is none, that reaches outside itself, or that could not be run safely.

    Raises:
        ValueError: why.
    """
    if len(dump_json(schema)) > JSON_SCHEMA_BYTES:
        raise wrong_option(
            f"JSON Schema 超过 {JSON_SCHEMA_BYTES} 字节", f"the schema is larger than {JSON_SCHEMA_BYTES} bytes"
        )
    try:
        Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = "".join(f"/{escape_pointer(part)}" for part in error.absolute_path)
        raise wrong_option(
            f"不是 Draft 2020-12 的 JSON Schema,位于 {where or '根'}:{error.message[:_SHOWN]}",
            f"not a JSON Schema of Draft 2020-12, at {where or 'its root'}: {error.message[:_SHOWN]}",
        ) from None
    if schema.get("$schema", _DIALECT).rstrip("#") != _DIALECT:
        raise wrong_option(f"只支持 Draft 2020-12:{_DIALECT}", f"only Draft 2020-12 is understood: {_DIALECT}")
    for part in _walk(schema, 0):
        for keyword in _REFUSED:
            if keyword in part:
                raise wrong_option(f"这里不支持 {keyword}", f"{keyword} is not supported here")
        if "pattern" in part:
            compile_pattern(part["pattern"])
        if "$ref" in part:
            _check_reference(schema, part["$ref"])


def has_references(schema: Mapping[str, JSON]) -> bool:
    """Whether a checked schema refers to parts of itself."""
    return any("$ref" in part for part in _walk(schema, 0))


def _walk(schema: JSON, depth: int) -> Iterator[dict[str, JSON]]:
    if depth > BODY_DEPTH:
        raise wrong_option("JSON Schema 嵌套过深", "the schema is nested too deep")
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword, inner in schema.items():
        if keyword in _SUBSCHEMAS.one:
            yield from _walk(inner, depth + 1)
        elif keyword in _SUBSCHEMAS.many or keyword in _SUBSCHEMAS.named:
            for child in inner.values() if isinstance(inner, dict) else inner:
                yield from _walk(child, depth + 1)


def _check_reference(schema: Mapping[str, JSON], reference: str) -> None:
    """A reference stays inside the schema and points at something."""
    if reference != "#" and not reference.startswith("#/$defs/"):
        shown = reference[:_SHOWN]
        raise wrong_option(
            f'不支持 "$ref": "{shown}";只能用 "#" 和 "#/$defs/…"',
            f'"$ref": "{shown}" is refused; only "#" and "#/$defs/…" are followed',
        )
    name = reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
    if reference != "#" and name not in schema.get("$defs", {}):
        shown = reference[:_SHOWN]
        raise wrong_option(f'"$ref": "{shown}" 没有指向任何内容', f'"$ref": "{shown}" points at nothing')


class Checked:
    """A schema that passed ``check_schema``, ready to check values."""

    def __init__(self, schema: Mapping[str, JSON]) -> None:
        self._validator = _SafeValidator(schema)

    def check(self, value: JSON) -> None:
        """Refuse a value that breaks the schema.

        Raises:
            Invalid: ``schema``, with the place in the value.
        """
        token = _steps.set(0)
        try:
            errors = list(islice(self._validator.iter_errors(value), _ERRORS_WEIGHED))
        except (_TooMuchWork, RecursionError, ArithmeticError):
            message = say(
                "这个值太复杂,无法按 JSON Schema 校验", "The value is too complex to be checked against the JSON Schema"
            )
            raise Invalid("schema", message) from None
        finally:
            _steps.reset(token)
        if errors:
            raise _explain(jsonschema.exceptions.best_match(errors))


def _explain(error: Any) -> Invalid:
    pointer = "".join(f"/{escape_pointer(part)}" for part in error.absolute_path)
    where = pointer or "/"
    reason = error.message if len(error.message) <= _SHOWN else f"{error.message[:_SHOWN]}…"
    rule = str(error.validator)
    message = say(
        f"JSON 在 {where} 处不符合规则 {rule}:{reason}", f"The JSON breaks the rule {rule} at {where}: {reason}"
    )
    return Invalid("schema", message, pointer=pointer, rule=rule)


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    if validator.is_type(instance, "string") and compile_pattern(pattern).search(instance) is None:
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique_items(validator: Any, wanted: bool, instance: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    # equal values have equal canonical bytes, so one pass is enough
    if (
        wanted
        and validator.is_type(instance, "array")
        and len({dump_sorted(item) for item in instance}) < len(instance)
    ):
        yield jsonschema.ValidationError("the list holds equal items")


def _counted(keyword: Keyword) -> Keyword:
    """Count each use of a keyword, so that a schema cannot multiply work without end."""

    def apply(validator: Any, wanted: Any, instance: Any, schema: Any) -> Any:
        count = _steps.get() + 1
        if count > JSON_SCHEMA_STEPS:
            raise _TooMuchWork
        _steps.set(count)
        return keyword(validator, wanted, instance, schema)

    return apply


def _is_number(_checker: Any, instance: Any) -> bool:
    return isinstance(instance, int | Decimal) and not isinstance(instance, bool)


_KEYWORDS: dict[str, Keyword] = {**Draft202012Validator.VALIDATORS, "pattern": _pattern, "uniqueItems": _unique_items}
_SafeValidator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators={name: _counted(keyword) for name, keyword in _KEYWORDS.items()},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number),
)
