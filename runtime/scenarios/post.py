"""What would leave the house, put down in the scratch database instead: in the same transactions, so what is undone was never said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.store.database import Database
from builder.store.statement import Query, Unit
from builder.store.types import Instant, Whole, Words
from runtime.automations.ports import Call, Letter
from runtime.records.writer import Writing

JSON = Any
metadata = sa.MetaData()
posted = sa.Table(
    "dougong_scenario_post",
    metadata,
    sa.Column("place", sa.Integer(), primary_key=True, autoincrement=True),
    sa.Column("key", Words, nullable=False, unique=True),
    sa.Column("kind", Words, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("body", Words, nullable=False),
    sa.Column("seen", Whole, nullable=False),
)


class Posted(NamedTuple):
    """One message or request that was put down and that no expectation has named yet."""

    place: int
    kind: str
    """``letter`` or ``call``."""
    at: str
    body: dict[str, JSON]


class ScratchPost:
    """The way out that leads nowhere (``runtime.automations.ports.Outward``)."""

    def post_letter(self, w: Writing, letter: Letter) -> Unit[None]:
        """Put down a message."""
        yield from _post(w, letter.key, "letter", letter._asdict())

    def post_call(self, w: Writing, call: Call) -> Unit[None]:
        """Put down a request."""
        yield from _post(w, call.key, "call", call._asdict())


def _post(w: Writing, key: str, kind: str, body: dict[str, JSON]) -> Unit[None]:
    from sqlalchemy.dialects.sqlite import insert

    columns = [column for column in posted.c if column.name != "place"]
    values = {column.name: sa.bindparam(column.name, type_=column.type) for column in columns}
    statement = w.statements.kept(
        ("scenario_post",), lambda _: insert(posted).values(values).on_conflict_do_nothing(index_elements=["key"])
    )
    yield Query(statement, {"key": key, "kind": kind, "at": w.now, "body": dump_json(body).decode(), "seen": 0})


def unseen(database: Database, kind: str | None = None) -> list[Posted]:
    """Return what no expectation has named yet, in order."""
    chosen = sa.select(posted).where(posted.c.seen == 0).order_by(posted.c.place)
    if kind is not None:
        chosen = chosen.where(posted.c.kind == kind)
    with database.snapshot() as connection:
        rows = connection.execute(chosen).all()
    return [Posted(row.place, row.kind, row.at.isoformat(), parse_json(row.body)) for row in rows]


def mark_seen(database: Database, found: Sequence[Posted]) -> None:
    """An expectation has named these."""
    if found:
        with database.transaction() as connection:
            places = [one.place for one in found]
            connection.execute(sa.update(posted).where(posted.c.place.in_(places)).values(seen=1))
