"""The kinds of documents an app consists of. A new kind is one model file and one line here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar, cast

from builder.definition.app import App
from builder.definition.approval import Approval
from builder.definition.assignment import Assignment
from builder.definition.automation import Automation
from builder.definition.calendar import Calendar
from builder.definition.entity import Entity
from builder.definition.form import Form
from builder.definition.links import link_entities, with_links
from builder.definition.lock import Lock
from builder.definition.pipeline import Pipeline
from builder.definition.reminder import Reminder
from builder.definition.role import Role
from builder.definition.scenarios import Scenario
from builder.definition.view import View
from builder.fields.base import Model, label_text
from builder.kernel.canonical import as_json, content_hash
from builder.kernel.text import Text, say

JSON = Any
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Kind(Generic[M]):
    """A kind of document: ``name`` is its folder in a package and its part of a route.

    A new kind is its model and one line here; keys, references, formulas, renames, packages and the JSON Schema follow from the
    marks of its members (``builder/fields/base.py``).
    """

    name: str
    model: type[M]
    title: Text
    single: bool = False
    """True: the app has exactly one, in ``{name}.json``."""


APP = Kind("app", App, say("应用", "App"), single=True)
ENTITIES = Kind("entities", Entity, say("实体", "Entity"))
VIEWS = Kind("views", View, say("视图", "View"))
AUTOMATIONS = Kind("automations", Automation, say("自动化", "Automation"))
ASSIGNMENTS = Kind("assignments", Assignment, say("分配规则", "Assignment rule"))
CALENDARS = Kind("calendars", Calendar, say("日历", "Calendar"))
PIPELINES = Kind("pipelines", Pipeline, say("流程", "Pipeline"))
APPROVALS = Kind("approvals", Approval, say("审批", "Approval"))
REMINDERS = Kind("reminders", Reminder, say("提醒", "Reminder"))
SCENARIOS = Kind("scenarios", Scenario, say("场景", "Scenario"))
ROLES = Kind("roles", Role, say("角色", "Role"))
LOCKS = Kind("locks", Lock, say("锁定", "Lock"))
FORMS = Kind("forms", Form, say("公开表单", "Public form"))
KINDS: tuple[Kind[Any], ...] = (
    APP,
    ENTITIES,
    VIEWS,
    CALENDARS,
    PIPELINES,
    APPROVALS,
    REMINDERS,
    ROLES,
    LOCKS,
    FORMS,
    SCENARIOS,
    AUTOMATIONS,
    ASSIGNMENTS,
)
BY_NAME: Mapping[str, Kind[Any]] = {kind.name: kind for kind in KINDS}


class DocumentId(NamedTuple):
    """Which document of an app."""

    kind: str
    key: str


@dataclass(frozen=True)
class Definition:
    """All documents of an app, parsed: one immutable value."""

    app: App
    parts: Mapping[str, tuple[Model, ...]] = field(default_factory=dict)
    """Name of a kind -> its documents in the order of their keys; kinds without documents are left out."""

    def of(self, kind: Kind[M]) -> tuple[M, ...]:
        """Return the documents of a kind, in the order of their keys."""
        return cast(tuple[M, ...], self.parts.get(kind.name, ()))

    def find(self, kind: Kind[M], key: str) -> M | None:
        """Return a document by key."""
        return next((document for document in self.of(kind) if key_of(document) == key), None)

    @property
    def entities(self) -> tuple[Entity, ...]:
        """Its entities."""
        return self.of(ENTITIES)

    @cached_property
    def tables(self) -> tuple[Entity, ...]:
        """Its entities, and those of links: everything that has a table."""
        return (*self.entities, *link_entities(self.entities))

    @property
    def views(self) -> tuple[View, ...]:
        """Its views."""
        return self.of(VIEWS)

    @property
    def key(self) -> str:
        """The app's key."""
        return self.app.key

    def documents(self) -> Iterator[tuple[DocumentId, Model]]:
        """Yield every document, in the order of kinds, then of keys."""
        yield DocumentId(APP.name, self.app.key), self.app
        for name, documents in self.parts.items():
            for document in documents:
                yield DocumentId(name, key_of(document)), document

    def find_entity(self, key: str) -> Entity | None:
        """Return an entity by key."""
        return self.find(ENTITIES, key)

    def find_view(self, key: str) -> View | None:
        """Return a view by key."""
        return self.find(VIEWS, key)

    def hash(self) -> str:
        """Return the hash of the definition's canonical form."""
        return content_hash(dump_definition(self))


def key_of(document: Model) -> str:
    """Return a document's key: every kind has one."""
    return str(cast(Any, document).key)


def names_of(documents: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, label) of documents, for each language: people who write a label are told the key."""
    for document in documents:
        yield from ((key_of(document), words) for words in label_text(document.label))


def assemble(documents: Iterable[Model]) -> Definition:
    """Put parsed documents together, kinds in the order of ``KINDS``, keys in theirs, so that equal apps are equal values."""
    given = list(documents)
    parts = {
        kind.name: tuple(sorted((d for d in given if type(d) is kind.model), key=key_of))
        for kind in KINDS
        if not kind.single
    }
    if ENTITIES.name in parts:
        parts[ENTITIES.name] = with_links(cast(tuple[Entity, ...], parts[ENTITIES.name]))
    app = next(document for document in given if isinstance(document, App))
    return Definition(app, {name: listed for name, listed in parts.items() if listed})


def dump_document(document: Model) -> dict[str, JSON]:
    """Write a document or a part of one as JSON: members in the order of the model, defaults left out, but never key, type and label."""
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
    """Write an app as one JSON value: ``{"app": {…}, "entities": [{…}], "views": [{…}]}``; kinds without documents are left out, entities never."""
    written: dict[str, JSON] = {APP.name: dump_document(definition.app), ENTITIES.name: []}
    for name, documents in definition.parts.items():
        written[name] = [dump_document(document) for document in documents]
    return written
