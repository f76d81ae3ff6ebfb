"""The published JSON Schema (Draft 2020-12) of documents and packages, made from the models."""

from __future__ import annotations

from functools import cache
from typing import Any

from builder.definition.kinds import KINDS, Kind

JSON = Any

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def document_schema(kind: Kind[Any]) -> dict[str, JSON]:
    """Return the schema of one kind of document."""
    schema: dict[str, JSON] = kind.model.model_json_schema(mode="validation")
    return {"$schema": _DIALECT, **schema}


def package_schema() -> dict[str, JSON]:
    """Return the schema of the one-JSON form of an app package, for editors."""
    definitions: dict[str, JSON] = {}
    members: dict[str, JSON] = {}
    for kind in KINDS:
        schema = dict(document_schema(kind))
        schema.pop("$schema")
        definitions.update(schema.pop("$defs", {}))
        definitions[kind.model.__name__] = schema
        reference = {"$ref": f"#/$defs/{kind.model.__name__}"}
        members[kind.name] = reference if kind.single else {"type": "array", "items": reference}
    return {
        "$schema": _DIALECT,
        "title": "Dougong app package",
        "type": "object",
        "properties": members,
        "required": [kind.name for kind in KINDS if kind.single],
        "additionalProperties": False,
        "$defs": definitions,
    }
