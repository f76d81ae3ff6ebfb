"""Publish meets kill -9, another publish, writers and locks: the app is as before or as after, never between."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.problems import Problem
from builder.publish.publish import lock_app
from builder.registry.publishing import plan_draft, publish_draft
from builder.registry.registry import Registry
from builder.store import tables
from tests.support.builder import (
    column,
    create,
    entity,
    field,
    findings,
    insert,
    open_registry,
    publish,
    published,
    redraft,
    rows,
)
from tests.support.publisher import ROOT, publishing

KINDS = {
    "add_field",
    "add_index",
    "change_references",
    "change_rules",
    "convert_field",
    "create_entity",
    "drop_index",
    "keep_entity",
    "keep_field",
    "rename_entity",
    "rename_field",
    "restore_entity",
    "restore_field",
}
ORDER = entity("order", field("buyer", "reference", entity="customer"), field("no", "integer", indexed=True))
AREA = entity("area", field("name"))
STRIDE = int(os.environ.get("DOUGONG_TEST_STRIDE", "4"))
"""Kill at every so manyth passage; 1 for a longer run by hand."""


@pytest.fixture
def registry(migrated_database_url: str) -> Iterator[Registry]:
    with open_registry(migrated_database_url) as made:
        yield made


def _prepare(registry: Registry) -> None:
    """Two versions with rows, and a draft whose publish runs every kind of step over them."""
    fields = (field("name", unique=True), field("size"), field("note"))
    create(registry, entity("customer", *fields, field("gone")), ORDER, AREA)
    insert(registry, "area", {"name": "华东"})
    buyer = insert(registry, "customer", {"name": "甲", "size": "12", "note": "x", "gone": "back"})
    insert(registry, "customer", {"name": "乙", "size": "many", "note": "y"})
    insert(registry, "order", {"buyer": buyer, "no": 7})
    publish(registry, entity("customer", *fields), ORDER, entity("old", field("x")))
    insert(registry, "old", {"x": "1"})
    client = (
        field("title", renamed_from="name", required=True, max_length=3),
        field("size", "integer", indexed=True),
        field("gone"),
        field("level", default="A"),
    )
    redraft(
        registry,
        AREA,
        entity("lead", field("source", "auto_number"), field("area", "reference", entity="area")),
        entity("client", *client, renamed_from="customer"),
        entity("order", field("owner", "reference", entity="client"), field("no", "integer", unique=True)),
    )


def _everything(registry: Registry) -> dict[str, Any]:
    app = published(registry)
    return {"version": app.version, **{key: rows(registry, key) for key in app.entities}}


def _is_after(registry: Registry) -> bool:
    after = _everything(registry)
    assert {row["gone"] for row in after["client"].values()} == {"back", None}
    assert {row["size"] for row in after["client"].values()} == {12, None}
    assert {row["level"] for row in after["client"].values()} == {"A"}
    assert [row["name"] for row in after["area"].values()] == ["华东"]
    return after["version"] == 3 and after.keys() == {"version", "area", "lead", "client", "order"}


@pytest.mark.timeout(300)
def test_a_publish_killed_at_any_step_leaves_the_app_as_it_was(registry, migrated_database_url, dialect):
    _prepare(registry)
    assert {step.kind for step in plan_draft(registry, "shop").steps} >= KINDS
    before = _everything(registry)
    kills = 0
    # the steps are the same on both databases: each kills at every fourth passage (by hand at all), together at every other
    passage, stride = (1, STRIDE) if dialect == "sqlite" else (1 + STRIDE // 2, STRIDE)
    with publishing() as publisher:
        assert publisher.publish(migrated_database_url, "shop", point="publish.commit") == "killed"
        assert _everything(registry) == before
        while publisher.publish(migrated_database_url, "shop", point="publish.step", passage=passage) == "killed":
            assert _everything(registry) == before
            if kills % 5 == 0:  # looking at the whole schema costs more than a kill
                assert findings(registry) == []
            kills, passage = kills + 1, passage + stride
    assert kills > len(KINDS)
    assert findings(registry) == []
    assert _is_after(registry)


def test_rows_can_be_written_after_a_kill_and_the_next_publish_succeeds(registry, migrated_database_url):
    _prepare(registry)
    with publishing() as publisher:
        assert publisher.publish(migrated_database_url, "shop", point="publish.commit") == "killed"
        insert(registry, "customer", {"name": "丙", "size": "3"})
        assert publisher.publish(migrated_database_url, "shop") == "done"
    assert findings(registry) == []
    assert column(registry, "client", "size") == [12, None, 3]


def test_the_environment_names_the_crash_point(registry, migrated_database_url):
    _prepare(registry)
    command = [sys.executable, "-m", "runtime", "publish", "shop", "--accept-lossy"]
    settings = {"DOUGONG_DATABASE_URL": migrated_database_url, "DOUGONG_CRASH_AT": "publish.step:5"}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    killed = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert killed.returncode == -9
    assert published(registry).version == 2
    assert findings(registry) == []


def test_of_two_publishes_at_once_one_is_told_that_the_other_was_first(registry, migrated_database_url):
    create(registry, entity("a", field("x")))
    redraft(registry, entity("a", field("x"), field("y")))
    start = threading.Barrier(2)

    def race(number: int) -> str:
        with open_registry(migrated_database_url, counting=False) as own:
            start.wait()
            try:
                publish_draft(own, "shop", base_version=1, plan_hash=None, note=str(number))
            except Problem as problem:
                return f"{problem.status} {problem.code} {problem.extra}"
        return "published"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(race, range(2)))
    assert said == ["409 publish.conflict {'published_version': 2}", "published"]
    assert published(registry).version == 2
    assert findings(registry) == []


def test_a_publish_waits_for_a_write_under_way_and_takes_it_along(registry, migrated_database_url):
    create(registry, entity("a", field("x")))
    redraft(registry, entity("a", field("x", "integer")))
    table = published(registry).entities["a"].table
    now = registry.clock.now()
    with open_registry(migrated_database_url, counting=False) as other, ThreadPoolExecutor(1) as pool:
        with registry.database.transaction() as connection:
            pin = sa.select(tables.app.c.pin).where(tables.app.c.key == "shop")
            connection.execute(pin.with_for_update(read=True))  # as the write path does
            row = {"id": registry.ids.record_id(), "revision": 1, "created_at": now, "updated_at": now, "x": "42"}
            connection.execute(sa.insert(table).values(row))
            publishing = pool.submit(publish_draft, other, "shop", base_version=1, plan_hash=None)
            with pytest.raises(TimeoutError):
                publishing.result(timeout=0.5)
        assert publishing.result(timeout=30).published.app.version == 2
    assert column(registry, "a", "x") == [42]
    assert findings(registry) == []


def test_a_lock_that_is_not_given_in_time_is_a_problem_that_can_be_tried_again(registry, migrated_database_url):
    create(registry, entity("a", field("x")))
    redraft(registry, entity("a", field("x"), field("y")))
    with open_registry(migrated_database_url, counting=False) as impatient:
        _wait_only_briefly(impatient)
        with registry.database.transaction() as connection:
            lock_app(connection, "shop")
            with pytest.raises(Problem, match=r"publish\.busy") as caught:
                publish_draft(impatient, "shop", base_version=1, plan_hash=None)
            assert (caught.value.status, caught.value.retry_after_seconds) == (503, 5)
        assert publish_draft(impatient, "shop", base_version=1, plan_hash=None).published.app.version == 2
    assert findings(registry) == []


def _wait_only_briefly(registry: Registry) -> None:
    engine = registry.database.engine
    engine.dispose()
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout=100"))
    else:
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("SET LOCAL lock_timeout = 100"))


def test_a_refused_publish_changes_nothing_and_says_which_records_stop_it(registry):
    create(registry, entity("a", field("x")))
    twins = [insert(registry, "a", {"x": "same"}) for _ in range(2)]
    redraft(registry, entity("a", field("y", renamed_from="x", unique=True), field("z", default="1")))
    with pytest.raises(Problem, match=r"publish\.blocked.*2 of 2 records share a value") as caught:
        publish_draft(registry, "shop", base_version=1, plan_hash=None)
    assert caught.value.extra["sample_ids"] == twins
    assert published(registry).version == 1
    assert column(registry, "a", "x") == ["same", "same"]
    assert findings(registry) == []
