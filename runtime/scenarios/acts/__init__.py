"""Kinds of acts: one file each, with the model of ``builder/definition/scenarios/acts``; a new kind is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.definition.scenarios.base import Act
from runtime.scenarios.acts.acknowledge import AcknowledgeKind
from runtime.scenarios.acts.advance import AdvanceKind
from runtime.scenarios.acts.answer import AnswerKind
from runtime.scenarios.acts.app_event import AppEventKind
from runtime.scenarios.acts.create import CreateKind
from runtime.scenarios.acts.delete import DeleteKind
from runtime.scenarios.acts.message import MessageKind
from runtime.scenarios.acts.move import MoveKind
from runtime.scenarios.acts.request import RequestKind
from runtime.scenarios.acts.snooze import SnoozeKind
from runtime.scenarios.acts.update import UpdateKind
from runtime.scenarios.acts.upload import UploadKind
from runtime.scenarios.base import ActKind

KINDS: tuple[ActKind[Any], ...] = (
    CreateKind(),
    UpdateKind(),
    DeleteKind(),
    MoveKind(),
    AnswerKind(),
    UploadKind(),
    AcknowledgeKind(),
    SnoozeKind(),
    RequestKind(),
    MessageKind(),
    AppEventKind(),
    AdvanceKind(),
)
BY_MODEL: Mapping[type[Act], ActKind[Any]] = {kind.model: kind for kind in KINDS}
