"""A record's own values for the evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from builder.compiled.app import CompiledEntity
from builder.fields.base import Invalid


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


def shown_value(entity: CompiledEntity, key: str, shown: Mapping[str, Any]) -> Any:
    """Return the canonical value of a field of a record that the API shows so; a value that no rule would take any more is blank."""
    definition = entity.find_field(key)
    if definition is not None and definition.shows is not None:
        key, definition = definition.shows, entity.system[definition.shows]
    given = shown.get(key)
    if given is None or definition is None:
        return None
    try:
        return definition.coerce(given)
    except Invalid:
        return None
