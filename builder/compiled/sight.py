"""What a narrowed app asks whenever a statement touches a table or a column (the port; ``runtime/access/sight.py`` implements it)."""

from __future__ import annotations

from typing import Any, Protocol

import sqlalchemy as sa

from formulas.sql import Dialect, Resolver

Element = sa.ColumnElement[Any]


class Sight(Protocol):
    """Which records are seen, and as what."""

    @property
    def key(self) -> str:
        """Names the sight within a version: statements are kept by it."""
        ...

    def rows(self, entity: str, whole: Resolver, dialect: Dialect) -> Element | None:
        """Return the condition of the records that are seen, None for all; ``whole`` finds columns that nothing is hidden of."""
        ...

    def hides_rows(self, entity: str) -> bool:
        """Whether some records of an entity are not seen."""
        ...

    def is_plain(self, entity: str, field: str) -> bool:
        """Whether a field is shown as it is of every record that is seen."""
        ...

    def value(self, entity: str, field: str, column: Element, whole: Resolver, dialect: Dialect) -> Element:
        """Return what is seen of a column."""
        ...
