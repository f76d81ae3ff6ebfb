"""JSON -> documents, strictly: the published JSON Schema first (all errors at once), then the models' own rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

import jsonschema
from pydantic import ValidationError

from builder.definition.keys import fill_keys
from builder.definition.kinds import APP, BY_NAME, Definition, Kind, assemble
from builder.definition.schema import document_schema
from builder.fields.base import Model, OptionInvalid
from builder.kernel.limits import APP_KEY_LENGTH, KEY_LENGTH, VIOLATIONS_SHOWN
from builder.kernel.problems import Problem, Violation, escape_pointer, nearest_hint
from builder.kernel.text import Text, errors_found, say

JSON = Any
M = TypeVar("M", bound=Model)


class DocumentInvalid(Exception):
    """A document that is not one; carries every reason."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)[:VIOLATIONS_SHOWN]
        super().__init__("; ".join(f"{v.pointer}: {v.message.en}" for v in self.violations[:3]))

    def problem(self, code: str = "definition.invalid") -> Problem:
        """Return this as a problem."""
        count = len(self.violations)
        return Problem(code, errors_found(count, "定义", "The definition has"), violations=self.violations)


def parse_document(kind: Kind[M], document: JSON) -> M:
    """Parse one document. Missing keys are made from labels (pinyin).

    Raises:
        DocumentInvalid: with every violation and its JSON pointer.
    """
    document = fill_keys(document, length=APP_KEY_LENGTH if kind is APP else KEY_LENGTH)
    found = list(_schema_violations(kind, document))
    if found:
        raise DocumentInvalid(sorted(found, key=lambda violation: violation.pointer))
    return _read_document(kind, document)


def _read_document(kind: Kind[M], document: JSON) -> M:
    try:
        # types were checked by the schema; pydantic's own JSON reader would put numbers through a binary float
        return kind.model.model_validate(document, strict=False)
    except ValidationError as error:
        raise DocumentInvalid([_from_pydantic(item) for item in _causes(error)]) from None


def parse_definition(package: JSON) -> Definition:
    """Parse a whole app from its one-JSON form ``{"app": {…}, "entities": […]}``.

    Raises:
        DocumentInvalid: pointers start at the package.
    """
    if not isinstance(package, dict):
        raise DocumentInvalid([Violation("type", "", say("应用包应是 JSON 对象", "An app package is a JSON object"))])
    violations = [_unknown_member(name, BY_NAME) for name in package if name not in BY_NAME]
    documents: list[Model] = []
    for kind in BY_NAME.values():
        for pointer, document in _documents_of(kind, package, violations):
            try:
                documents.append(parse_document(kind, document))
            except DocumentInvalid as invalid:
                violations += [Violation(v.code, pointer + v.pointer, v.message, v.params) for v in invalid.violations]
    if violations:
        raise DocumentInvalid(violations)
    return assemble(documents)


def read_definition(package: JSON) -> Definition:
    """Read a package that was parsed and written by us, as versions are: the schema has nothing to find there, and costs a second at a start.

    Raises:
        DocumentInvalid: the code's models have changed since; without places.
    """
    found = ((kind, package.get(name)) for name, kind in BY_NAME.items())
    return assemble(
        _read_document(kind, document)
        for kind, documents in found
        if documents is not None
        for document in ([documents] if kind.single else documents)
    )


def _documents_of(kind: Kind[Any], package: dict[str, JSON], violations: list[Violation]) -> Iterator[tuple[str, JSON]]:
    if kind.single:
        if kind.name in package:
            yield f"/{kind.name}", package[kind.name]
        else:
            violations.append(
                Violation("required", f"/{kind.name}", say(f"缺少 {kind.name}", f"{kind.name} is missing"))
            )
        return
    listed = package.get(kind.name, [])
    if not isinstance(listed, list):
        violations.append(Violation("type", f"/{kind.name}", say("应是列表", "Expected a list")))
        return
    yield from ((f"/{kind.name}/{index}", document) for index, document in enumerate(listed))


def _one_of(validator: Any, options: list[JSON], instance: JSON, schema: Mapping[str, JSON]) -> Iterator[Any]:
    """Look only into the branch that a tag names: twenty times faster than trying all, and its errors are the ones that help."""
    mapping = schema.get("discriminator", {}).get("mapping")
    if mapping is None:
        yield from _any_of(validator, options, instance, schema)
        return
    tag = instance.get("type") if isinstance(instance, dict) else None
    if not isinstance(tag, str) or tag not in mapping:
        yield jsonschema.ValidationError("no branch has this tag")
        return
    yield from validator.descend(instance, {"$ref": mapping[tag]})


def _pattern(validator: Any, pattern: str, instance: JSON, schema: Mapping[str, JSON]) -> Iterator[Any]:
    """Match as JSON Schema means it: Python's ``$`` would let a line break pass at the end."""
    exact = pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(instance, str) and re.search(exact, instance) is None:
        yield jsonschema.ValidationError("does not match")


_any_of = jsonschema.Draft202012Validator.VALIDATORS["oneOf"]
_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"oneOf": _one_of, "pattern": _pattern})  # type: ignore[no-untyped-call]


@cache
def _validator(name: str) -> Any:
    return _Validator(document_schema(BY_NAME[name]))


def _schema_violations(kind: Kind[M], document: JSON) -> Iterator[Violation]:
    for error in _validator(kind.name).iter_errors(document):
        yield from _explain(error)


def _explain(error: jsonschema.ValidationError) -> Iterator[Violation]:
    """Turn a validator's error into violations; of a union only the branch that was meant speaks."""
    pointer = "".join(f"/{escape_pointer(part)}" for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known: Mapping[str, JSON] = _schema_of(error).get("properties", {})
        for name in sorted(set(cast("Mapping[str, JSON]", error.instance)) - set(known)):
            yield _unknown_member(name, known, pointer)
    elif error.validator == "required":
        missing = error.message.split("'")[1]  # the library reports each missing member in a message of its own
        yield Violation("required", f"{pointer}/{missing}", say(f"缺少“{missing}”", f'"{missing}" is missing'))
    elif error.validator in ("oneOf", "anyOf"):
        yield from _explain_union(error, pointer)
    else:
        yield Violation(str(error.validator), pointer, _sentence(error))


def _explain_union(error: jsonschema.ValidationError, pointer: str) -> Iterator[Violation]:
    mapping = _schema_of(error).get("discriminator", {}).get("mapping")
    if mapping:
        yield _explain_tag(error, pointer, mapping)
        return
    branches: dict[int, list[jsonschema.ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(int(inner.schema_path[0]), []).append(inner)
    # the branch whose JSON type fits was meant; without one, the types are what is wrong
    fitting = [found for found in branches.values() if not any(e.validator == "type" and not e.path for e in found)]
    if fitting:
        for inner in fitting[0]:
            yield from _explain(inner)
    else:
        yield Violation("type", pointer, _sentence(error))


def _schema_of(error: jsonschema.ValidationError) -> Mapping[str, JSON]:
    return error.schema if isinstance(error.schema, Mapping) else {}


def _explain_tag(error: jsonschema.ValidationError, pointer: str, mapping: Mapping[str, str]) -> Violation:
    if not isinstance(error.instance, dict):
        return Violation("type", pointer, say("应是对象", "Expected an object"))
    tag = error.instance.get("type")
    if tag is None:
        return Violation("required", f"{pointer}/type", say("缺少“type”", '"type" is missing'))
    if not isinstance(tag, str):
        return Violation("type", f"{pointer}/type", say("应是文本", "Expected text"))
    hint = nearest_hint(tag, mapping)
    return Violation(
        "unknown", f"{pointer}/type", say(f"没有类型“{tag}”{hint.zh}", f'There is no type "{tag}"{hint.en}')
    )


def _unknown_member(name: str, known: Any, pointer: str = "") -> Violation:
    hint = nearest_hint(name, known)
    message = say(f"没有名为“{name}”的成员{hint.zh}", f'There is no member "{name}"{hint.en}')
    return Violation("unknown", f"{pointer}/{escape_pointer(name)}", message, {"name": name})


_TYPE_NAMES = {
    "string": say("文本", "text"),
    "integer": say("整数", "an integer"),
    "number": say("数字", "a number"),
    "boolean": say("true 或 false", "true or false"),
    "array": say("列表", "a list"),
    "object": say("对象", "an object"),
    "null": say("null", "null"),
}


def _sentence(error: jsonschema.ValidationError) -> Text:
    """Say in both languages what a schema keyword asks for."""
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            names = [_TYPE_NAMES[name] for name in ([wanted] if isinstance(wanted, str) else wanted)]
            return say("应是" + "或".join(n.zh for n in names), "Expected " + " or ".join(n.en for n in names))
        case "anyOf" | "oneOf":
            return say("类型不符", "This has none of the types allowed here")
        case "enum" | "const":
            listed = ", ".join(str(item) for item in (wanted if isinstance(wanted, list) else [wanted]))
            return say(f"应是其中之一:{listed}", f"Expected one of: {listed}")
        case "pattern":
            return say(f"格式不符:{wanted}", f"Does not match {wanted}")
        case "minLength" | "minItems" | "minimum":
            return say(f"太短或太小,至少 {wanted}", f"Too short or small, at least {wanted}")
        case "maxLength" | "maxItems" | "maximum":
            return say(f"太长或太大,最多 {wanted}", f"Too long or large, at most {wanted}")
        case _:
            return say(f"不符合规则 {error.validator}", f"Breaks the rule {error.validator}")


def _causes(error: ValidationError) -> list[Any]:
    """Return the errors without those that only follow from one inside (a list without its wrong item is too short)."""
    found = error.errors(include_url=False)

    def follows(item: Any) -> bool:
        place = item["loc"]
        return item["type"] == "too_short" and any(
            len(o["loc"]) > len(place) and o["loc"][: len(place)] == place for o in found
        )

    return [item for item in found if not follows(item)]


def _from_pydantic(item: Any) -> Violation:
    # a union's tag stands in the location but not in the document
    parts = [part for index, part in enumerate(item["loc"]) if not _is_tag(item["loc"], index)]
    pointer = "".join(f"/{escape_pointer(part)}" for part in parts)
    error = item.get("ctx", {}).get("error")
    if isinstance(error, OptionInvalid):
        return Violation("options", pointer, error.message)
    return Violation(str(item["type"]), pointer, say("取值不符合规则", f"Breaks a rule: {item['msg']}"))


_TAGGED_LISTS = (
    "fields",
    "actions",
    "on_enter",
    "on_leave",
    "on_approved",
    "on_rejected",
    "on_returned",
    "on_withdrawn",
    "guards",
    "entry",
    "exit",
    "holds",
)
"""Members that are lists of tagged models."""
_TAGGED = ("trigger", "picker")
"""Members that are tagged models."""


def _is_tag(location: Sequence[Any], index: int) -> bool:
    listed = index >= 2 and isinstance(location[index - 1], int) and location[index - 2] in _TAGGED_LISTS
    return listed or (index >= 1 and location[index - 1] in _TAGGED)
