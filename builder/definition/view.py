"""``views/*.json``: a list that the app offers: which records of an entity, in which order, with which columns."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StringConstraints

from builder.fields.base import BothLanguages, Formula, Key, Label, Model, Option, Refers
from builder.kernel.limits import FIELD_PATHS, PAGE_RECORDS, SORT_KEYS

FieldPath = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){0,5}$", max_length=250)]
SortPath = Annotated[str, StringConstraints(pattern=r"^-?[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){0,5}$", max_length=250)]
FilterText = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]


class View(Model):
    """A saved list of an entity's records, for everybody who may read them."""

    key: Key
    label: Label
    entity: Annotated[Key, Refers("entity")]
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    filter: Annotated[FilterText | dict[str, Any] | None, Formula(of="entity", gives="boolean", in_database=True)] = (
        None
    )
    """Which records: a formula, or conditions as JSON."""
    sort: Annotated[tuple[Annotated[SortPath, Refers("order", of="entity")], ...], Option(max_length=SORT_KEYS)] = ()
    """Field paths; ``-`` in front for descending. The newest first if left out."""
    columns: Annotated[
        tuple[Annotated[FieldPath, Refers("path", of="entity")], ...], Option(max_length=FIELD_PATHS)
    ] = ()
    """Field paths to show; all of the record if left out."""
    limit: Annotated[int, Option(ge=1, le=PAGE_RECORDS)] | None = None
    """Records of a page."""
