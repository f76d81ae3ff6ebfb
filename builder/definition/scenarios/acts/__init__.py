"""Kinds of acts: one file each. A new kind is one file, one line here and one in ``runtime/scenarios/acts``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator

from builder.definition.scenarios.acts.acknowledge import Acknowledge
from builder.definition.scenarios.acts.advance import Advance
from builder.definition.scenarios.acts.answer import Answer
from builder.definition.scenarios.acts.app_event import AppEvent
from builder.definition.scenarios.acts.create import Create
from builder.definition.scenarios.acts.delete import Delete
from builder.definition.scenarios.acts.message import Message
from builder.definition.scenarios.acts.move import Move
from builder.definition.scenarios.acts.request import Request
from builder.definition.scenarios.acts.snooze import Snooze
from builder.definition.scenarios.acts.update import Update
from builder.definition.scenarios.acts.upload import Upload

AnyAct = Annotated[
    Create | Update | Delete | Move | Answer | Upload | Acknowledge | Snooze | Request | Message | AppEvent | Advance,
    Discriminator("type"),
]
