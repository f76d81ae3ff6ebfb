"""Ids sort as they were made, also within a millisecond, and no two are equal."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from builder.kernel.clock import MovableClock
from builder.kernel.ids import SystemIds

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def test_ids_of_one_moment_go_up() -> None:
    clock = MovableClock(START)
    ids = SystemIds(clock)
    made = [ids.record_id() for _ in range(5_000)]
    clock.advance(timedelta(milliseconds=1))
    made.append(ids.record_id())
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in made} == {(7, uuid.RFC_4122)}


def test_threads_never_get_the_same() -> None:
    ids = SystemIds(MovableClock(START))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ids.record_id(), range(4_000)))
    assert len(set(made)) == 4_000


def test_two_processes_at_one_moment_do_not_meet() -> None:
    clock = MovableClock(START)
    first, second = SystemIds(clock), SystemIds(clock)
    assert not {first.record_id() for _ in range(1_000)} & {second.record_id() for _ in range(1_000)}
