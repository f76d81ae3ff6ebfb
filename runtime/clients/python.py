"""A client in Python: the app's records as TypedDicts, and a class that speaks to the API with httpx."""

from __future__ import annotations

import keyword
from pathlib import Path
from typing import Any

from runtime.clients.shapes import Schema, base_of, entities_of, reference_of, schemas_of

_RUNTIME = Path(__file__).parent / "client.py.txt"
_PLAIN = {"string": "str", "integer": "int", "boolean": "bool", "null": "None"}
_READ, _GIVEN = "Decimal | int", "Decimal | float"
"""Numbers: what an answer holds is exact; whoever writes may give what they have."""


def write_python(document: Schema) -> str:
    """Return the text of a module that needs nothing but httpx."""
    info = document["info"]
    title = " ".join(str(info["title"]).split())
    types = [_declared(name, schema) for name, schema in schemas_of(document)]
    members = []
    for key, name in entities_of(document):
        members.append(
            f'        self.{_attribute(key)}: Records[{name}, {name}Create, {name}Update] = Records(self, "{key}")'
        )
    return "\n".join(
        [
            f"# {title}, version {info['version']}. Written by `dougong client`: write it again rather than change it.",
            _RUNTIME.read_text(encoding="utf-8"),
            *types,
            "",
            "",
            "class Client(Connection):",
            '    """The app, an attribute per entity."""',
            "",
            "    def __init__(self, origin: str, token: str, **options: Any) -> None:",
            f"        super().__init__(origin, {base_of(document)!r}, token, **options)",
            *members,
            "",
        ]
    )


def _attribute(key: str) -> str:
    """Return a name that is no word of the language and none of the connection's own."""
    return f"{key}_" if keyword.iskeyword(key) or key in ("send", "events", "http", "close") else key


def _declared(name: str, schema: Schema) -> str:
    if schema.get("type") != "object" or not schema.get("properties") or schema.get("patternProperties"):
        # filters may hold any path over relations as a key: no TypedDict can say that
        return f"{name}: TypeAlias = {'dict[str, Any]' if schema.get('type') == 'object' else repr(_type(schema))}"
    required = set(schema.get("required", ()))
    number = _GIVEN if name.endswith(("Create", "Update")) else _READ
    members = []
    for key, value in schema["properties"].items():
        kind = _type(value, number)
        members.append(f"    {key!r}: {(kind if key in required else f'NotRequired[{kind}]')!r},")
    return "\n".join([f'{name} = TypedDict("{name}", {{', *members, "})"])


def _type(schema: Schema, number: str = _READ) -> str:
    name = reference_of(schema)
    if name is not None:
        return name
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(part, number) for part in schema["anyOf"]))
    kind: Any = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_type({**schema, "type": each}, number) for each in kind)
    if kind == "array":
        return f"list[{_type(schema.get('items', {}), number)}]"
    if kind == "object":
        return "dict[str, Any]"
    return number if kind == "number" else _PLAIN.get(str(kind), "Any")
