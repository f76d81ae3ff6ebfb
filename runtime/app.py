"""The composition root: the only place where an instance is put together. Nothing here is global; call it twice for two instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, BinaryIO

from builder.kernel.clock import Clock, SystemClock
from builder.kernel.ids import Ids, SystemIds
from builder.registry.registry import Registry
from builder.registry.upgrading import upgrade
from builder.store.database import Database, open_database
from runtime.api.edge import Edge
from runtime.api.files import FilesApi
from runtime.api.health import HealthApi
from runtime.api.http import Receive, Scope, Send
from runtime.api.records import RecordsApi
from runtime.approvals.rule import LockRule, VoidReaction
from runtime.approvals.running import Course
from runtime.approvals.service import Approvals
from runtime.assignments.absences import Absences
from runtime.assignments.assigning import RuleAssigner
from runtime.assignments.keeping import PoolKeeper
from runtime.assignments.service import Assignments
from runtime.automations.app_events import AppEvents
from runtime.automations.callers import PlatformNames
from runtime.automations.hooks import Hooks
from runtime.automations.people import PlatformPeople
from runtime.automations.ports import Outward, Ports
from runtime.automations.reaction import AutomationReaction
from runtime.automations.runner import Runner
from runtime.automations.schedules import Schedules
from runtime.automations.service import Automations
from runtime.channels.base import Roads
from runtime.exports.records import RecordExports
from runtime.expressions.expressions import Expressions
from runtime.files.service import Files
from runtime.files.store import FileStore, LocalStore
from runtime.identity.actors import Authenticator
from runtime.identity.passwords import PasswordRules
from runtime.identity.service import Identity, make_identity
from runtime.identity.setup import SETUP_PATH
from runtime.imports.orderers import Orderers
from runtime.imports.records import RecordImports
from runtime.jobs.rows import JobRows
from runtime.jobs.runner import JobRunner
from runtime.net.outbound import Allowed, Outbound
from runtime.observe.logs import make_log
from runtime.observe.metrics import Metrics
from runtime.outbox.answers import Answers
from runtime.outbox.courier import Courier
from runtime.outbox.direct import DirectLetters
from runtime.outbox.service import make_delivery
from runtime.people.directory_sync import DirectorySync
from runtime.people.erasure import PersonalData
from runtime.people.handover import Handover
from runtime.people.holdings import Holdings
from runtime.people.resets import Resets
from runtime.people.retention import Retention
from runtime.pipelines.moving import Mover
from runtime.pipelines.rule import StageFiller, StageKeeper, StageRule
from runtime.pipelines.service import Pipelines
from runtime.records.batches import Batches
from runtime.records.merges import Merges
from runtime.records.recomputing import Recompute
from runtime.records.seams import Seams
from runtime.records.service import Records
from runtime.records.trash import Trash
from runtime.scenarios.rehearsing import Rehearsals
from runtime.secrets.sealing import Sealer
from runtime.services import Services
from runtime.settings import Settings, load_settings
from runtime.sharing.captcha import ProofOfWork, VerifyingService
from runtime.sharing.form_files import FormFiles
from runtime.sharing.forms import Forms
from runtime.sharing.shares import Shares
from runtime.ticking.ticker import Due, Ticker
from runtime.timers.arming import TimersReaction
from runtime.timers.firing import ActionEffects
from runtime.timers.service import Timers
from runtime.upkeep.clearing import Clearing
from runtime.upkeep.pruning import Pruning
from runtime.upkeep.schedule import Upkeep
from runtime.upkeep.search_indexes import SearchIndexes
from runtime.upkeep.trash import TrashPruning

if TYPE_CHECKING:
    from fastapi import FastAPI

    from runtime.identity.provider import Provider
    from runtime.identity.provider_logins import ProviderLogins

Announce = Callable[[str], None]

_WEB_LOOKS = 60
_WEB_LOOK_SECONDS = 0.5


class App:
    """The ASGI application of one instance. ``services`` is what it stands on; ``running()`` is its life."""

    def __init__(self, services: Services, *, announce: Announce | None = None) -> None:
        self.services = services
        self._announce = announce
        self._records = RecordsApi(services)
        self._files = FilesApi(services)
        self._health = HealthApi(services)
        self._edge = Edge(
            self._dispatch, settings=services.settings, ids=services.ids, log=services.log, metrics=services.metrics
        )

    @cached_property
    def web(self) -> FastAPI:
        """Everything that is not the hot path, with the framework under it: read and put together when it is first asked for (half a second)."""
        from runtime.api.web import make_web

        return make_web(self.services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        await self._edge(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        # records are served without the framework: they are what front ends ask for all day
        if scope["type"] == "http" and FilesApi.owns(scope["path"]):
            await self._files(scope, receive, send)
        elif scope["type"] == "http" and RecordsApi.owns(scope["path"]):
            await self._records(scope, receive, send)
        elif scope["type"] == "http" and HealthApi.owns(scope["path"]):
            await self._health(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            if "web" not in vars(self):
                await asyncio.to_thread(getattr, self, "web")
            await self.web(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and stop as the server says (ASGI lifespan)."""
        await receive()
        said = "startup"
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                said = "shutdown"
                leaving = asyncio.ensure_future(receive())
                await self._read_web(leaving)
                await leaving
            await send({"type": "lifespan.shutdown.complete"})
        except BaseException as error:
            await send({"type": f"lifespan.{said}.failed", "message": str(error)})
            raise

    async def _read_web(self, leaving: asyncio.Future[Any]) -> None:
        """Read the framework when no request has come for a moment: it takes the interpreter from those that are served meanwhile.

        Who asks for what needs it does not wait for that; and after half a minute nobody does.
        """
        for _ in range(_WEB_LOOKS):
            before = self.services.metrics.requests
            await asyncio.wait((leaving,), timeout=_WEB_LOOK_SECONDS)
            if leaving.done():
                return
            if self.services.metrics.requests == before:
                break
        await asyncio.to_thread(getattr, self, "web")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        """Migrate, open connections, prepare the first start; on the way out finish what is under way and close."""
        database = self.services.database
        await asyncio.to_thread(upgrade, database)
        await database.start()
        try:
            await self._prepare()
            if self.services.settings.background:
                self.services.ticker.start()
            yield self
        finally:
            await self.services.ticker.stop()
            await self.services.resets.settle()
            self.services.records.feeds.following.stop()
            await self.services.files.store.close()
            await database.stop()
            database.close()

    async def _prepare(self) -> None:
        """Do what the first start needs: the demo, and an admin or a link to become it (last: the link works at once then)."""
        settings = self.services.settings
        if settings.demo is not None:
            await install_demo(self.services, settings.demo)
        if settings.admin_username is not None or self._announce is not None:
            link = await asyncio.to_thread(_first_admin_link, self.services)
            if link is not None and self._announce is not None:
                self._announce(link)


def _first_admin_link(services: Services) -> str | None:
    settings = services.settings
    password = settings.admin_password.get_secret_value() if settings.admin_password else None
    secret = services.identity.setup.ensure_first_admin(settings.admin_username, password)
    return None if secret is None else f"{settings.address}{SETUP_PATH}{secret}"


async def install_demo(services: Services, key: str) -> None:
    """Install a bundled template unless its app is there already."""
    from runtime.install import install_template

    await install_template(services, key)


def make_services(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    log_stream: BinaryIO | None = None,
    outward: Outward | None = None,
) -> Services:
    """Open the database and make the services, without serving (the command line uses them too).

    Args:
        outward: where what leaves the house goes instead (scenarios put it down where expectations find it).
    """
    clock = clock or SystemClock()
    ids = ids or SystemIds(clock)
    database = open_database(
        settings.database_url, durable=settings.sqlite_durable, connections=settings.postgres_connections
    )
    log = make_log(clock, form=settings.log_format, level=settings.log_level, stream=log_stream)
    sealer = Sealer([key.get_secret_value() for key in settings.secret_keys], settings.secret_file)
    lifetime = timedelta(hours=settings.session_hours)
    rules = PasswordRules(
        settings.password_length, settings.password_kinds, settings.password_days, settings.password_former
    )
    identity = make_identity(database, clock, ids, sealer=sealer, session_lifetime=lifetime, password_rules=rules)
    outbound = Outbound(Allowed(settings.outbound_allow))
    provider = _make_provider(settings, outbound, clock)
    road = Roads(outbound)
    delivery = make_delivery(
        database, clock, ids, identity.audit, sealer=sealer, roads=road, public_url=settings.public_url
    )
    rehearsals = scratch_rehearsals()
    registry = Registry(database, clock, ids, rehearse=rehearsals.violations)
    expressions = Expressions()
    mover = Mover(lambda: ports)
    authenticator = Authenticator(database, clock)
    course = Course(lambda: ports, authenticator.find_actor)
    assigner = RuleAssigner(lambda: ports)
    ports = Ports(
        people=PlatformPeople(),
        expressions=expressions,
        stages=mover,
        approvals=course,
        outward=outward or delivery.outbox,
        assigner=assigner,
        names=PlatformNames(authenticator.find_actor, clock),
    )
    followers = (StageKeeper(expressions), VoidReaction(), TimersReaction(), PoolKeeper(expressions))
    reactions = (*followers, AutomationReaction(lambda: ports))
    seams = Seams((StageRule(), LockRule()), reactions, (StageFiller(),))
    records = Records(database, registry, clock, ids, seams)
    timers = Timers(database, records, clock, ids, ActionEffects(ports))
    courier = Courier(
        delivery.rows, delivery.connections, clock, log, roads=delivery.roads, answered=Answers(records, log)
    )
    letters = DirectLetters(delivery.connections, delivery.roads, clock, ids, settings.mail_connection)
    resets = Resets(
        database,
        clock,
        identity.setup,
        identity.audit,
        letters,
        log,
        address=None if settings.public_url is None else settings.public_url + SETUP_PATH,
    )
    jobs = JobRows(database, clock, ids)
    holdings = Holdings(database, registry, records)
    handover = Handover(database, records, holdings, identity.users, identity.departments, jobs, identity.audit)
    directory_sync = DirectorySync(database, delivery.connections, identity.directory, jobs, delivery.roads)
    files = Files(
        database,
        _make_store(settings, clock),
        settings.files_folder,
        clock=clock,
        ids=ids,
        file_bytes=settings.file_bytes,
    )
    captchas = (ProofOfWork(database, clock, ids, sealer), _captcha_service(settings, outbound))
    upkeep = (
        Pruning(settings, clock),
        TrashPruning(database, records, clock, settings.keep_trash_days),
        Clearing(database, files, clock),
        directory_sync,
    )
    orderers = Orderers(records, authenticator, identity.users)
    imports = RecordImports(database, records, orderers, jobs)
    exports = RecordExports(database, records, orderers, jobs)
    job_runner = JobRunner(jobs, (handover, Recompute(database, records), imports, exports, *upkeep), log)
    runner = Runner(database, records, ports, clock)
    schedules = Schedules(database, records, ports, clock, ids)
    app_events = AppEvents(database, records, ports, clock, ids)
    approvals = Approvals(database, records, course, clock, ids)
    assignments = Assignments(database, records, assigner, clock)
    metrics = Metrics(version=version("dougong"), dialect=database.dialect)
    works = (
        Due("timers", timers.run_due),
        Due("schedules", schedules.run_due),
        Due("app events", app_events.run_due),
        Due("automations", runner.run_due),
        Due("approvals", approvals.tend_due),
        Due("pools", assignments.reclaim_due),
        courier,
        Upkeep(database, jobs, settings.upkeep_cron, [kind.name for kind in upkeep]),
        job_runner,
        SearchIndexes(registry, settings.search_index_from, log, lambda: metrics.requests),
        Retention(identity.audit, settings.audit_days),
    )
    return Services(
        settings=settings,
        database=database,
        clock=clock,
        ids=ids,
        log=log,
        metrics=metrics,
        identity=identity,
        authenticator=authenticator,
        registry=registry,
        records=records,
        batches=Batches(database, records),
        trash=Trash(database, records),
        merges=Merges(records, settings.keep_trash_days),
        pipelines=Pipelines(database, records, mover),
        approvals=approvals,
        automations=Automations(database, records, ports),
        runner=runner,
        schedules=schedules,
        app_events=app_events,
        hooks=Hooks(database, records, ports, clock, ids, sealer=sealer),
        assignments=assignments,
        absences=Absences(database, clock, ids),
        files=files,
        timers=timers,
        delivery=delivery,
        jobs=jobs,
        job_runner=job_runner,
        imports=imports,
        exports=exports,
        handover=handover,
        directory_sync=directory_sync,
        resets=resets,
        personal_data=PersonalData(database, clock, records, holdings, identity.users, identity.audit),
        shares=Shares(database, clock, ids, records, authenticator, identity.passwords, identity.audit, sealer),
        forms=Forms(database, clock, records, {each.name: each for each in captchas}, FormFiles(files, sealer), log),
        provider=provider,
        provider_logins=_make_logins(provider, database, clock, ids, identity),
        ticker=Ticker(works, clock, log),
        rehearsals=rehearsals,
    )


def scratch_rehearsals() -> Rehearsals:
    """Return what plays scenarios on instances made here; it needs no database of its own."""
    return Rehearsals(_scratch_app)


def _scratch_app(settings: Settings, *, clock: Clock, ids: Ids, log_stream: BinaryIO, outward: Outward) -> App:
    """Make the instance on which a scenario is played."""
    return App(make_services(settings, clock=clock, ids=ids, log_stream=log_stream, outward=outward))


def _captcha_service(settings: Settings, outbound: Outbound) -> VerifyingService:
    secret = settings.captcha_secret
    known = None if secret is None else secret.get_secret_value()
    return VerifyingService(outbound, settings.captcha_url, known, settings.captcha_site_key)


def _make_provider(settings: Settings, outbound: Outbound, clock: Clock) -> Provider | None:
    """Return the login provider that the settings name."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None or settings.public_url is None:
        return None
    from runtime.identity.provider import Provider, ProviderSettings

    secret = settings.oidc_client_secret
    named = ProviderSettings(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=None if secret is None else secret.get_secret_value(),
        label=settings.oidc_label,
        public_url=settings.public_url,
        link=settings.oidc_link,
        create=settings.oidc_create,
        role=settings.oidc_role,
        department=settings.oidc_department,
    )
    return Provider(named, outbound, clock)


def _make_logins(
    provider: Provider | None, database: Database, clock: Clock, ids: Ids, identity: Identity
) -> ProviderLogins | None:
    if provider is None:
        return None
    from runtime.identity.provider_logins import ProviderLogins

    return ProviderLogins(database, clock, ids, identity.users, identity.sessions, identity.audit, provider.settings)


def _make_store(settings: Settings, clock: Clock) -> FileStore:
    key, secret = settings.s3_access_key, settings.s3_secret_key
    if settings.s3_endpoint is None or settings.s3_bucket is None or key is None or secret is None:
        return LocalStore(settings.files_folder)
    from runtime.files.s3 import S3Store
    from runtime.net.s3 import S3Client, S3Place

    place = S3Place(
        settings.s3_endpoint, settings.s3_region, settings.s3_bucket, key.get_secret_value(), secret.get_secret_value()
    )
    return S3Store(S3Client(place, clock), settings.s3_prefix)


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    log_stream: BinaryIO | None = None,
    announce: Announce | None = None,
) -> App:
    """Make one instance.

    Args:
        clock, ids: the machine's by default; tests and scenarios give their own.
        log_stream: where the log goes; standard error by default.
        announce: is told the one-time link of the first admin, if one is needed; without it no link is made.
    """
    return App(make_services(settings, clock=clock, ids=ids, log_stream=log_stream), announce=announce)


def app_from_environment() -> App:
    """Make an instance from the environment and the settings file: ``uvicorn --factory runtime.app:app_from_environment``."""
    return create_app(load_settings())
