"""Kinds of expectations: one file each, with the model of ``builder/definition/scenarios/expectations``; a new kind is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.definition.scenarios.base import Expectation
from runtime.scenarios.base import ExpectationKind
from runtime.scenarios.expectations.call import CallKind
from runtime.scenarios.expectations.nothing_else import NothingElseKind
from runtime.scenarios.expectations.notice import NoticeKind
from runtime.scenarios.expectations.record import RecordKind
from runtime.scenarios.expectations.records import RecordsKind
from runtime.scenarios.expectations.stage import StageKind
from runtime.scenarios.expectations.timers import TimersKind

KINDS: tuple[ExpectationKind[Any], ...] = (
    RecordKind(),
    RecordsKind(),
    StageKind(),
    TimersKind(),
    NoticeKind(),
    CallKind(),
    NothingElseKind(),
)
BY_MODEL: Mapping[type[Expectation], ExpectationKind[Any]] = {kind.model: kind for kind in KINDS}
