"""Rehearsals: an app's scenarios, each on a scratch instance of its own. Synchronous: run it in a thread."""

from __future__ import annotations

import asyncio
import io
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from builder.compiled.app import CompiledApp
from builder.definition.kinds import AUTOMATIONS, SCENARIOS, Definition, names_of
from builder.definition.scenarios import Scenario
from builder.fields.base import label_text
from builder.kernel.clock import Clock, MovableClock
from builder.kernel.ids import CountingIds, Ids
from builder.kernel.limits import SCENARIO_SECONDS
from builder.kernel.problems import Problem, Violation, key_hint
from builder.kernel.text import say
from builder.registry.apps import create_app
from builder.registry.publishing import publish_draft
from builder.registry.registry import CompiledCache, load_published
from builder.registry.upgrading import upgrade
from runtime.automations.ports import Outward
from runtime.query.statements import StatementCache
from runtime.scenarios.playing import play
from runtime.scenarios.post import ScratchPost
from runtime.scenarios.report import Report, Told
from runtime.scenarios.world import World, scratch_tables
from runtime.services import Services
from runtime.settings import Settings


class Instance(Protocol):
    """A whole instance (``runtime.app.App``)."""

    services: Services

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI connection."""

    def running(self) -> AbstractAsyncContextManager[Any]:
        """Open it, and close it at the end."""
        ...


class MakeInstance(Protocol):
    """Puts an instance together; the composition root gives it."""

    def __call__(self, settings: Settings, *, clock: Clock, ids: Ids, log_stream: Any, outward: Outward) -> Instance:
        """Make one."""
        ...


def find_scenarios(definition: Definition, only: Sequence[str]) -> list[Scenario]:
    """Return the scenarios of an app, or those named.

    Raises:
        Problem: ``definition.not_found`` with the nearest name.
    """
    known = {scenario.key: scenario for scenario in definition.of(SCENARIOS)}
    for key in only:
        if key not in known:
            hint = key_hint(key[:100], names_of(known.values()))
            detail = say(f"没有场景“{key[:100]}”{hint.zh}", f'There is no scenario "{key[:100]}"{hint.en}')
            raise Problem("definition.not_found", detail)
    return [scenario for key, scenario in known.items() if not only or key in only]


def rehearse(make: MakeInstance, definition: Definition, only: Sequence[str] = ()) -> Report:
    """Play an app's scenarios; an app without any passes.

    Raises:
        Problem: ``definition.not_found``, or what publishing the definition raises.
    """
    scenarios = find_scenarios(definition, only)
    if not scenarios:
        return Report(definition.key, ())
    prepared: dict[frozenset[str], Prepared] = {}
    told: list[Told] = []
    with tempfile.TemporaryDirectory(prefix="dougong-scenario-") as folder:
        for scenario in scenarios:
            on = frozenset(scenario.given.switched_on)
            if on not in prepared:
                file = Path(folder) / f"prepared-{len(prepared)}.db"
                prepared[on] = _prepare(make, _switch_on(definition, on), file)
            told.append(_play(make, definition, scenario, prepared[on]))
    return Report(definition.key, tuple(told))


@dataclass(frozen=True)
class Rehearsals:
    """Rehearsals of one composition root."""

    make: MakeInstance

    def run(self, definition: Definition, only: Sequence[str] = ()) -> Report:
        """Play scenarios: see ``rehearse``."""
        return rehearse(self.make, definition, only)

    def violations(self, definition: Definition) -> list[Violation]:
        """Return the sentences that are not so, as a publish is refused with them."""
        report = self.run(definition)
        return [
            Violation("scenario", pointer, text, {"document": f"{SCENARIOS.name}/{key}"})
            for key, pointer, text in report.failures()
        ]


def _switch_on(definition: Definition, automations: frozenset[str]) -> Definition:
    """Return the definition with automations enabled that wait for a connection in the package."""
    switched = tuple(
        one.model_copy(update={"enabled": True}) if one.key in automations else one
        for one in definition.of(AUTOMATIONS)
    )
    return replace(definition, parts={**definition.parts, AUTOMATIONS.name: switched}) if automations else definition


class Prepared(NamedTuple):
    """What a scenario begins with."""

    file: Path
    """A database with the app, to be copied."""
    compiled: CompiledCache
    """The app, compiled once."""
    statements: StatementCache
    """Statements, prepared by the first scenario that needs them."""


def _prepare(make: MakeInstance, definition: Definition, file: Path) -> Prepared:
    """Publish the definition into a database that is copied for every scenario."""
    definition = replace(definition, app=definition.app.model_copy(update={"test_before_publish": False}))
    with _open(make, file, MovableClock(_start(definition, None))) as instance:
        services = instance.services
        upgrade(services.database)
        create_app(services.registry, definition, None)
        publish_draft(services.registry, definition.key, base_version=0, plan_hash=None, accept_lossy=True)
        with services.database.transaction() as connection:
            scratch_tables(connection)
        with services.database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        load_published(services.registry, definition.key)
        return Prepared(file, services.registry.cache, services.records.cache)


def _play(make: MakeInstance, definition: Definition, scenario: Scenario, prepared: Prepared) -> Told:
    file = prepared.file.with_name(f"{scenario.key}.db")
    shutil.copyfile(prepared.file, file)
    clock = MovableClock(_start(definition, scenario))
    began, started = clock.now(), time.perf_counter()
    with _open(make, file, clock) as instance:
        instance.services.registry.cache.take_over(prepared.compiled)
        instance.services.records.cache.take_over(prepared.statements)

        async def run() -> Told:
            async with instance.running(), asyncio.timeout(SCENARIO_SECONDS):
                found = await asyncio.to_thread(load_published, instance.services.registry, definition.key)
                assert found is not None
                app: CompiledApp = found.app
                world = World(instance, instance.services, clock, app)
                lines, broken = await play(world, scenario)
                hours = (clock.now() - began).total_seconds() / 3600
                seconds = time.perf_counter() - started
                return Told(scenario.key, label_text(scenario.label), tuple(lines), broken, hours, seconds)

        try:
            with ThreadPoolExecutor(1) as stage:  # the caller's thread may have a loop of its own
                return stage.submit(lambda: asyncio.run(run())).result()
        except TimeoutError:
            words = say(f"超过 {SCENARIO_SECONDS} 秒仍未演完", f"It was not over after {SCENARIO_SECONDS} seconds")
            return Told(scenario.key, label_text(scenario.label), (), words, 0, SCENARIO_SECONDS)


def _start(definition: Definition, scenario: Scenario | None) -> datetime:
    text = scenario.starts_at if scenario is not None else "2020-01-01T00:00"
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(definition.app.time_zone))


@contextmanager
def _open(make: MakeInstance, file: Path, clock: MovableClock) -> Iterator[Instance]:
    settings = Settings(
        database_url=f"sqlite:///{file.as_posix()}",
        files_folder=file.with_suffix(".files"),
        sqlite_durable=False,
        demo=None,
        admin_username=None,
        admin_password=None,
        s3_endpoint=None,
        workers=1,
        public_url=None,
        log_level="error",
        background=False,
        secret_keys=(SecretStr("scenario"),),
    )
    instance = make(settings, clock=clock, ids=CountingIds(clock), log_stream=io.BytesIO(), outward=ScratchPost())
    try:
        yield instance
    finally:
        instance.services.database.close()
