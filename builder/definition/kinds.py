"""The kinds of documents an app consists of. A new kind is one model file and one line here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from builder.definition.app import App
from builder.definition.entity import Entity
from builder.definition.view import View
from builder.fields.base import Model
from builder.kernel.canonical import as_json, content_hash
from builder.kernel.text import Text, say

JSON = Any


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document: ``name`` is its folder in a package and its part of a route."""

    name: str
    model: type[Model]
    title: Text
    single: bool = False
    """True: the app has exactly one, in ``{name}.json``."""


APP = Kind("app", App, say("应用", "App"), single=True)
ENTITIES = Kind("entities", Entity, say("实体", "Entity"))
VIEWS = Kind("views", View, say("视图", "View"))
KINDS: tuple[Kind, ...] = (APP, ENTITIES, VIEWS)
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}


class DocumentId(NamedTuple):
    """Which document of an app."""

    kind: str
    key: str


@dataclass(frozen=True)
class Definition:
    """All documents of an app, parsed: one immutable value."""

    app: App
    entities: tuple[Entity, ...]
    views: tuple[View, ...] = ()

    @property
    def key(self) -> str:
        """The app's key."""
        return self.app.key

    def documents(self) -> Iterator[tuple[DocumentId, Model]]:
        """Yield every document, in the order of kinds, then of keys."""
        yield DocumentId(APP.name, self.app.key), self.app
        for entity in self.entities:
            yield DocumentId(ENTITIES.name, entity.key), entity
        for view in self.views:
            yield DocumentId(VIEWS.name, view.key), view

    def find_entity(self, key: str) -> Entity | None:
        """Return an entity by key."""
        return next((entity for entity in self.entities if entity.key == key), None)

    def find_view(self, key: str) -> View | None:
        """Return a view by key."""
        return next((view for view in self.views if view.key == key), None)

    def hash(self) -> str:
        """Return the hash of the definition's canonical form."""
        return content_hash(dump_definition(self))


def assemble(documents: Iterable[Model]) -> Definition:
    """Put parsed documents together; entities and views come in the order of their keys, so that equal apps are equal values."""
    apps: list[App] = []
    entities: list[Entity] = []
    views: list[View] = []
    for document in documents:
        if isinstance(document, App):
            apps.append(document)
        elif isinstance(document, Entity):
            entities.append(document)
        elif isinstance(document, View):
            views.append(document)
    return Definition(
        apps[0],
        tuple(sorted(entities, key=lambda entity: entity.key)),
        tuple(sorted(views, key=lambda view: view.key)),
    )


def dump_document(document: Model) -> dict[str, JSON]:
    """Write a document as JSON: members in the order of the model, defaults left out, but never key, type and label."""
    full: dict[str, JSON] = as_json(document.model_dump(exclude_none=True))
    short: dict[str, JSON] = as_json(document.model_dump(exclude_defaults=True))
    dumped: dict[str, JSON] = _with_types(full, short)
    return dumped


def _with_types(full: JSON, short: JSON) -> JSON:
    if isinstance(short, dict):
        kept = {name: _with_types(full[name], value) for name, value in short.items() if name in full}
        if isinstance(full.get("type"), str) and "type" not in kept:
            # a discriminator equals its default, but nothing reads without it
            kept = {**{name: kept[name] for name in ("key",) if name in kept}, "type": full["type"], **kept}
        return kept
    if isinstance(short, list) and isinstance(full, list) and len(short) == len(full):
        return [_with_types(a, b) for a, b in zip(full, short, strict=True)]
    return short


def dump_definition(definition: Definition) -> dict[str, JSON]:
    """Write an app as one JSON value: ``{"app": {…}, "entities": [{…}], "views": [{…}]}``; without views there is no ``views``."""
    written: dict[str, JSON] = {
        APP.name: dump_document(definition.app),
        ENTITIES.name: [dump_document(entity) for entity in definition.entities],
    }
    if definition.views:
        written[VIEWS.name] = [dump_document(view) for view in definition.views]
    return written
