"""Views: those of the app's definition, and those that people save for themselves and may share."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.definition.view import View
from builder.fields.base import label_text
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, find_uuid
from builder.kernel.limits import LABEL_LENGTH, VIEWS_PER_PERSON
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import Text, say
from builder.store import tables
from builder.store.database import Database
from formulas.schema import Context
from runtime.access.gate import FieldMap
from runtime.query.conditions import AllOf
from runtime.query.problems import invalid
from runtime.query.request import ListRequest, read_members
from runtime.query.shape import plan_list
from runtime.records.caller import Caller
from runtime.records.narrowing import can_ask
from runtime.records.once import OnceIn

JSON = Any

BODY = ("filter", "sort", "columns", "limit")
MEMBERS = ("entity", "label", "shared", *BODY)


class SavedView(NamedTuple):
    """One view: ``id`` is the key of a document, or the UUID of what a person saved."""

    id: str
    entity: str
    label: Text
    body: dict[str, JSON]
    owner_id: str | None
    shared: bool

    def to_json(self, language: Any, user_id: str | None) -> dict[str, JSON]:
        """Write the view for the API."""
        return {
            "id": self.id,
            "entity": self.entity,
            "label": self.label.pick(language),
            **{name: self.body.get(name) for name in BODY},
            "own": self.owner_id is not None and self.owner_id == user_id,
            "shared": self.shared,
        }


def document_view(view: View) -> SavedView:
    """Return a view of the definition."""
    body = {
        "filter": view.filter,
        "sort": list(view.sort),
        "columns": list(view.columns),
        "limit": view.limit,
    }
    return SavedView(view.key, view.entity, label_text(view.label), body, None, shared=True)


def no_view(name: str, known: tuple[str, ...] = ()) -> Problem:
    """There is no such view, or it is somebody else's."""
    shown, hint = name[:100], nearest_hint(name[:100], known)
    return Problem("view.not_found", say(f"没有视图“{shown}”{hint.zh}", f'There is no view "{shown}"{hint.en}'))


def apply_view(request: ListRequest, view: SavedView) -> ListRequest:
    """Return the request with what the view says where it says nothing itself; filters hold together."""
    given, body = request.given, view.body
    conditions = [(body.get("filter"), "/view/filter"), (request.filter, "/filter")]
    kept = tuple((condition, pointer) for condition, pointer in conditions if condition not in (None, {}))
    return replace(
        request,
        filter=AllOf(kept) if kept else None,
        sort=request.sort if "sort" in given else tuple(body.get("sort") or ()),
        fields=request.fields if "fields" in given else tuple(body.get("columns") or ()),
        limit=request.limit if "limit" in given or not body.get("limit") else body["limit"],
        view=None,
        text=request.text if view.owner_id is None else b"",  # what a person may change any moment is not kept
    )


class Views:
    """The views of apps and of people."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def seen_through(self, app: CompiledApp, caller: Caller, entity: str, request: ListRequest) -> ListRequest:
        """Return a request with what its view adds.

        Raises:
            Problem: ``view.not_found``, ``query.invalid`` for a view of another entity.
        """
        name = request.view or ""
        found = app.definition.find_view(name)
        if found is not None:
            view = document_view(found)
        elif find_uuid(name) is None:
            raise no_view(name, tuple(view.key for view in app.definition.views))
        else:
            user_id = _user_of(caller)
            view = await asyncio.to_thread(self.get_view, app, name, user_id)
        if view.entity != entity:
            text = say(f"视图“{name}”属于实体“{view.entity}”", f'The view "{name}" is one of "{view.entity}"')
            raise invalid("view", text)
        return apply_view(request, view)

    def list_views(self, app: CompiledApp, user_id: str | None) -> list[SavedView]:
        """Return a person's own views and those others share, by label; of the latter only what the person may ask."""
        v = tables.view
        shared = sa.type_coerce(v.c.shared, sa.Boolean()).is_(True)
        mine = sa.or_(shared, v.c.owner_id == user_id) if user_id else shared
        with self._database.snapshot() as connection:
            rows = connection.execute(sa.select(v).where(v.c.app == app.key, mine).order_by(v.c.label, v.c.id)).all()
        return [view for view in map(_read, rows) if self._is_fit(app, view, user_id)]

    def _is_fit(self, app: CompiledApp, view: SavedView, user_id: str | None) -> bool:
        """Whether a view of somebody else names only what is seen."""
        if app.sight is None or view.owner_id == user_id:
            return True
        body = view.body
        asked = ListRequest(
            filter=body.get("filter"), sort=tuple(body.get("sort") or ()), fields=tuple(body.get("columns") or ())
        )
        return can_ask(app, view.entity, asked, self._clock)

    def get_view(self, app: CompiledApp, view_id: str, user_id: str | None) -> SavedView:
        """Return one view.

        Raises:
            Problem: ``view.not_found``, also for what somebody else keeps private, or names what is hidden.
        """
        known = find_uuid(view_id)
        v = tables.view
        with self._database.snapshot() as connection:
            row = known and connection.execute(sa.select(v).where(v.c.app == app.key, v.c.id == known)).first()
        if not row or not (row.shared or row.owner_id == user_id):
            raise no_view(view_id)
        view = _read(row)
        if not self._is_fit(app, view, user_id):
            raise no_view(view_id)
        return view

    def create_view(self, app: CompiledApp, caller: Caller, body: JSON) -> SavedView:
        """Save a view.

        Raises:
            Problem: ``view.invalid``, ``request.unknown_name``, ``query.invalid``.
        """
        user_id = _user_of(caller)
        if user_id is None:
            raise Problem("access.denied", say("只有用户可以保存视图", "Only a person can save a view"))
        made = self._checked(app, user_id, self._ids.record_id(), body)
        v = tables.view
        with self._database.transaction() as connection:
            once = OnceIn(connection, caller, app.key, self._clock.now())
            own = sa.select(sa.func.count()).select_from(v).where(v.c.app == app.key, v.c.owner_id == user_id)
            if int(connection.scalar(own) or 0) >= VIEWS_PER_PERSON:
                most = VIEWS_PER_PERSON
                raise _invalid("", say(f"每人最多保存 {most} 个视图", f"A person keeps at most {most} views"))
            connection.execute(sa.insert(v).values(**self._row(app.key, made)))
            once.keep(made)
        return made

    def change_view(self, app: CompiledApp, caller: Caller, view_id: str, body: JSON) -> SavedView:
        """Change members of an own view.

        Raises:
            Problem: ``view.not_found``, ``access.denied`` for another's, and as ``create_view``.
        """
        user_id = _user_of(caller)
        before = self._own(app, user_id, view_id)
        full = {"entity": before.entity, "label": before.label.zh, "shared": before.shared, **before.body}
        if not isinstance(body, dict):
            raise _invalid("", say("视图应是 JSON 对象", "A view is a JSON object"))
        made = self._checked(app, str(user_id), before.id, {**full, **body})
        with self._database.transaction() as connection:
            once = OnceIn(connection, caller, app.key, self._clock.now())
            connection.execute(
                sa.update(tables.view).where(tables.view.c.id == before.id).values(**self._row(app.key, made))
            )
            once.keep(made)
        return made

    def delete_view(self, app: CompiledApp, caller: Caller, view_id: str) -> None:
        """Delete an own view.

        Raises:
            Problem: ``view.not_found``, ``access.denied``.
        """
        with self._database.transaction() as connection:
            once = OnceIn(connection, caller, app.key, self._clock.now())
            before = self._own(app, _user_of(caller), view_id)  # after the key: a view that is gone was deleted for it
            connection.execute(sa.delete(tables.view).where(tables.view.c.id == before.id))
            once.keep(None)

    def _own(self, app: CompiledApp, user_id: str | None, view_id: str) -> SavedView:
        found = self.get_view(app, view_id, user_id)
        if found.owner_id != user_id:
            raise Problem("access.denied", say("只能修改自己的视图", "Only its owner can change a view"))
        return found

    def _row(self, app: str, view: SavedView) -> dict[str, Any]:
        return {
            "id": view.id,
            "app": app,
            "entity": view.entity,
            "owner_id": view.owner_id,
            "label": view.label.zh,
            "body": dump_json(view.body).decode(),
            "shared": view.shared,
            "updated_at": self._clock.now(),
        }

    def _checked(self, app: CompiledApp, user_id: str, view_id: str, body: JSON) -> SavedView:
        """Return a view whose question can be asked."""
        if not isinstance(body, dict):
            raise _invalid("", say("视图应是 JSON 对象", "A view is a JSON object"))
        for name in body:
            if name not in MEMBERS:
                hint = nearest_hint(name[:100], MEMBERS)
                text = say(f"没有成员“{name[:100]}”{hint.zh}", f'There is no member "{name[:100]}"{hint.en}')
                raise _invalid(f"/{name[:100]}", text)
        entity, label, shared = body.get("entity"), body.get("label"), body.get("shared", False)
        if not isinstance(entity, str) or entity not in app.own:
            hint = nearest_hint(str(entity)[:100], app.own)
            raise _invalid("/entity", say(f"没有这个实体{hint.zh}", f"There is no such entity{hint.en}"))
        if not isinstance(label, str) or not label.strip() or len(label) > LABEL_LENGTH or not label.isprintable():
            raise _invalid(
                "/label", say(f"名称是 1 到 {LABEL_LENGTH} 个字符", f"A label has 1 to {LABEL_LENGTH} characters")
            )
        if not isinstance(shared, bool):
            raise _invalid("/shared", say("shared 是 true 或 false", "shared is true or false"))
        asked = {"filter": body.get("filter"), "sort": body.get("sort") or [], "fields": body.get("columns") or []}
        request = read_members(asked | ({"limit": body["limit"]} if body.get("limit") is not None else {}))
        asker = Context(now=self._clock.now(), user=user_id, zone=app.zone)
        plan_list(app, app.entities[entity], request, asker=asker, field_map=FieldMap())
        kept = {name: body[name] for name in BODY if body.get(name) not in (None, [], {})}
        return SavedView(view_id, entity, say(label, label), kept, user_id, shared)


def _read(row: Any) -> SavedView:
    return SavedView(
        str(row.id), row.entity, say(row.label, row.label), parse_json(row.body), str(row.owner_id), shared=row.shared
    )


def _invalid(pointer: str, message: Text) -> Problem:
    return Problem("view.invalid", message, violations=[Violation("view", pointer, message)])


def _user_of(caller: Caller) -> str | None:
    return caller.actor.user_id if caller.actor else None
