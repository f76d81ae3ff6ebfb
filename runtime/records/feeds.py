"""The feed of an app for a caller: a page of it, or following it. Every event that goes out passes here, with the rights of that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeVar

from builder.kernel.limits import STREAM_PAGE
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from builder.store.database import Database
from runtime.access.gate import FieldMap, gate
from runtime.query.kept import Kept
from runtime.query.statements import StatementCache
from runtime.records.caller import Caller, StaleIdentity
from runtime.records.events import START, Event, FeedPage, FeedPosition, Wanted, feed
from runtime.records.following import AppFeed, Following, Listener
from runtime.records.pins import check_guard, get_entity

T = TypeVar("T")


class Pinned(Protocol):
    """Runs something with the pinned app, again with the next one if it was published meanwhile."""

    def __call__(self, app: str, run: Callable[[PublishedApp], Awaitable[T]], /) -> Awaitable[T]:
        """Run it."""
        ...


class Stretch(NamedTuple):
    """A stretch of the feed for one caller."""

    events: list[Event]
    reached: FeedPosition
    """Where to go on; beyond the last event if what followed was not for this caller."""
    has_more: bool
    """Whether there is more to be read at once."""


class Feeds:
    """Reads and follows the feeds of all apps of one database."""

    def __init__(self, database: Database, cache: StatementCache, pinned: Pinned) -> None:
        self._database = database
        self._cache = cache
        self._pinned = pinned
        self._field_maps: Kept[FieldMap] = Kept()
        self.following = Following(database, cache)

    async def page(self, caller: Caller, app: str, after: FeedPosition, limit: int, wanted: Wanted) -> Stretch:
        """Return what changed in an app after a position, oldest first.

        Raises:
            Problem: ``query.cursor`` for a position ahead of the feed, ``entity.not_found``, ``access.denied``.
        """

        async def run(published: PublishedApp) -> Stretch:
            page = await self._read(published, caller, after, limit, wanted)
            return Stretch(page.events, page.reached, len(page.events) == limit)

        return await self._pinned(app, run)

    async def listen(self, caller: Caller, app: str, after: FeedPosition | None, wanted: Wanted) -> Listener:
        """Begin to follow an app's feed after a position, or from now on. ``following.forget`` ends it.

        Raises:
            Problem: as ``page``, and ``limit.streams``.
        """

        async def run(published: PublishedApp) -> Listener:
            first = await self._read(published, caller, after or START, 0, wanted)
            position = first.head if after is None else after
            return self.following.listen(app, caller.actor_id or "", position, wanted, first)

        return await self._pinned(app, run)

    async def next(self, caller: Caller, listener: Listener, seconds: float) -> Stretch | None:
        """Return what a listener has not seen yet, after at most so many seconds even if there is nothing; None = the end.

        Raises:
            StaleIdentity: ask again who this is.
            Problem: as ``page``, if that is not allowed any more.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds

        async def run(published: PublishedApp) -> Stretch:
            return await self._take(published, caller, listener)

        while not listener.is_over:
            stretch = await self._pinned(listener.feed.app, run)
            listener.position = stretch.reached
            if stretch.events or (not stretch.has_more and not await listener.wait(until - loop.time())):
                return stretch._replace(reached=listener.position)
        if listener.feed.failure is not None:
            raise listener.feed.failure
        return None

    # -- details -------------------------------------------------------------------------------------------------------

    async def _read(
        self, published: PublishedApp, caller: Caller, after: FeedPosition, limit: int, wanted: Wanted
    ) -> FeedPage:
        allowed = self._allowed(published, caller, wanted)
        page = await self._database.read(lambda: feed(self._cache, published.app.key, after, limit, allowed))
        check_guard(published, caller, page.pin, page.epoch)
        if after > page.head:
            detail = say(
                "该位置超前于变更流(数据可能已恢复到更早的备份);请重新读取全部数据",
                "This position lies ahead of the feed (was an older backup restored?); read everything anew",
            )
            raise Problem("query.cursor", detail)
        return page

    async def _take(self, published: PublishedApp, caller: Caller, listener: Listener) -> Stretch:
        allowed = self._allowed(published, caller, listener.wanted)
        await _check(published, caller, listener.feed)
        position = listener.position
        newer = listener.feed.since(position)
        if newer is None:
            page = await self._read(published, caller, position, STREAM_PAGE, listener.wanted)
            return Stretch(page.events, page.reached, has_more=True)
        shown = [event for event in newer if allowed.has(event)]
        if len(shown) > STREAM_PAGE:
            shown = shown[:STREAM_PAGE]
            return Stretch(shown, shown[-1].position, has_more=True)
        return Stretch(shown, max(position, listener.feed.head), has_more=False)

    def _allowed(self, published: PublishedApp, caller: Caller, wanted: Wanted) -> Wanted:
        """Return what of it the caller may see; entities whose history is hidden are left out unless they are asked for by name."""
        for key in wanted.entities:
            get_entity(published, key)
        try:
            gate(caller.actor, published.app.key, self._history(published, wanted.entities))
        except Problem:
            known = published.app.entities
            allowed = frozenset(key for key in known if not wanted.entities and self._may(published, caller, key))
            if not allowed:
                raise
            return Wanted(allowed, wanted.record_id)
        return wanted

    def _may(self, published: PublishedApp, caller: Caller, entity: str) -> bool:
        try:
            gate(caller.actor, published.app.key, self._history(published, frozenset({entity})))
        except Problem:
            return False
        return True

    def _history(self, published: PublishedApp, entities: frozenset[str]) -> FieldMap:
        found = self._field_maps.find((published.pin, entities))
        if found is None:
            owners = [owner for key, owner in published.app.entities.items() if key in entities or not entities]
            found = FieldMap({(owner.key, path, "history") for owner in owners for path in ("", *owner.fields)})
            self._field_maps.keep((published.pin, entities), found)
        return found


async def _check(published: PublishedApp, caller: Caller, app_feed: AppFeed) -> None:
    """Compare the caller with what the latest read of the feed saw; look again if the caller knows more."""
    if caller.epoch is not None and app_feed.epoch > caller.epoch:
        raise StaleIdentity
    if app_feed.pin != published.pin or (caller.epoch is not None and app_feed.epoch != caller.epoch):
        await app_feed.look_again()
    check_guard(published, caller, app_feed.pin, app_feed.epoch)
