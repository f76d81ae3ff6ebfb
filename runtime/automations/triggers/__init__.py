"""Kinds of triggers: one file each, with the model of ``builder/definition/triggers``; a new kind is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.definition.triggers.base import TriggerModel
from runtime.automations.triggers.all_done import AllDoneKind
from runtime.automations.triggers.app_event import AppEventKind
from runtime.automations.triggers.base import TriggerKind
from runtime.automations.triggers.button import ButtonKind
from runtime.automations.triggers.changed import ChangedKind
from runtime.automations.triggers.created import CreatedKind
from runtime.automations.triggers.date import DateReachedKind
from runtime.automations.triggers.deleted import DeletedKind
from runtime.automations.triggers.schedule import ScheduleKind
from runtime.automations.triggers.stage import StageMovedKind
from runtime.automations.triggers.webhook import WebhookKind

KINDS: tuple[TriggerKind[Any], ...] = (
    CreatedKind(),
    ChangedKind(),
    DeletedKind(),
    StageMovedKind(),
    AllDoneKind(),
    ButtonKind(),
    DateReachedKind(),
    ScheduleKind(),
    WebhookKind(),
    AppEventKind(),
)
BY_MODEL: Mapping[type[TriggerModel], TriggerKind[Any]] = {kind.model: kind for kind in KINDS}
