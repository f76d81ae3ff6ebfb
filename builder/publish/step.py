"""What every step of a plan is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import sqlalchemy as sa

from builder.kernel.ids import Ids
from builder.kernel.text import Text, say

if TYPE_CHECKING:
    from alembic.operations import Operations

Risk = Literal["safe", "backfill", "lossy", "blocked"]


class Impact(NamedTuple):
    """What a step would do to the records there are now."""

    risk: Risk
    affected_count: int = 0
    total_count: int = 0
    sample_ids: tuple[str, ...] = ()
    note: Text = say("", "")
    samples: tuple[tuple[str, Any], ...] = ()
    """Ids of records with values, as JSON, that do not fit."""


SAFE = Impact("safe")


@dataclass(frozen=True, slots=True)
class Work:
    """What a step may use while it is run, inside the publish transaction."""

    connection: sa.Connection
    dialect: str
    app: str
    version: int
    """The version being published."""
    now: datetime
    ids: Ids
    later: dict[str, list[str]] = field(default_factory=dict)
    """Entity -> computed fields that a job fills after the publish."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change. ``ddl`` and ``fill`` run in the publish transaction, ``impact`` looks before it."""

    kind: ClassVar[str]
    entity: str
    field: str = ""

    def summary(self) -> Text:
        """Say what happens, for people."""
        raise NotImplementedError(type(self).__name__)

    def ddl(self, op: Operations, dialect: str) -> None:
        """Change the schema through Alembic; also run without a database, to show the SQL of both dialects."""

    def fill(self, work: Work) -> None:
        """Change rows, after ``ddl``."""

    def impact(self, connection: sa.Connection) -> Impact:
        """Look at the records as they are before the publish."""
        return SAFE


def lightweight(table: str, *columns: tuple[str, Any]) -> sa.TableClause:
    """Return a table for statements of one step."""
    return sa.table(table, *(sa.column(name, kind) for name, kind in columns))


def operations_on(connection: sa.Connection | None, **configured: Any) -> Operations:
    """Return what schema parts of steps are run with. The library is read here: a server that publishes nothing does without."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    return Operations(MigrationContext.configure(connection, **configured))
