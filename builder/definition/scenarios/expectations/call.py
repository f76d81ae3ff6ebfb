"""``call``: what another system has been asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from builder.definition.scenarios.base import Expectation
from builder.fields.base import Key, Option


class Call(Expectation):
    """A connection has been sent something since the last expectation that named it."""

    type: Literal["call"] = "call"
    connection: Key
    body: dict[str, Any] = Option(default_factory=dict)
    """Members that its body has, among others."""
    count: Annotated[int, Option(ge=0, le=1_000)] = 1
