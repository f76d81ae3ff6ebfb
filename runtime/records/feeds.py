"""The feed of an app for a caller: a page of it, or following it. Every event that goes out passes here, with the rights of that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from builder.kernel.clock import Clock
from builder.kernel.limits import STREAM_PAGE
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from builder.store.database import Database
from runtime.access.gate import FieldMap, gate
from runtime.access.sight import sight_of
from runtime.query.kept import Kept
from runtime.query.statements import StatementCache
from runtime.query.variables import variables
from runtime.records.caller import Caller, StaleIdentity
from runtime.records.events import START, Event, FeedPage, FeedPosition, Wanted, feed
from runtime.records.filtering import visible_events
from runtime.records.following import AppFeed, Following, Listener
from runtime.records.pins import check_guard, get_entity

T = TypeVar("T")
_ROUNDS = 20


class Pinned(Protocol):
    """Runs something with the pinned app, again with the next one if it was published meanwhile."""

    def __call__(self, app: str, caller: Caller, run: Callable[[PublishedApp], Awaitable[T]], /) -> Awaitable[T]:
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

    def __init__(self, database: Database, cache: StatementCache, pinned: Pinned, clock: Clock) -> None:
        self._clock = clock
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
            seen = await self._seen(published, caller, page.events)
            for _ in range(_ROUNDS):  # pages that have nothing for this caller are passed over
                if seen or len(page.events) < limit:
                    break
                page = await self._read(published, caller, page.reached, limit, wanted)
                seen = await self._seen(published, caller, page.events)
            return Stretch(seen, page.reached, len(page.events) == limit)

        return await self._pinned(app, caller, run)

    async def listen(self, caller: Caller, app: str, after: FeedPosition | None, wanted: Wanted) -> Listener:
        """Begin to follow an app's feed after a position, or from now on. ``following.forget`` ends it.

        Raises:
            Problem: as ``page``, and ``limit.streams``.
        """

        async def run(published: PublishedApp) -> Listener:
            first = await self._read(published, caller, after or START, 0, wanted)
            position = first.head if after is None else after
            return self.following.listen(app, caller.actor_id or "", position, wanted, first)

        return await self._pinned(app, caller, run)

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
            listener.begin()
            stretch = await self._pinned(listener.feed.app, caller, run)
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
            return Stretch(await self._seen(published, caller, page.events), page.reached, has_more=True)
        head = listener.feed.head  # before anything is waited for: it may move on
        shown = [event for event in newer if allowed.has(event)]
        has_more = len(shown) > STREAM_PAGE
        shown = shown[:STREAM_PAGE]
        reached = shown[-1].position if has_more else max(position, head)
        return Stretch(await self._seen(published, caller, shown), reached, has_more)

    async def _seen(self, published: PublishedApp, caller: Caller, events: Sequence[Event]) -> list[Event]:
        """Return events as the caller's roles let see them."""
        if published.app.sight is None or not events:
            return list(events)
        moment = variables(published.app, caller.actor, self._clock.now())
        return await self._database.read(lambda: visible_events(published, events, self._cache, moment))

    def _allowed(self, published: PublishedApp, caller: Caller, wanted: Wanted) -> Wanted:
        """Return what of it the caller may see; entities whose history is hidden are left out unless they are asked for by name."""
        for key in wanted.entities:
            get_entity(published, key)
        try:
            gate(caller.actor, published.app.key, self._history(published, wanted.entities), sight_of(published.app))
        except Problem:
            known = published.app.own
            allowed = frozenset(key for key in known if not wanted.entities and self._may(published, caller, key))
            if not allowed:
                raise
            return Wanted(allowed, wanted.record_id)
        return wanted

    def _may(self, published: PublishedApp, caller: Caller, entity: str) -> bool:
        try:
            gate(
                caller.actor, published.app.key, self._history(published, frozenset({entity})), sight_of(published.app)
            )
        except Problem:
            return False
        return True

    def _history(self, published: PublishedApp, entities: frozenset[str]) -> FieldMap:
        found = self._field_maps.find((published.key, entities))
        if found is None:
            owners = [owner for key, owner in published.app.own.items() if key in entities or not entities]
            found = FieldMap({(owner.key, path, "history") for owner in owners for path in ("", *owner.fields)})
            self._field_maps.keep((published.key, entities), found)
        return found


async def _check(published: PublishedApp, caller: Caller, app_feed: AppFeed) -> None:
    """Compare the caller with what the latest read of the feed saw; look again if the caller knows more."""
    if caller.epoch is not None and app_feed.epoch > caller.epoch:
        raise StaleIdentity
    if app_feed.pin != published.pin or (caller.epoch is not None and app_feed.epoch != caller.epoch):
        await app_feed.look_again()
    check_guard(published, caller, app_feed.pin, app_feed.epoch)
