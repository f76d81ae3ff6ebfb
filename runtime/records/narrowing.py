"""Apps as their callers see them: narrowed once per version and set of roles, and kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from builder.compiled.app import CompiledApp
from builder.definition.kinds import VIEWS
from builder.definition.view import View
from builder.kernel.clock import Clock
from builder.kernel.problems import Problem
from builder.registry.registry import PublishedApp, no_app
from runtime.access.gate import FieldMap
from runtime.access.grants import roles_of
from runtime.access.sight import narrow, sight_key
from runtime.identity.actors import Actor
from runtime.query.kept import Kept
from runtime.query.request import ListRequest
from runtime.query.shape import plan_list
from runtime.query.variables import viewer

_SETS = 500  # of roles, over all apps


def narrows(published: PublishedApp, actor: Actor | None) -> bool:
    """Whether an actor needs a role to see an app: where it has some, and for external people everywhere."""
    return published.app.has_roles or (actor is not None and actor.kind == "external")


class Narrowing:
    """Finds what an actor sees of an app."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: Kept[PublishedApp] = Kept(_SETS)

    async def seen_by(
        self, published: PublishedApp, actor: Actor | None, exporting: frozenset[str] = frozenset()
    ) -> PublishedApp:
        """Return an app that ``narrows`` as an actor sees it: for an admin the app itself.

        Args:
            exporting: entities of which only that is shown which some grant lets export.

        Raises:
            Problem: ``app.not_found`` for somebody without a role.
        """
        if actor is None or actor.role == "admin":
            return published
        roles = roles_of(published.app, actor)
        found = self._kept.find((published.pin, roles, exporting))
        if found is None:
            found = await asyncio.to_thread(self._make, published, roles, exporting)
        return found

    def seen_at_once(self, published: PublishedApp, actor: Actor) -> PublishedApp:
        """Return the same inside a unit, of any app: one that does not narrow is seen whole.

        Raises:
            Problem: ``app.not_found`` for somebody without a role.
        """
        if not narrows(published, actor) or actor.role == "admin":
            return published
        roles = roles_of(published.app, actor)
        found = self._kept.find((published.pin, roles, frozenset()))
        return found or self._make(published, roles, frozenset())

    def _make(self, published: PublishedApp, roles: frozenset[str], exporting: frozenset[str]) -> PublishedApp:
        made = self._narrow(published.app, roles, exporting)
        if made is None:
            raise no_app(published.app.key)
        seen = published._replace(app=made, key=f"{published.pin} {sight_key(roles, exporting)}")
        return self._kept.keep((published.pin, roles, exporting), seen)

    def _narrow(self, app: CompiledApp, roles: frozenset[str], exporting: frozenset[str]) -> CompiledApp | None:
        seen = narrow(app, roles, exporting)
        if not seen.sight or not seen.sight.grants:  # type: ignore[attr-defined] # it is a RoleSight
            return None
        views = tuple(view for view in seen.definition.views if self._is_fit(seen, view))
        definition = replace(seen.definition, parts={**seen.definition.parts, VIEWS.name: views})
        return replace(seen, definition=definition)

    def _is_fit(self, app: CompiledApp, view: View) -> bool:
        request = ListRequest(filter=view.filter, sort=view.sort, fields=view.columns)
        return can_ask(app, view.entity, request, self._clock)


def can_ask(app: CompiledApp, entity: str, request: ListRequest, clock: Clock) -> bool:
    """Whether a question names only what there is."""
    owner = app.entities.get(entity)
    if owner is None:
        return False
    try:
        plan_list(app, owner, request, asker=viewer(app, None, clock.now()), field_map=FieldMap())
    except Problem:
        return False
    return True
