"""The identity epoch: a counter in one row that grows whenever any right may have shrunk, in the transaction that shrinks it.

Rows are locked in one order, so that no two transactions wait for each other: identity, user, session.
"""

from __future__ import annotations

import sqlalchemy as sa

from builder.store import tables


def raise_epoch(connection: sa.Connection) -> None:
    """Make every remembered actor, in every process, be looked up again."""
    connection.execute(sa.update(tables.identity).values(epoch=tables.identity.c.epoch + 1))


def take_turns(connection: sa.Connection) -> None:
    """Wait until no other transaction changes users, so that rules over all of them hold (one first admin, at least one admin left)."""
    connection.execute(sa.select(tables.identity.c.id).with_for_update())
