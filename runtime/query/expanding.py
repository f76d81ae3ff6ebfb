"""Relations that are shown with a filter, an order and a limit of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.parts.many import ManyField
from builder.kernel.limits import CHILD_RECORDS, EXPAND_DEPTH, EXPAND_PATHS
from builder.kernel.text import say
from formulas.schema import Context
from runtime.access.gate import FieldMap
from runtime.query.conditions import SortKey, plan_filter, plan_sort
from runtime.query.problems import invalid, unknown_field
from runtime.query.request import ExpandRequest
from runtime.query.selection import Expansion, RowsShape

#: In the order in which they were made, as a sub-table is edited.
ALL_ROWS = RowsShape(None, (SortKey(("created_at",), False), SortKey(("id",), False)), CHILD_RECORDS)
_FIRST = 20_000  # the number of the first parameter of these filters; that of a list has fewer


def plan_rows(
    app: CompiledApp, entity: CompiledEntity, requests: Sequence[ExpandRequest], asker: Context, field_map: FieldMap
) -> tuple[Expansion, dict[str, Any]]:
    """Return what to expand, and the values of its filters.

    Raises:
        Problem: ``request.unknown_name``, ``query.invalid``.
    """
    if not requests:
        return Expansion(), {}
    planning = _Planning(app, asker, field_map)
    planning.take(entity, requests, "")
    if len(planning.paths) > EXPAND_PATHS:
        most = EXPAND_PATHS
        raise invalid("expand", say(f"expand 最多 {most} 项", f"expand takes at most {most} items"), maximum=most)
    return Expansion(tuple(planning.grafts), planning.rows), planning.values


class _Planning:
    def __init__(self, app: CompiledApp, asker: Context, field_map: FieldMap) -> None:
        self._app = app
        self._asker = asker
        self._field_map = field_map
        self.paths: set[str] = set()
        self.grafts: list[tuple[str, str]] = []
        self.rows: dict[str, RowsShape] = {}
        self.values: dict[str, Any] = {}

    def take(self, entity: CompiledEntity, requests: Sequence[ExpandRequest], prefix: str) -> None:
        """Take what is asked of one entity."""
        for request in requests:
            path = f"{prefix}{request.path}"
            if path in self.paths:
                raise invalid(request.pointer[1:], say(f"“{request.path}”重复", f'"{request.path}" is given twice'))
            self.paths.add(path)
            if len(path.split(".")) > EXPAND_DEPTH:
                text = say(f"路径最多 {EXPAND_DEPTH} 层", f"A path goes at most {EXPAND_DEPTH} relations deep")
                raise invalid(request.pointer[1:], text)
            target, many = self._target(entity, request)
            self.grafts += [(f"{path}.{name}", request.pointer) for name in request.fields or ("*",)]
            self._take_rows(path, target, many, request)
            if request.expand and target is not None:
                self.take(target, request.expand, f"{path}.")

    def _target(self, entity: CompiledEntity, request: ExpandRequest) -> tuple[CompiledEntity | None, ManyField | None]:
        """Return the entity a path leads to (None: a user or department), and the field by which it leads to several records."""
        owner: CompiledEntity | None = entity
        many: ManyField | None = None
        for step in request.path.split("."):
            if owner is None:
                raise invalid(request.pointer[1:], say(f"“{step}”不是关联", f'"{step}" is no relation'))
            field = owner.find_field(step)
            if field is None:
                raise unknown_field(request.pointer, owner.key, step, self._app.fields(owner.key))
            info = self._app.find_field(owner.key, step)
            leads = isinstance(field, ManyField) or (info is not None and info.target_entity is not None)
            owner = self._app.entities[str(getattr(field, "entity", ""))] if leads else None
            many = field if isinstance(field, ManyField) else None
        return owner, many

    def _take_rows(
        self, path: str, target: CompiledEntity | None, many: ManyField | None, request: ExpandRequest
    ) -> None:
        if request.filter in (None, {}) and not request.sort and request.limit is None:
            return
        if many is None or target is None:
            text = say(
                f"“{request.path}”只有一条记录,不能筛选、排序或限制条数",
                f'"{request.path}" is one record: it takes no filter, sort or limit',
            )
            raise invalid(request.pointer[1:], text)
        if many.names != target.key:  # names mean the attributes of links too
            target = replace(self._app.entities[many.rows], key=many.names)
        pointer, first = request.pointer, _FIRST + len(self.values)
        condition, values = plan_filter(
            self._app, target, request.filter, self._asker, self._field_map, pointer=f"{pointer}/filter", first=first
        )
        self.values |= values
        sort = ALL_ROWS.sort
        if request.sort:
            sort, _ = plan_sort(self._app, target, request.sort, self._field_map, pointer=f"{pointer}/sort")
        limit = CHILD_RECORDS if request.limit is None else request.limit
        self.rows[path] = RowsShape(condition, sort, limit)
