"""API tokens: secrets for programs, narrowed by scopes. Reads and writes: dougong_token (hashes of secrets), security events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from builder.kernel.canonical import dump_sorted, parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, find_uuid, secret_hash
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import Text, say
from builder.store.database import Database
from builder.store.tables import token as table
from runtime.identity.actors import ROLES, TOKEN_PREFIX
from runtime.identity.audit import SYSTEM_ORIGIN, Audit, Origin
from runtime.identity.epoch import raise_epoch, take_turns
from runtime.identity.scopes import ADMIN, APP, BUILDER, SCOPES, is_scope
from runtime.identity.users import NAME_LENGTH, User

PER_USER = 100


@dataclass(frozen=True, slots=True)
class Token:
    """One token, without its secret."""

    id: str
    user_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None


class Tokens:
    """Makes and revokes tokens."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, audit: Audit) -> None:
        self._audit = audit
        self._database = database
        self._clock = clock
        self._ids = ids

    def create_token(
        self,
        user: User,
        name: str,
        scopes: Sequence[str],
        expires_at: datetime | None = None,
        *,
        by: Origin = SYSTEM_ORIGIN,
    ) -> tuple[str, Token]:
        """Make a token that acts as a user; returns its secret (this once) and what is kept of it.

        Raises:
            Problem: ``identity.invalid``: unknown scopes, scopes above the user's role, an expiry in the past;
                ``identity.conflict``: a hundred tokens are enough.
        """
        now = self._clock.now()
        violations = _violations(user, name, scopes, expires_at, now)
        if violations:
            raise Problem("identity.invalid", say("令牌资料有误", "Invalid token"), violations=violations)
        secret = TOKEN_PREFIX + self._ids.secret()
        made = Token(self._ids.record_id(), user.id, name.strip(), tuple(sorted(set(scopes))), now, expires_at)
        with self._database.transaction() as connection:
            if len(connection.execute(_usable(user.id, now)).all()) >= PER_USER:
                raise Problem(
                    "identity.conflict",
                    say(f"令牌已有 {PER_USER} 个,请先撤销一些", f"There are {PER_USER} tokens already"),
                )
            connection.execute(
                sa.insert(table).values(
                    id=made.id,
                    user_id=made.user_id,
                    name=made.name,
                    secret_hash=secret_hash(secret),
                    scopes=dump_sorted(list(made.scopes)).decode(),
                    created_at=now,
                    expires_at=expires_at,
                )
            )
            detail = {"user": user.id, "name": made.name, "scopes": list(made.scopes)}
            self._audit.note(connection, "token.created", by, made.id, detail)
        return secret, made

    def list_tokens(self, user_id: str) -> list[Token]:
        """Return a user's tokens that can still be used, newest first."""
        with self._database.snapshot() as connection:
            rows = connection.execute(_usable(user_id, self._clock.now()).order_by(table.c.id.desc())).all()
        return [_token(row) for row in rows]

    def revoke_token(self, token_id: str, *, owner: str | None, by: Origin = SYSTEM_ORIGIN) -> None:
        """End a token; it is refused from the next request on.

        Args:
            owner: only if it belongs to this user; None = whoever's it is.

        Raises:
            Problem: ``identity.not_found``.
        """
        known = find_uuid(token_id)
        condition = [table.c.id == known, table.c.revoked_at.is_(None)]
        if owner is not None:
            condition.append(table.c.user_id == owner)
        with self._database.transaction() as connection:
            take_turns(connection)
            change = sa.update(table).where(*condition).values(revoked_at=self._clock.now())
            if known is None or not connection.execute(change).rowcount:
                raise Problem("identity.not_found", say("没有这个令牌", "There is no such token"))
            raise_epoch(connection)
            self._audit.note(connection, "token.revoked", by, known)


def revoke_all(connection: sa.Connection, user_id: str, at: datetime) -> None:
    """End every token of a user inside a transaction that raises the epoch."""
    usable = sa.update(table).where(table.c.user_id == user_id, table.c.revoked_at.is_(None))
    connection.execute(usable.values(revoked_at=at))


def _usable(user_id: str, now: datetime) -> sa.Select[Any]:
    lasts = sa.or_(table.c.expires_at.is_(None), table.c.expires_at > now)
    return sa.select(table).where(table.c.user_id == user_id, table.c.revoked_at.is_(None), lasts)


def _token(row: Any) -> Token:
    return Token(row.id, row.user_id, row.name, tuple(parse_json(row.scopes)), row.created_at, row.expires_at)


def _violations(
    user: User, name: str, scopes: Sequence[str], expires_at: datetime | None, now: datetime
) -> list[Violation]:
    found = []
    if not 0 < len(name.strip()) <= NAME_LENGTH:
        text = say(f"名称须有 1 至 {NAME_LENGTH} 个字符", f"A name has 1 to {NAME_LENGTH} characters")
        found.append(Violation("name", "/name", text))
    if all(scope.startswith(APP) for scope in scopes):
        text = say(f"至少给出一个权限:{'、'.join(SCOPES)}", f"Give at least one scope of {', '.join(SCOPES)}")
        found.append(Violation("scopes", "/scopes", text, {"scopes": list(SCOPES)}))
    for index, scope in enumerate(scopes):
        if not is_scope(scope):
            hint = nearest_hint(scope, SCOPES)
            text = Text(f"没有权限 {scope}{hint.zh}", f"There is no scope {scope}{hint.en}")
            found.append(Violation("unknown", f"/scopes/{index}", text))
        elif scope in (BUILDER, ADMIN) and ROLES.index(user.role) < ROLES.index(scope):
            text = say(f"权限 {scope} 超出角色 {user.role}", f"The scope {scope} is above the role {user.role}")
            found.append(Violation("above_role", f"/scopes/{index}", text))
    if expires_at is not None and expires_at <= now:
        found.append(Violation("past", "/expires_at", say("到期时间已过", "This moment has passed")))
    return found
