"""A record's own values for the evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class OwnValues:
    """A record's own values as the evaluator reads them."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def value(self, steps: tuple[str, ...]) -> Any:
        """The value of a field."""
        return self._values.get(steps[0])

    def rows(self, relation: tuple[str, ...]) -> Sequence[OwnValues]:
        """A local formula reads no related records."""
        raise AssertionError(relation)
