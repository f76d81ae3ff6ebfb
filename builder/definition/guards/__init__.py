"""Kinds of guards: one file each. A new kind is one file, one line here and one in ``runtime/pipelines/guards``."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Discriminator

from builder.definition.guards.approval import ApprovalGuard
from builder.definition.guards.base import GuardModel
from builder.definition.guards.checklist import ChecklistGuard
from builder.definition.guards.evidence import EvidenceGuard
from builder.definition.guards.formula import FormulaGuard
from builder.definition.guards.geofence import GeofenceGuard
from builder.definition.guards.records import RecordsGuard
from builder.definition.guards.required import RequiredGuard
from builder.definition.guards.time_window import TimeWindowGuard
from builder.fields.base import Option
from builder.kernel.limits import GUARDS_PER_LIST

AnyGuard = Annotated[
    FormulaGuard
    | RequiredGuard
    | EvidenceGuard
    | RecordsGuard
    | GeofenceGuard
    | TimeWindowGuard
    | ChecklistGuard
    | ApprovalGuard,
    Discriminator("type"),
]
Guards = Annotated[tuple[AnyGuard, ...], Option(max_length=GUARDS_PER_LIST)]

ALL: tuple[type[GuardModel], ...] = get_args(get_args(AnyGuard)[0])
