"""``stage``: where a record stands."""

from __future__ import annotations

from typing import Literal

from builder.definition.scenarios.base import Expectation, FieldKey, Name


class Stage(Expectation):
    """A record is in a stage (and node) of its pipeline."""

    type: Literal["stage"] = "stage"
    record: Name
    stage: FieldKey
    node: FieldKey | None = None
