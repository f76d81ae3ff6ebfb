"""What the writers of clients need to know of an OpenAPI document of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

JSON = Any
Schema = Mapping[str, JSON]

_LIST = "list"


class EntityNames(NamedTuple):
    """An entity: its key in addresses and the name of its schemas."""

    key: str
    name: str


def entities_of(document: Schema) -> list[EntityNames]:
    """Return the entities that a document describes."""
    found = []
    for path, operations in document["paths"].items():
        parts = path.split("/")
        if len(parts) == 5 and parts[3] == "records":  # /api/{app}/records/{entity}
            found.append(EntityNames(parts[4], operations["get"]["operationId"].removeprefix(_LIST)))
    return found


def base_of(document: Schema) -> str:
    """Return the address below which the app's routes stand: ``/api/{app}``."""
    return "/".join(next(iter(document["paths"])).split("/")[:3])


def schemas_of(document: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the schemas by name."""
    yield from document["components"]["schemas"].items()


def reference_of(schema: Schema) -> str | None:
    """Return the name that a schema refers to."""
    reference: str | None = schema.get("$ref")
    return None if reference is None else reference.rpartition("/")[2]
