"""What is wrong with a document by the published JSON Schema, in sentences. Reading what was checked before does without this."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

import jsonschema

from builder.definition.kinds import BY_NAME, Kind
from builder.definition.parse import unknown_member
from builder.definition.pattern_words import pattern_words
from builder.definition.schema import document_schema
from builder.kernel.problems import Violation, escape_pointer, nearest_hint
from builder.kernel.text import Text, say
from formulas.errors import did_you_mean

JSON = Any


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


def schema_violations(kind: Kind[Any], document: JSON) -> Iterator[Violation]:
    """Return what a document breaks of the published schema of its kind, each with its JSON pointer."""
    for error in _validator(kind.name).iter_errors(document):
        yield from _explain(error)


def _explain(error: jsonschema.ValidationError) -> Iterator[Violation]:
    """Turn a validator's error into violations; of a union only the branch that was meant speaks."""
    pointer = "".join(f"/{escape_pointer(part)}" for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known: Mapping[str, JSON] = _schema_of(error).get("properties", {})
        for name in sorted(set(cast("Mapping[str, JSON]", error.instance)) - set(known)):
            yield unknown_member(name, known, pointer)
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
    hint = _type_hint(tag, mapping)
    return Violation(
        "unknown", f"{pointer}/type", say(f"没有类型“{tag}”{hint.zh}", f'There is no type "{tag}"{hint.en}')
    )


_OTHER_NAMES: Mapping[str, str] = {
    "string": "text",
    "textarea": "long_text",
    "number": "decimal",
    "float": "decimal",
    "int": "integer",
    "bool": "boolean",
    "checkbox": "boolean",
    "timestamp": "datetime",
    "enum": "select",
    "choice": "select",
    "link": "reference",
    "relation": "reference",
    "attachment": "file",
    "picture": "image",
    "photo": "image",
    "location": "geo_point",
    "person": "user",
    "member": "user",
    "create": "created",
    "insert": "created",
    "update": "changed",
    "updated": "changed",
    "delete": "deleted",
    "cron": "schedule",
    "update_record": "set_fields",
    "mail": "notify",
    "send_mail": "notify",
    "send_message": "notify",
    "expression": "formula",
}
"""What other products call types of ours."""


def _type_hint(tag: str, known: Mapping[str, str]) -> Text:
    """Offer the type that was meant, or all there are."""
    ours = _OTHER_NAMES.get(tag.casefold())
    if ours in known:
        return Text(*did_you_mean(ours))
    hint = nearest_hint(tag, known)
    return hint if hint.zh else say(f";可用:{'、'.join(known)}", f"; there are {', '.join(known)}")


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
            needed = _schema_of(error).get("required", []) if wanted == "object" else []
            members = ", ".join(f'"{name}": …' for name in needed)
            example = say(f",如 {{{members}}}", f" such as {{{members}}}") if needed else say("", "")
            zh, en = "或".join(n.zh for n in names), " or ".join(n.en for n in names)
            return say(f"应是{zh}{example.zh}", f"Expected {en}{example.en}")
        case "anyOf" | "oneOf":
            types = [
                name for name in _TYPE_NAMES if any(inner.validator_value == name for inner in error.context or ())
            ]
            named = [_TYPE_NAMES[name] for name in types if name != "null"]
            if not named:
                return say("类型不符", "This has none of the types allowed here")
            return say("应是" + "或".join(n.zh for n in named), "Expected " + " or ".join(n.en for n in named))
        case "enum" | "const":
            listed = ", ".join(str(item) for item in (wanted if isinstance(wanted, list) else [wanted]))
            return say(f"应是其中之一:{listed}", f"Expected one of: {listed}")
        case "pattern":
            return pattern_words(str(wanted))
        case "minLength" | "minItems" | "minimum":
            return say(f"太短或太小,至少 {wanted}", f"Too short or small, at least {wanted}")
        case "maxLength" | "maxItems" | "maximum":
            return say(f"太长或太大,最多 {wanted}", f"Too long or large, at most {wanted}")
        case _:
            return say(f"不符合规则 {error.validator}", f"Breaks the rule {error.validator}")
