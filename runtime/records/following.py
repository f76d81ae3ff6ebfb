"""Following the feed of an app: one reader per app while anybody listens, the newest events in memory, listeners that are positions.

See docs/decisions/0009. Nothing here knows rights: ``feeds`` asks the gate before it takes anything for a listener.
Belongs to the event loop, but for ``_committed``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from itertools import takewhile

from builder.kernel.limits import EVENTS_HELD, EVENTS_HELD_BYTES, EVENTS_PAGE, STREAMS, STREAMS_PER_PERSON
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.database import Database, DatabaseBusy, StatementTimeout
from builder.store.statement import POSTGRESQL
from runtime.query.statements import StatementCache
from runtime.records.events import Event, FeedPage, FeedPosition, Wanted, feed

_PAUSE_SECONDS = {POSTGRESQL: 0.25}  # between two looks for what other processes committed
_PAUSE_SECONDS_ELSE = 1.0
_BREATH_SECONDS = 0.01  # between two reads when writes come all the time


class Listener:
    """Somebody who follows an app's feed: where they stand, and what they want to see."""

    __slots__ = ("_missed", "_turn", "feed", "is_over", "owner", "position", "wanted")

    def __init__(self, app_feed: AppFeed, owner: str, position: FeedPosition, wanted: Wanted) -> None:
        self.feed = app_feed
        self.owner = owner
        self.position = position
        self.wanted = wanted
        self.is_over = False
        self._turn: asyncio.Future[None] | None = None
        self._missed = False

    @property
    def is_waiting(self) -> bool:
        """Whether everything up to its position was taken, and nothing came since."""
        return self._turn is not None and not self._turn.done()

    def begin(self) -> None:
        """It looks at the feed now: what comes from here on it may miss."""
        self._missed = False

    async def wait(self, seconds: float) -> bool:
        """Wait until there may be something new since ``begin``; False if there was nothing for so long."""
        if self.is_over or self._missed:
            return True
        loop = asyncio.get_running_loop()
        self._turn = loop.create_future()
        timer = loop.call_later(max(seconds, 0), _time_out, self._turn)
        try:
            await self._turn
        except TimeoutError:
            return False
        finally:
            timer.cancel()
            self._turn = None
        return True

    def wake(self) -> None:
        """Let it look again; if it is still busy with what it saw, when it is done with that."""
        self._missed = True
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def close(self) -> None:
        """Let it end."""
        self.is_over = True
        self.wake()


def _time_out(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_exception(TimeoutError())


class AppFeed:
    """The newest events of one app: all those after ``low`` up to ``head``, and the guard of the latest read."""

    def __init__(self, app: str, first: FeedPage) -> None:
        self.app = app
        self.low = self.head = first.head
        self.pin, self.epoch = first.pin, first.epoch
        self.listeners: set[Listener] = set()
        self.news = asyncio.Event()
        self.failure: Exception | None = None
        self.task: asyncio.Task[None] | None = None
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._begun = self._done = 0
        self._looking: list[asyncio.Future[None]] = []

    def since(self, position: FeedPosition) -> list[Event] | None:
        """Return the events after a position; None if it lies further back than memory goes."""
        if position < self.low:
            return None
        newer = list(takewhile(lambda event: event.position > position, reversed(self._events)))
        newer.reverse()
        return newer

    async def look_again(self) -> None:
        """Wait for a read that begins after now."""
        wanted = self._begun + 1
        while self._done < wanted:
            self.news.set()
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._looking.append(turn)
            await turn

    async def read(self, database: Database, cache: StatementCache) -> None:
        """Read on to the end of the feed."""
        self.news.clear()
        self._begun += 1
        number, more = self._begun, True
        while more:
            page = await database.read(lambda: feed(cache, self.app, self.head, EVENTS_PAGE))
            more = len(page.events) == EVENTS_PAGE
            self._take(page)
        self._done = number
        self._answer_lookers(None)

    def end(self, failure: Exception | None) -> None:
        """Let all who wait end, too."""
        self.failure = failure
        self._answer_lookers(failure)
        for listener in self.listeners:
            listener.close()

    def _answer_lookers(self, failure: Exception | None) -> None:
        looking, self._looking = self._looking, []
        for turn in looking:
            if turn.done():
                continue
            if failure is None:
                turn.set_result(None)
            else:
                turn.set_exception(failure)

    def _take(self, page: FeedPage) -> None:
        guard_moved = (page.pin, page.epoch) != (self.pin, self.epoch)
        self.pin, self.epoch = page.pin, page.epoch
        self.head = max(self.head, page.reached)
        for event in page.events:
            self._events.append(event)
            self._bytes += len(event.body)
        while self._events and (len(self._events) > EVENTS_HELD or self._bytes > EVENTS_HELD_BYTES):
            oldest = self._events.popleft()
            self._bytes -= len(oldest.body)
            self.low = oldest.position
        for listener in self.listeners:
            if guard_moved or any(map(listener.wanted.has, page.events)):
                listener.wake()
            elif listener.is_waiting:
                listener.position = max(listener.position, self.head)  # nothing in between was for it


class Following:
    """The feeds of this process that somebody listens to."""

    def __init__(self, database: Database, cache: StatementCache) -> None:
        self._database = database
        self._cache = cache
        self._feeds: dict[str, AppFeed] = {}
        self._owners: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = False
        self._pause = _PAUSE_SECONDS.get(database.dialect, _PAUSE_SECONDS_ELSE)

    def listen(self, app: str, owner: str, position: FeedPosition, wanted: Wanted, first: FeedPage) -> Listener:
        """Let somebody follow an app's feed. ``first`` is a look at it that was just taken.

        Raises:
            Problem: ``limit.streams``.
        """
        if self._owners[owner] >= STREAMS_PER_PERSON or self._owners.total() >= STREAMS:
            detail = say(
                f"同时收听的连接过多:每人最多 {STREAMS_PER_PERSON} 个,总共最多 {STREAMS} 个",
                f"Too many connections listen: at most {STREAMS_PER_PERSON} per person, {STREAMS} in all",
            )
            raise Problem("limit.streams", detail, retry_after_seconds=10)
        if not self._feeds:
            self._loop = asyncio.get_running_loop()
            self._database.commits.listen(self._committed)
        app_feed = self._feeds.get(app)
        if app_feed is None:
            app_feed = self._feeds[app] = AppFeed(app, first)
            app_feed.task = asyncio.get_running_loop().create_task(self._keep_reading(app_feed))
        listener = Listener(app_feed, owner, position, wanted)
        app_feed.listeners.add(listener)
        self._owners[owner] += 1
        return listener

    def forget(self, listener: Listener) -> None:
        """A listener is gone."""
        app_feed = listener.feed
        if listener not in app_feed.listeners:
            return
        app_feed.listeners.remove(listener)
        self._owners[listener.owner] -= 1
        if not self._owners[listener.owner]:
            del self._owners[listener.owner]
        if not app_feed.listeners:
            self._drop(app_feed)

    def stop(self) -> None:
        """Let all listeners end."""
        for app_feed in list(self._feeds.values()):
            app_feed.end(None)
            self._drop(app_feed)

    def _drop(self, app_feed: AppFeed) -> None:
        if self._feeds.get(app_feed.app) is not app_feed:
            return
        del self._feeds[app_feed.app]
        if app_feed.task is not None:
            app_feed.task.cancel()
        if not self._feeds:
            self._database.commits.forget(self._committed)

    async def _keep_reading(self, app_feed: AppFeed) -> None:
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause):
                        await app_feed.news.wait()
                try:
                    await app_feed.read(self._database, self._cache)
                except (DatabaseBusy, StatementTimeout):
                    await asyncio.sleep(self._pause)  # it comes back, and nothing of the feed is lost meanwhile
                await asyncio.sleep(_BREATH_SECONDS)
        except Exception as error:  # noqa: BLE001 - each listener raises it where it is logged
            self._feeds.pop(app_feed.app, None)
            if not self._feeds:
                self._database.commits.forget(self._committed)
            app_feed.end(error)

    def _committed(self) -> None:
        """Note a commit; from any thread."""
        if self._told or self._loop is None:
            return
        self._told = True
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed: nobody listens any more
            self._told = False

    def _wake(self) -> None:
        self._told = False
        for app_feed in self._feeds.values():
            app_feed.news.set()
