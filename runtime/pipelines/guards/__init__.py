"""Kinds of guards: one file each, with the same name as its model in ``builder/definition/guards``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.definition.guards.base import GuardModel
from runtime.pipelines.guards.approval import ApprovalKind
from runtime.pipelines.guards.base import GuardKind
from runtime.pipelines.guards.checklist import ChecklistKind
from runtime.pipelines.guards.evidence import EvidenceKind
from runtime.pipelines.guards.formula import FormulaKind
from runtime.pipelines.guards.geofence import GeofenceKind
from runtime.pipelines.guards.records import RecordsKind
from runtime.pipelines.guards.required import RequiredKind
from runtime.pipelines.guards.time_window import TimeWindowKind

KINDS: tuple[GuardKind[Any], ...] = (
    FormulaKind(),
    RequiredKind(),
    EvidenceKind(),
    RecordsKind(),
    GeofenceKind(),
    TimeWindowKind(),
    ChecklistKind(),
    ApprovalKind(),
)
BY_MODEL: Mapping[type[GuardModel], GuardKind[Any]] = {kind.model: kind for kind in KINDS}
