"""The shape of a read: everything that decides its statement, nothing that is only a value. Hashable, so statements are kept by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.base import Field
from builder.kernel.limits import PAGE_SKIPPED
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.searching.rows import SearchIndex
from formulas.schema import Context
from formulas.tree import Tree, join
from runtime.access.gate import FieldMap
from runtime.query.conditions import SortKey, plan_filter, plan_sort
from runtime.query.cursor import read_cursor
from runtime.query.expanding import plan_rows
from runtime.query.problems import invalid, together
from runtime.query.request import ListRequest
from runtime.query.searching import RANK_FIELD, RANK_KEYS, Search, SearchShape, plan_search
from runtime.query.selection import Selection, select


class ListShape(NamedTuple):
    """What decides the statement of a list."""

    selection: Selection
    condition: Tree | None
    sort: tuple[SortKey, ...]
    after: tuple[bool, ...] | None
    """With a cursor: which of its values are blank."""
    search: SearchShape | None = None
    skips: bool = False
    """With a numbered page but the first."""


class ListPlan(NamedTuple):
    """A list ready to be run: shape and values. It may be used more than once, so nobody changes it."""

    shape: ListShape
    values: dict[str, Any]
    order: str
    """The order in words; a cursor belongs to one order."""


def plan_list(
    app: CompiledApp,
    entity: CompiledEntity,
    request: ListRequest,
    *,
    asker: Context,
    field_map: FieldMap,
    search_indexes: Mapping[str, SearchIndex] | None = None,
) -> ListPlan:
    """Look up every name of a request, note every path it touches, and split it into shape and values.

    Raises:
        Problem: ``request.unknown_name`` or ``query.invalid`` with everything that is wrong, ``query.cursor``.
    """
    wrong: list[Problem] = []
    selection = Selection(entity.key, ())
    condition: Tree | None = None
    sort: tuple[SortKey, ...] = ()
    values: dict[str, Any] = {}
    fields: list[Field] = []
    try:
        expansion, values = plan_rows(app, entity, request.rows, asker, field_map)
        selection = select(app, entity, request.fields, request.expand, field_map, expansion)
    except Problem as problem:
        wrong.append(problem)
    try:
        condition, compared = plan_filter(app, entity, request.filter, asker, field_map)
        values |= compared
    except Problem as problem:
        wrong.append(problem)
    search: Search | None = None
    try:
        if request.search is not None:
            index = (search_indexes or {}).get(entity.key)
            search = plan_search(app, entity, request.search, field_map, index)
    except Problem as problem:
        wrong.append(problem)
    try:
        sort, fields = plan_sort(app, entity, request.sort, field_map)
    except Problem as problem:
        wrong.append(problem)
    skipped = 0 if request.page is None else (request.page - 1) * request.limit
    if skipped > PAGE_SKIPPED:
        text = say(
            f"页码之前最多 {PAGE_SKIPPED} 条记录,更深请用 cursor 或缩小筛选",
            f"At most {PAGE_SKIPPED} records come before a numbered page; go further by cursor, or narrow the filter",
        )
        wrong.append(invalid("page", text, maximum=PAGE_SKIPPED))
    if wrong:
        raise together(wrong)
    if skipped:
        values["skipped"] = skipped
    if search is not None:
        condition = search.condition if condition is None else join("and", (condition, search.condition))
        values |= search.values
        if not request.sort:  # the best match first
            sort, fields = RANK_KEYS, [RANK_FIELD, entity.system["id"]]
    order = f"{app.key} {entity.key} " + ",".join(f"{'-' if k.descending else ''}{'.'.join(k.path)}" for k in sort)
    after: tuple[bool, ...] | None = None
    if request.cursor is not None:
        at = read_cursor(request.cursor, order, fields)
        after = tuple(value is None for value in at)
        values |= {f"k{place}": value for place, value in enumerate(at) if value is not None}
    shape = ListShape(selection, condition, sort, after, search and search.shape, skipped > 0)
    return ListPlan(shape, values, order)
