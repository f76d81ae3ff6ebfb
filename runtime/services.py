"""What one instance stands on, made once by the composition root and handed to every room that needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.kernel.clock import Clock
from builder.kernel.ids import Ids
from builder.registry.registry import Registry
from builder.store.database import Database
from runtime.approvals.service import Approvals
from runtime.assignments.absences import Absences
from runtime.assignments.service import Assignments
from runtime.automations.app_events import AppEvents
from runtime.automations.hooks import Hooks
from runtime.automations.runner import Runner
from runtime.automations.schedules import Schedules
from runtime.automations.service import Automations
from runtime.exports.records import RecordExports
from runtime.files.service import Files
from runtime.identity.actors import Authenticator
from runtime.identity.service import Identity
from runtime.imports.records import RecordImports
from runtime.jobs.rows import JobRows
from runtime.jobs.runner import JobRunner
from runtime.observe.logs import Log
from runtime.observe.metrics import Metrics
from runtime.outbox.service import Delivery
from runtime.people.directory_sync import DirectorySync
from runtime.people.erasure import PersonalData
from runtime.people.handover import Handover
from runtime.people.resets import Resets
from runtime.pipelines.service import Pipelines
from runtime.records.batches import Batches
from runtime.records.merges import Merges
from runtime.records.service import Records
from runtime.records.trash import Trash
from runtime.settings import Settings
from runtime.sharing.forms import Forms
from runtime.sharing.shares import Shares
from runtime.ticking.ticker import Ticker
from runtime.timers.service import Timers

if TYPE_CHECKING:
    from runtime.identity.provider import Provider
    from runtime.identity.provider_logins import ProviderLogins
    from runtime.scenarios.rehearsing import Rehearsals


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an instance is made of; two instances share nothing."""

    settings: Settings
    database: Database
    clock: Clock
    ids: Ids
    log: Log
    metrics: Metrics
    identity: Identity
    authenticator: Authenticator
    registry: Registry
    records: Records
    batches: Batches
    trash: Trash
    merges: Merges
    pipelines: Pipelines
    approvals: Approvals
    automations: Automations
    runner: Runner
    schedules: Schedules
    app_events: AppEvents
    hooks: Hooks
    assignments: Assignments
    absences: Absences
    files: Files
    delivery: Delivery
    jobs: JobRows
    job_runner: JobRunner
    imports: RecordImports
    exports: RecordExports
    handover: Handover
    directory_sync: DirectorySync
    resets: Resets
    personal_data: PersonalData
    provider: Provider | None
    """None: the settings name no login provider."""
    provider_logins: ProviderLogins | None
    shares: Shares
    forms: Forms
    ticker: Ticker
    timers: Timers
    rehearsals: Rehearsals
