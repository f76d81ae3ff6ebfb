"""What of a record is shown: its fields, and records it points to, as one immutable tree (a part of the statement's cache key)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.base import Field
from builder.fields.children import ChildrenField
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.parts.many import ManyField
from builder.fields.reference import ReferenceField
from builder.kernel.limits import EXPAND_DEPTH, QUERY_RELATIONS
from builder.kernel.problems import Problem, Violation, key_hint
from builder.kernel.text import say
from formulas.tree import Tree
from runtime.access.gate import FieldMap
from runtime.query.conditions import SortKey
from runtime.query.problems import shown, too_many_relations

_HINTS = 20
_LINK = "@"  # before an attribute of a link, among the fields of the record at its end
#: ``fields=*,_errors`` shows beside a record which of its computed values are errors: ``{"ratio": "DIV0"}``.
ERRORS = "_errors"

#: What is shown of a user, department or file that a field points to.
PLATFORM_COLUMNS: dict[str, tuple[str, ...]] = {
    "user": ("id", "username", "name"),
    "department": ("id", "key", "name"),
    "file": ("id", "name", "media_type", "bytes", "width", "height"),
}


class RowsShape(NamedTuple):
    """Which records of a to-many relation are shown of each record, and in which order."""

    condition: Tree | None
    sort: tuple[SortKey, ...]
    limit: int


class Expansion(NamedTuple):
    """Relations to show as objects, with what is asked of their records."""

    grafts: tuple[tuple[str, str], ...] = ()
    """(path of a field or ``relation.*``, where it stands in the request)"""
    rows: Mapping[str, RowsShape] = MappingProxyType({})
    """By dotted path of the relation."""


class Selection(NamedTuple):
    """The members of an object: own fields in order, and which of them are shown as objects themselves."""

    entity: str
    """An entity's key, or ``@user`` / ``@department``."""
    fields: tuple[str, ...]
    expanded: tuple[tuple[str, Selection], ...] = ()
    rows: RowsShape | None = None
    lists: bool = False
    """Whether children are among them."""
    errors: bool = False
    """Whether it is said which computed values are errors."""
    attributes: tuple[str, ...] = ()
    """Of records at the end of links: what is shown of the links themselves."""

    def find_expanded(self, key: str) -> Selection | None:
        """Return how a field is shown if it is shown as an object."""
        return next((inner for name, inner in self.expanded if name == key), None)

    @property
    def has_lists(self) -> bool:
        """Whether lists of children are shown, so that a read may touch many rows."""
        return bool(self.lists) or any(inner.has_lists for _, inner in self.expanded)

    @property
    def relations(self) -> int:
        """How many relations are followed."""
        return len(self.expanded) + sum(inner.relations for _, inner in self.expanded)


IDS_ONLY = Selection("", ())
"""How records at the end of links are shown where nothing more is asked for: as their ids."""

_Tree = dict[str, "_Tree | None"]


def select(
    app: CompiledApp,
    entity: CompiledEntity,
    fields: tuple[str, ...],
    expand: tuple[str, ...],
    field_map: FieldMap,
    expansion: Expansion = Expansion(),  # noqa: B008 - immutable
) -> Selection:
    """Look names up and build the selection.

    ``fields=a,b.c`` shows exactly these (``b`` as an object); without ``fields``, or with ``*``, everything of the record but its children.
    ``expand=b`` shows all of ``b``. The id is always shown.

    Raises:
        Problem: ``request.unknown_name`` with all unknown names, ``query.invalid`` for paths that are too long or too many.
    """
    violations: list[Violation] = []
    tree: _Tree = {}
    for parameter, paths in (("fields", fields), ("expand", expand)):
        for index, path in enumerate(paths):
            _graft(app, entity, tree, path.split("."), f"/{parameter}/{index}", violations, whole=parameter == "expand")
    for path, pointer in expansion.grafts:
        _graft(app, entity, tree, path.split("."), pointer, violations, whole=False)
    if violations:
        unknown = any(violation.code == "unknown" for violation in violations)
        code = "request.unknown_name" if unknown else "query.invalid"
        raise Problem(code, say("查询中有误的名称", "The query names what is not there"), violations=violations)
    selection = _build(app, entity, tree, show_all=not fields, field_map=field_map, rows=expansion.rows, prefix="")
    if selection.relations > QUERY_RELATIONS:
        raise too_many_relations("/fields" if fields else "/expand")
    return selection


def _graft(
    app: CompiledApp,
    entity: CompiledEntity,
    tree: _Tree,
    path: list[str],
    pointer: str,
    violations: list[Violation],
    *,
    whole: bool,
) -> None:
    if len(path) > EXPAND_DEPTH + (0 if whole else 1):
        message = say(f"路径最多 {EXPAND_DEPTH} 层", f"A path goes at most {EXPAND_DEPTH} relations deep")
        violations.append(Violation("depth", pointer, message))
        return
    head, *rest = path
    if head in ("*", ERRORS) and not rest and not whole:
        tree[head] = None
        return
    field = entity.find_field(head)
    if field is None:
        _note_unknown(entity.key, head, entity.names(), pointer, violations)
        return
    if not rest and not whole:
        tree.setdefault(head, None)
        return
    target = _target(field)
    if target is None:
        message = say(f"字段“{head}”不是关联,不能展开", f'The field "{head}" is no relation')
        violations.append(Violation("relation", pointer, message, {"name": head}))
        return
    inner = tree.get(head)
    if inner is None:
        inner = tree[head] = {}
    if target.startswith("@"):
        name = ".".join(rest) or "*"
        if name != "*" and name not in PLATFORM_COLUMNS[target[1:]]:
            _note_unknown(target[1:], name, ((key, key) for key in PLATFORM_COLUMNS[target[1:]]), pointer, violations)
        inner[name] = None
    elif not rest:
        inner.update({key: inner.get(key) for key in ("*", *inner)})
    elif len(rest) == 1 and not whole and rest[0] in attributes_of(app, field):
        inner[_LINK + rest[0]] = None
    else:
        _graft(app, app.entities[target], inner, rest, pointer, violations, whole=whole)
        if whole:
            inner.setdefault("*", None)


def _note_unknown(
    owner: str, name: str, known: Iterable[tuple[str, str]], pointer: str, violations: list[Violation]
) -> None:
    name = shown(name)
    hint = key_hint(name, known) if len(violations) < _HINTS else say("", "")
    message = say(f"“{owner}”没有字段“{name}”{hint.zh}", f'"{owner}" has no field "{name}"{hint.en}')
    violations.append(Violation("unknown", pointer, message, {"name": name}))


def attributes_of(app: CompiledApp, field: Field) -> tuple[str, ...]:
    """Return what links of a field tell, from either side."""
    if not isinstance(field, ManyField) or not field.through:
        return ()
    return tuple(key for key in app.entities[field.rows].fields if key[:1] != "_")


def _target(field: Field) -> str | None:
    if isinstance(field, ReferenceField | ManyField) and field.key != "id":
        return field.entity
    kind = field.refers_to or field.lists
    return f"@{kind}" if kind else None


def _build(
    app: CompiledApp,
    entity: CompiledEntity,
    tree: _Tree,
    *,
    show_all: bool,
    field_map: FieldMap,
    rows: Mapping[str, RowsShape],
    prefix: str,
) -> Selection:
    everything = show_all or "*" in tree
    every_key = ["id", *(k for k in entity.system if k != "id"), *entity.fields]
    keys = [
        key
        for key in every_key
        if key in tree or key == "id" or (everything and not isinstance(entity.find_field(key), ChildrenField))
    ]
    expanded: list[tuple[str, Selection]] = []
    for key in keys:
        field = entity.find_field(key)
        assert field is not None
        field_map.add(entity.key, key, "select")
        inner = tree.get(key)
        target = _target(field)
        if isinstance(field, ChildrenField) and inner is None:
            inner = {"*": None}
        if isinstance(field, MultiReferenceField) and inner is None:
            field_map.add(field.rows, "_target", "select")
        if inner is None or target is None:
            continue
        field_map.add(entity.key, key, "expand")
        if target.startswith("@"):
            columns = PLATFORM_COLUMNS[target[1:]]
            names = tuple(c for c in columns if c in inner or c == "id" or "*" in inner)
            expanded.append((key, Selection(target, names)))
        else:
            path = f"{prefix}{key}"
            part = _build(
                app, app.entities[target], inner, show_all=False, field_map=field_map, rows=rows, prefix=f"{path}."
            )
            told = tuple(a for a in attributes_of(app, field) if "*" in inner or _LINK + a in inner)
            for attribute in told:
                field_map.add(field.rows if isinstance(field, ManyField) else "", attribute, "select")
            expanded.append((key, part._replace(rows=rows.get(path), attributes=told)))
    lists = any(isinstance(entity.find_field(key), ManyField) for key in keys)
    if ERRORS in tree:
        for key in entity.fields:
            field_map.add(entity.key, key, "select")
    return Selection(entity.key, tuple(keys), tuple(expanded), lists=lists, errors=ERRORS in tree)
