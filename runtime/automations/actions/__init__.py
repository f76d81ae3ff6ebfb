"""Kinds of actions: one file each, with the model of ``builder/definition/actions``; a new kind is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.definition.actions.base import ActionModel
from runtime.automations.actions.assign import AssignKind
from runtime.automations.actions.base import ActionKind
from runtime.automations.actions.call_connector import CallConnectorKind
from runtime.automations.actions.create_record import CreateRecordKind
from runtime.automations.actions.create_task import CreateTaskKind
from runtime.automations.actions.move_stage import MoveStageKind
from runtime.automations.actions.notify import NotifyKind
from runtime.automations.actions.send_webhook import SendWebhookKind
from runtime.automations.actions.set_fields import SetFieldsKind
from runtime.automations.actions.start_approval import StartApprovalKind
from runtime.automations.actions.update_records import UpdateRecordsKind

KINDS: tuple[ActionKind[Any], ...] = (
    SetFieldsKind(),
    CreateRecordKind(),
    UpdateRecordsKind(),
    CreateTaskKind(),
    AssignKind(),
    MoveStageKind(),
    StartApprovalKind(),
    NotifyKind(),
    SendWebhookKind(),
    CallConnectorKind(),
)
BY_MODEL: Mapping[type[ActionModel], ActionKind[Any]] = {kind.model: kind for kind in KINDS}
