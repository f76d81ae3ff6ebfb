"""A client in TypeScript: types of the app's records and filters, and a class that speaks to the API with ``fetch``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from builder.kernel.canonical import dump_json
from runtime.clients.shapes import Schema, base_of, entities_of, reference_of, schemas_of

_RUNTIME = Path(__file__).parent / "client.ts.txt"
_PLAIN = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}


def write_typescript(document: Schema) -> str:
    """Return the text of a module that stands alone."""
    types = [f"export type {name} = {_type(schema)};" for name, schema in schemas_of(document)]
    members, makers = [], []
    for key, name in entities_of(document):
        forms = f"{name}, {name}Create, {name}Update, {name}Filter"
        members.append(f"  readonly {key}: Records<{forms}>;")
        makers.append(f'    this.{key} = new Records(this, "{key}");')
    info = document["info"]
    return "\n".join(
        [
            f"// {_one_line(info['title'])}, version {info['version']}. Written by `dougong client`: write it again rather than change it.",
            "",
            *types,
            "",
            _RUNTIME.read_text(encoding="utf-8"),
            "export class Client extends Connection {",
            *members,
            "",
            "  constructor(options: Options = {}) {",
            f"    super({_literal(base_of(document))}, options);",
            *makers,
            "  }",
            "}",
            "",
        ]
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _literal(value: Any) -> str:
    return dump_json(value).decode()


def _type(schema: Schema) -> str:
    name = reference_of(schema)
    if name is not None:
        return name
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return " | ".join(_literal(value) for value in schema["enum"])
    for word, sign in (("anyOf", " | "), ("allOf", " & ")):
        if word in schema:
            return sign.join(dict.fromkeys(_in_brackets(_type(part)) for part in schema[word]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_in_brackets(_type({**schema, "type": each})) for each in kind)
    if kind == "array":
        return f"{_in_brackets(_type(schema.get('items', {})))}[]"
    if kind == "object":
        return _object(schema)
    return _PLAIN.get(str(kind), "unknown")


def _in_brackets(text: str) -> str:
    return f"({text})" if " | " in text or " & " in text else text


def _object(schema: Schema) -> str:
    required = set(schema.get("required", ()))
    lines = []
    for key, value in schema.get("properties", {}).items():
        words = value.get("title") or value.get("description")
        comment = f"/** {_one_line(words).replace('*/', '* /')} */ " if words else ""
        lines.append(f"  {comment}{_literal(key)}{'' if key in required else '?'}: {_type(value)};")
    if schema.get("patternProperties"):
        lines.append("  [path: `${string}.${string}`]: unknown;")
    rest = schema.get("additionalProperties")
    if not lines:
        return f"{{ [key: string]: {_type(rest) if isinstance(rest, dict) else 'unknown'} }}"
    return "{\n" + "\n".join(lines) + "\n}"
