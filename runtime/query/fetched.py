"""Values of single trees as statements bring them, back in canonical form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import kept_type, shape_of
from builder.fields.text import TextField
from builder.store.types import Document, StoredType
from formulas.sql import Dialect
from formulas.tree import Path, Tree

_ANY = TextField.of(key="value", label="value")


def reader_of(app: CompiledApp, entity: CompiledEntity, tree: Tree, dialect: Dialect) -> Callable[[Any], Any]:
    """Return what turns a value that the statement brought (never None) into a canonical one."""
    kind = stored_type_of(app, entity, tree)
    as_text = dialect == "sqlite" or isinstance(kind, Document)  # the driver of records gives JSON as it stands
    return kind.read_sqlite if as_text else kind.read_postgresql


def stored_type_of(app: CompiledApp, entity: CompiledEntity, tree: Tree) -> StoredType:
    """Return how the value of a tree comes from the database."""
    if isinstance(tree, Path):
        owner = entity
        *relations, last = tree.steps
        for step in relations:
            info = app.find_field(owner.key, step)
            assert info is not None
            owner = app.entities[str(info.target_entity)]
        computed = app.computed.get((owner.key, last))
        field = computed.shape if computed is not None else owner.find_field(last)
        if field is not None and field.shows is not None:
            field = owner.system[field.shows]
    else:
        field = shape_of(kept_type(tree.type), _ANY)
    stored = field.column_type() if field is not None else None
    assert stored is not None
    return stored
