"""Fields that lead to several records: where their rows are, and how the record shown is reached from a row."""

from __future__ import annotations

from typing import Self

from pydantic import PrivateAttr

from builder.fields.base import Field, Key

SOURCE = "_source"
TARGET = "_target"
"""The two ends of a link; no key of an app begins so."""
LINK_DOT = "."
"""Between entity and field in the key of a link's entity."""
_SIDE = ":"


class ManyField(Field):
    """A to-many relation. Its rows are the records themselves, or links that lead on to them."""

    entity: Key
    _link: str = PrivateAttr("")

    @property
    def rows(self) -> str:
        """The entity whose records are the rows."""
        return self._link or self.entity

    @property
    def by(self) -> str:
        """The reference field of the rows that points here."""
        raise NotImplementedError(type(self).__name__)

    @property
    def through(self) -> tuple[str, ...]:
        """The steps from a row to the record that is shown."""
        return ()

    @property
    def names(self) -> str:
        """Where names behind the relation are looked up: an entity, or a link seen from one side."""
        return f"{self._link}{_SIDE}{self.through[0]}" if self._link else self.entity

    def linked(self, link: str) -> Self:
        """Return the field with the entity of its links."""
        made = self.model_copy()
        made._link = link
        return made


def link_key(entity: str, field: str) -> str:
    """Return the key of the entity that a field's links are records of."""
    return f"{entity}{LINK_DOT}{field}"


def side_of(name: str) -> tuple[str, str] | None:
    """Split where names are looked up into a link's entity and the end that is shown; None for a plain entity."""
    link, found, end = name.partition(_SIDE)
    return (link, end) if found else None
