"""``/api/{app}/views``: the views of an app, and those people save."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from builder.compiled.app import CompiledApp
from builder.kernel.canonical import dump_json
from runtime.access.gate import FieldMap, gate
from runtime.api.http import request_language
from runtime.api.writes import carry, read_dry_run
from runtime.records.caller import Reply
from runtime.records.views import SavedView, document_view

if TYPE_CHECKING:
    from runtime.api.records import Exchange

JSON = Any


async def list_views(x: Exchange) -> None:
    """``GET …/views``: those of the definition first."""
    app = await _app(x)
    own = await asyncio.to_thread(x.api.records.views.list_views, app, _user(x))
    found = [*(document_view(view) for view in app.definition.views), *own]
    data = [_json(x, app, view) for view in found if view.entity in app.entities]
    await x.answer(200, dump_json({"data": data}), (b"vary", b"Accept-Language"))


async def create_view(x: Exchange) -> None:
    """``POST …/views``."""
    dry_run, _ = read_dry_run(x)
    app, body = await _app(x, writes=True), await x.json()

    def render(made: SavedView) -> Reply:
        return _reply(x, app, 201, made, ("location", f"/api/{x.app}/views/{made.id}"))

    create = x.api.records.views.create_view
    await carry(x, lambda caller: asyncio.to_thread(create, app, caller, body), render, dry_run=dry_run)


async def get_view(x: Exchange) -> None:
    """``GET …/views/{id}``."""
    app = await _app(x)
    document = app.definition.find_view(x.record_id)
    if document is not None:
        found = document_view(document)
    else:
        found = await asyncio.to_thread(x.api.records.views.get_view, app, x.record_id, _user(x))
    await x.answer(200, dump_json({"data": _json(x, app, found)}), (b"vary", b"Accept-Language"))


async def change_view(x: Exchange) -> None:
    """``PATCH …/views/{id}``."""
    dry_run, _ = read_dry_run(x)
    app, body = await _app(x, writes=True), await x.json()
    change = x.api.records.views.change_view
    await carry(
        x,
        lambda caller: asyncio.to_thread(change, app, caller, x.record_id, body),
        lambda made: _reply(x, app, 200, made),
        dry_run=dry_run,
    )


async def delete_view(x: Exchange) -> None:
    """``DELETE …/views/{id}``."""
    dry_run, _ = read_dry_run(x)
    app = await _app(x, writes=True)
    delete = x.api.records.views.delete_view
    await carry(
        x,
        lambda caller: asyncio.to_thread(delete, app, caller, x.record_id),
        lambda _: Reply(204, (), b""),
        dry_run=dry_run,
    )


def _reply(x: Exchange, app: CompiledApp, status: int, made: SavedView, *headers: tuple[str, str]) -> Reply:
    return Reply(status, (("content-type", "application/json"), *headers), dump_json({"data": _json(x, app, made)}))


async def _app(x: Exchange, *, writes: bool = False) -> CompiledApp:
    published = await x.api.records.current(x.caller, x.app)
    if writes:
        gate(x.caller.actor, x.app, FieldMap({("", "", "write")}))
    return published.app


def _user(x: Exchange) -> str | None:
    return x.caller.actor.user_id if x.caller.actor else None


def _json(x: Exchange, app: CompiledApp, view: SavedView) -> dict[str, JSON]:
    return view.to_json(request_language(x.scope, app.definition.app.language), _user(x))
