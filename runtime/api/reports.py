"""``…/aggregate``: groups of records and their measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builder.kernel.canonical import dump_json
from runtime.api.http import parse_query, request_language
from runtime.query.aggregate_request import AggregateRequest, read_aggregate, read_aggregate_string

if TYPE_CHECKING:
    from runtime.api.records import Exchange

JSON = Any


async def aggregate_string(x: Exchange) -> None:
    """``GET …/aggregate``."""
    await _answer_groups(x, read_aggregate_string(parse_query(x.scope)))


async def aggregate(x: Exchange) -> None:
    """``POST …/aggregate``."""
    await _answer_groups(x, read_aggregate(await x.json()))


async def _answer_groups(x: Exchange, request: AggregateRequest) -> None:
    found = await x.api.records.aggregate(x.caller, x.app, x.entity, request)
    meta: dict[str, JSON] = {"has_more": found.has_more}
    if found.pending:
        meta["pending"] = found.pending
    if found.totals is not None:
        meta["totals"] = found.totals
    if not request.labels:
        await x.answer(200, dump_json({"data": found.groups, "meta": meta}))
        return
    published = await x.api.records.current(x.caller, x.app)
    language = request_language(x.scope, published.app.definition.app.language)
    meta["labels"] = {
        name: {key: label.pick(language) for key, label in labels.items()} for name, labels in found.labels.items()
    }
    await x.answer(200, dump_json({"data": found.groups, "meta": meta}), (b"vary", b"Accept-Language"))
