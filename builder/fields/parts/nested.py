"""Field documents of simple types inside the document of another field: parts of a composite, attributes of a link."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, ValidationError, WithJsonSchema

from builder.fields.base import KEY_PATTERN, Field, find_type, wrong_option

SIMPLE = (
    *("text", "long_text", "email", "phone", "url", "integer", "decimal", "money", "percent", "rating"),
    *("boolean", "date", "datetime", "time", "duration", "select", "barcode"),
)


def _read(document: Any, unused: tuple[str, ...]) -> Any:
    if not isinstance(document, dict):
        return document
    kind = find_type(str(document.get("type"))) if document.get("type") in SIMPLE else None
    if kind is None:
        known = ", ".join(SIMPLE)
        raise wrong_option(f"组成部分的类型只能是 {known}", f"a part has one of the types {known}")
    try:
        part = kind.model_validate(document, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join(str(step) for step in first["loc"])
        named = f"{document.get('key')!r}, {where}: {first['msg']}"
        raise wrong_option(f"组成部分 {named}", f"part {named}") from None
    wrong = next((name for name in unused if getattr(part, name) not in (None, False)), None)
    if wrong is not None:
        raise wrong_option(
            f"组成部分“{part.key}”不能设 {wrong}", f"part {part.key!r}: {wrong} has no meaning for a part"
        )
    return part


def _read_part(document: Any) -> Any:
    return _read(document, ("unique", "indexed", "default", "renamed_from"))


def _read_attribute(document: Any) -> Any:
    return _read(document, ("unique", "default_formula", "required_if", "visible_if"))


_SHAPE = WithJsonSchema(
    {
        "type": "object",
        "properties": {
            "key": {"type": "string", "pattern": KEY_PATTERN},
            "type": {"type": "string", "enum": list(SIMPLE)},
            "label": {"anyOf": [{"type": "string"}, {"type": "object"}]},
        },
        "required": ["key", "type", "label"],
        "description": "A field document of a simple type, with that type's own options.",
    }
)

Part = Annotated[SerializeAsAny[Field], BeforeValidator(_read_part), _SHAPE]
"""A value inside another value: nothing keeps it apart."""
Attribute = Annotated[SerializeAsAny[Field], BeforeValidator(_read_attribute), _SHAPE]
"""A column of a link: it may have a default and an index."""
