"""Kinds of actions: one file each. A new kind is one file, one line here and one in ``runtime/automations/actions``."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Discriminator

from builder.definition.actions.assign import Assign
from builder.definition.actions.base import ActionModel
from builder.definition.actions.call_connector import CallConnector
from builder.definition.actions.create_record import CreateRecord
from builder.definition.actions.create_task import CreateTask
from builder.definition.actions.move_stage import MoveStage
from builder.definition.actions.notify import Notify
from builder.definition.actions.send_webhook import SendWebhook
from builder.definition.actions.set_fields import SetFields
from builder.definition.actions.start_approval import StartApproval
from builder.definition.actions.update_records import UpdateRecords
from builder.fields.base import Option
from builder.kernel.limits import ACTIONS_PER_DOCUMENT

AnyAction = Annotated[
    SetFields
    | CreateRecord
    | UpdateRecords
    | CreateTask
    | Assign
    | MoveStage
    | StartApproval
    | Notify
    | SendWebhook
    | CallConnector,
    Discriminator("type"),
]
Actions = Annotated[tuple[AnyAction, ...], Option(max_length=ACTIONS_PER_DOCUMENT)]
"""Actions of a document that has an ``entity``, in the order in which they are carried out."""

ALL: tuple[type[ActionModel], ...] = get_args(get_args(AnyAction)[0])
