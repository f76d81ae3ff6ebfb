"""Kinds of triggers: one file each. A new kind is one file and one line here, and one in ``runtime/automations/triggers``."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Discriminator

from builder.definition.triggers.all_done import AllDone
from builder.definition.triggers.app_event import AppEvent
from builder.definition.triggers.base import TriggerModel
from builder.definition.triggers.button import Button
from builder.definition.triggers.changed import Changed
from builder.definition.triggers.created import Created
from builder.definition.triggers.date import DateReached
from builder.definition.triggers.deleted import Deleted
from builder.definition.triggers.schedule import Schedule
from builder.definition.triggers.stage import StageMoved
from builder.definition.triggers.webhook import Webhook

AnyTrigger = Annotated[
    Created | Changed | Deleted | StageMoved | AllDone | Button | DateReached | Schedule | Webhook | AppEvent,
    Discriminator("type"),
]

ALL: tuple[type[TriggerModel], ...] = get_args(get_args(AnyTrigger)[0])
