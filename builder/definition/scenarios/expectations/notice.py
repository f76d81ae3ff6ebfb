"""``notice``: what somebody has been told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from builder.definition.scenarios.base import Expectation, Name
from builder.fields.base import Key, Option


class Notice(Expectation):
    """People have been told something since the last expectation that named it."""

    type: Literal["notice"] = "notice"
    to: Annotated[tuple[Name, ...], Option(min_length=1)]
    """Users of the scenario: all of them, and nobody else."""
    says: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    """A part of its subject or text, in either language."""
    channel: Key | None = None
    """The connection; the inbox if left out."""
    count: Annotated[int, Option(ge=0, le=1_000)] = 1
    """How often; 0 = it must not have come."""
