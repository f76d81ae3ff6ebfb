"""Which compiled app a request works with. Held in memory; every statement says whether it is still the published one."""

from __future__ import annotations

import asyncio

from builder.compiled.app import CompiledEntity
from builder.definition.kinds import names_of
from builder.fields.base import is_key
from builder.kernel.problems import Problem, key_hint
from builder.kernel.text import say
from builder.registry.registry import PublishedApp, Registry, load_published, no_app
from runtime.records.caller import Caller, StaleApp, StaleIdentity

_SHOWN = 100


class Pins:
    """The published apps this process has seen."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._apps: dict[str, PublishedApp] = {}

    async def get(self, app: str) -> PublishedApp:
        """Return an app; from memory if it is there.

        Raises:
            Problem: ``app.not_found``.
        """
        found = self._apps.get(app)
        return found if found is not None else await self.refresh(app)

    async def refresh(self, app: str) -> PublishedApp:
        """Read again which version is published."""
        if not is_key(app):
            raise no_app(app[:_SHOWN])  # what cannot be a key is not looked up
        found = await asyncio.to_thread(load_published, self._registry, app)
        if found is None:
            self._apps.pop(app, None)
            raise no_app(app)
        self._apps[app] = found
        return found


def check_guard(published: PublishedApp, caller: Caller, pin: str | None, epoch: int) -> None:
    """Compare what a statement saw with what the request stands on.

    Raises:
        StaleApp, StaleIdentity.
    """
    if pin != published.pin:
        raise StaleApp
    if caller.epoch is not None and caller.epoch != epoch:
        raise StaleIdentity


def get_entity(published: PublishedApp, key: str) -> CompiledEntity:
    """Return an entity.

    Raises:
        Problem: ``entity.not_found`` with the nearest name.
    """
    found = published.app.own.get(key)
    if found is None:
        hint = key_hint(key[:_SHOWN], names_of(entity.definition for entity in published.app.own.values()))
        key = key[:_SHOWN]
        raise Problem("entity.not_found", say(f"没有实体“{key}”{hint.zh}", f'There is no entity "{key}"{hint.en}'))
    return found
