"""Kinds of expectations: one file each. A new kind is one file, one line here and one in ``runtime/scenarios/expectations``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator

from builder.definition.scenarios.expectations.call import Call
from builder.definition.scenarios.expectations.nothing_else import NothingElse
from builder.definition.scenarios.expectations.notice import Notice
from builder.definition.scenarios.expectations.record import Record
from builder.definition.scenarios.expectations.records import Records
from builder.definition.scenarios.expectations.stage import Stage
from builder.definition.scenarios.expectations.timers import Timers

AnyExpectation = Annotated[Record | Records | Stage | Timers | Notice | Call | NothingElse, Discriminator("type")]
