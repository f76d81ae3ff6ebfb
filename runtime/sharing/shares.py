"""Share links: one record or one view, shown to who has the link, through the eyes of who made it. See docs/decisions/0024.

Reads and writes: dougong_share, security events. Records are read by ``runtime/records`` as its maker, now: what the maker may not see
any more, the link does not show either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.fields.base import label_text
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, find_uuid, secret_hash
from builder.kernel.limits import FIELD_PATHS, LABEL_LENGTH, SHARE_DAYS, SHARES_PER_PERSON
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.sharing_tables import share as table
from builder.store.tables import user as user_table
from runtime.identity.actors import Actor, Authenticator
from runtime.identity.audit import Audit, Origin
from runtime.identity.passwords import Passwords
from runtime.identity.scopes import APP, READ
from runtime.identity.throttle import Throttle, subject_of
from runtime.query.request import ListRequest, read_members
from runtime.records.caller import Caller, StaleIdentity
from runtime.records.exporting import ask_exported, reached, require_export
from runtime.records.pins import get_entity
from runtime.records.service import Records
from runtime.secrets.sealing import Sealer

JSON = Any
SECRET_PREFIX = "dgo_"  # noqa: S105 - a mark that secret scanners can look for
DEFAULT_LIFETIME = timedelta(days=7)
OPENS_PER_VISITOR = 60
"""Of one link from one address, in fifteen minutes."""
OPENS_PER_LINK = 600
GUESSES = 10
"""Of a link's password, in fifteen minutes, whoever guesses."""
_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Share:
    """A link as who made it sees it; the secret is shown once."""

    id: str
    app: str
    entity: str
    record_id: str | None
    view: str | None
    fields: tuple[str, ...]
    label: str
    has_password: bool
    expires_at: datetime
    most_opens: int | None
    opened_count: int
    last_opened_at: datetime | None
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shared."""

    entity: str
    record_id: str | None
    view: str | None
    fields: tuple[str, ...]
    label: str = ""
    password: str | None = None
    expires_at: datetime | None = None
    most_opens: int | None = None


class Looked(NamedTuple):
    """Records as JSON texts, and what they are."""

    records: Sequence[bytes]
    next_cursor: str | None
    entity: CompiledEntity


class Opened(NamedTuple):
    """What a visitor is shown, and by which link."""

    share: Share
    looked: Looked


class Shares:
    """Makes, opens and takes back share links."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        records: Records,
        authenticator: Authenticator,
        passwords: Passwords,
        audit: Audit,
        sealer: Sealer,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._records = records
        self._authenticator = authenticator
        self._passwords = passwords
        self._audit = audit
        self._sealer = sealer
        self._throttle = Throttle(database, clock)

    # -- for who makes them --------------------------------------------------------------------------------------------

    async def create(self, caller: Caller, app: str, wish: Wish, by: Origin) -> tuple[str, Share]:
        """Make a link; return its secret and the link. What it would show is read first, with the maker's own rights.

        Raises:
            Problem: ``share.invalid``, ``access.denied``, and whatever reading the record or view raises.
        """
        maker = _maker(caller.actor)
        violations = self._violations(wish)
        if violations:
            raise Problem("share.invalid", violations=violations)
        await self._look(caller, app, wish, limit=1, cursor=None)
        secret = SECRET_PREFIX + self._ids.secret()
        hashed = None if wish.password is None else await asyncio.to_thread(self._passwords.hash, wish.password)
        return secret, await asyncio.to_thread(self._insert, maker, app, wish, secret_hash(secret), hashed, by)

    def list_shares(self, app: str, user_id: str | None) -> list[Share]:
        """Return links of an app that can still be opened, the newest first: a person's own, or everybody's (None)."""
        lasting = sa.select(table).where(
            table.c.app == app, table.c.revoked_at.is_(None), table.c.expires_at > self._clock.now()
        )
        if user_id is not None:
            lasting = lasting.where(table.c.created_by == user_id)
        with self._database.snapshot() as connection:
            rows = connection.execute(lasting.order_by(table.c.created_at.desc(), table.c.id.desc())).all()
        return [_share(row) for row in rows]

    def revoke(self, app: str, share_id: str, user_id: str | None, by: Origin) -> None:
        """Take a link back: one's own, or anybody's (None).

        Raises:
            Problem: ``share.not_found``.
        """
        known = find_uuid(share_id)
        wanted = [table.c.id == known, table.c.app == app, table.c.revoked_at.is_(None)]
        if user_id is not None:
            wanted.append(table.c.created_by == user_id)
        with self._database.transaction() as connection:
            change = sa.update(table).where(*wanted).values(revoked_at=self._clock.now())
            if known is None or not connection.execute(change).rowcount:
                raise Problem("share.not_found")
            self._audit.note(connection, "share.revoked", by, known)

    # -- for who has one -----------------------------------------------------------------------------------------------

    async def open(
        self, secret: str, password: str | None, origin: Origin, *, cursor: str | None, limit: int
    ) -> Opened:
        """Show what a link shows. Whatever makes it show nothing any more gives one answer.

        Raises:
            Problem: ``share.not_found``, ``share.password``, ``auth.throttled``, ``query.cursor``.
        """
        row = await asyncio.to_thread(self._find, secret)
        await asyncio.to_thread(self._count_visit, row, origin)
        await asyncio.to_thread(self._ask_password, row, password)
        share = _share(row)
        opened = await self._seen(share, cursor, limit)
        if cursor is None:  # turning pages is the same visit
            await asyncio.to_thread(self._note_opened, share, origin)
        return opened

    async def _seen(self, share: Share, cursor: str | None, limit: int) -> Opened:
        wish = Wish(share.entity, share.record_id, share.view, share.fields)
        place = None if cursor is None else self._open_cursor(share, cursor)
        for _ in range(_REPEATS):
            caller = await self._as_maker(share)
            try:
                looked = await self._look(caller, share.app, wish, limit=limit, cursor=place)
                return Opened(share, looked._replace(next_cursor=self._seal_cursor(share, looked.next_cursor)))
            except StaleIdentity:
                continue
            except Problem as problem:
                if problem.code in ("query.cursor", "limit.time", "service.unavailable"):
                    raise
                raise Problem("share.not_found") from None
        raise Problem("service.unavailable", retry_after_seconds=1)

    def _seal_cursor(self, share: Share, cursor: str | None) -> str | None:
        """Seal where a list goes on: a cursor tells the values it is sorted by, which the link may not show, and could be made up to ask for them."""
        return None if cursor is None else self._sealer.seal(cursor, _cursor_place(share))

    def _open_cursor(self, share: Share, sealed: str) -> str:
        try:
            return self._sealer.open(sealed, _cursor_place(share))
        except Problem:
            raise Problem("query.cursor") from None

    async def _as_maker(self, share: Share) -> Caller:
        known = await self._authenticator.see_as(share.created_by)
        if known is None or not await asyncio.to_thread(self._is_active, share.created_by):
            raise Problem("share.not_found")
        actor = replace(known.actor, scopes=frozenset({READ, APP + share.app}))
        return Caller(actor, "", "share", known.epoch)

    async def _look(self, caller: Caller, app: str, wish: Wish, *, limit: int, cursor: str | None) -> Looked:
        """Read what a link shows, as a caller who also has to be allowed to export it."""
        published = await self._records.current(caller, app)
        entity = get_entity(published, wish.entity)
        shown = reached(published, entity, wish.fields)
        require_export(caller, published, shown)

        async def ask(asking: Caller) -> Looked:
            if wish.record_id is not None:
                one = await self._records.get(asking, app, wish.entity, wish.record_id, wish.fields, ())
                return Looked([one.body], None, entity)
            page = await self._records.list_page(asking, app, wish.entity, _question(wish, limit, cursor))
            return Looked(list(page.records), page.next_cursor, entity)

        return await ask_exported(caller, shown, ask)

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _insert(self, maker: str, app: str, wish: Wish, hashed: str, password: str | None, by: Origin) -> Share:
        now = self._clock.now()
        row = {
            "id": self._ids.record_id(),
            "secret_hash": hashed,
            "app": app,
            "entity": wish.entity,
            "record_id": wish.record_id and find_uuid(wish.record_id),
            "view": wish.view,
            "fields": dump_json(list(wish.fields)).decode(),
            "label": wish.label.strip(),
            "password_hash": password,
            "expires_at": wish.expires_at or now + DEFAULT_LIFETIME,
            "most_opens": wish.most_opens,
            "opened_count": 0,
            "created_at": now,
            "created_by": maker,
        }
        with self._database.transaction() as connection:
            lasting = sa.select(sa.func.count()).where(
                table.c.created_by == maker, table.c.revoked_at.is_(None), table.c.expires_at > now
            )
            if int(connection.scalar(lasting) or 0) >= SHARES_PER_PERSON:
                text = say(
                    f"链接已有 {SHARES_PER_PERSON} 个,请先收回一些", f"There are {SHARES_PER_PERSON} links already"
                )
                raise Problem("share.invalid", text)
            connection.execute(sa.insert(table).values(**row))
            told = {"app": app, "entity": wish.entity, "record": row["record_id"], "view": wish.view}
            self._audit.note(connection, "share.created", by, str(row["id"]), {**told, "fields": list(wish.fields)})
            return _share(connection.execute(sa.select(table).where(table.c.id == row["id"])).one())

    def _find(self, secret: str) -> Any:
        c = table.c
        lasting = sa.select(table).where(
            c.secret_hash == secret_hash(secret),
            c.revoked_at.is_(None),
            c.expires_at > self._clock.now(),
            sa.or_(c.most_opens.is_(None), c.opened_count < c.most_opens),
        )
        with self._database.snapshot() as connection:
            row = connection.execute(lasting).one_or_none()
        if row is None:
            raise Problem("share.not_found")
        return row

    def _count_visit(self, row: Any, origin: Origin) -> None:
        visitor, link = subject_of("share visitor", f"{row.id} {origin.address}"), subject_of("share", row.id)
        self._throttle.count({visitor: OPENS_PER_VISITOR, link: OPENS_PER_LINK})

    def _ask_password(self, row: Any, password: str | None) -> None:
        if row.password_hash is None:
            return
        if password is None:
            raise Problem("share.password")
        guesses = subject_of("share password", row.id)
        self._throttle.count({guesses: GUESSES})
        if not self._passwords.verify(row.password_hash, password):
            raise Problem("share.password", say("访问密码不正确", "The password of the link is wrong"))
        self._throttle.forget(guesses)

    def _note_opened(self, share: Share, origin: Origin) -> None:
        c = table.c
        counted = (
            sa.update(table)
            .where(c.id == share.id, sa.or_(c.most_opens.is_(None), c.opened_count < c.most_opens))
            .values(opened_count=c.opened_count + 1, last_opened_at=self._clock.now())
        )
        with self._database.transaction() as connection:
            if not connection.execute(counted).rowcount:  # two came at once for the last time
                raise Problem("share.not_found")
            self._audit.note(connection, "share.opened", origin, share.id)

    def _is_active(self, user_id: str) -> bool:
        with self._database.snapshot() as connection:
            return bool(connection.scalar(sa.select(user_table.c.active).where(user_table.c.id == user_id)))

    def _violations(self, wish: Wish) -> list[Violation]:
        found = []
        if (wish.record_id is None) == (wish.view is None):
            found.append(Violation("one_of", "", say("请给出 record 或 view 之一", "Give either record or view")))
        if not 0 < len(wish.fields) <= FIELD_PATHS:
            found.append(Violation("fields", "/fields", say("请列出要展示的字段", "List the fields to show")))
        if len(wish.label) > LABEL_LENGTH:
            found.append(Violation("label", "/label", say("名称过长", "The label is too long")))
        now = self._clock.now()
        if wish.expires_at is not None and not now < wish.expires_at <= now + timedelta(days=SHARE_DAYS):
            text = say(f"到期时间须在今后 {SHARE_DAYS} 天内", f"A link ends within {SHARE_DAYS} days from now")
            found.append(Violation("expires_at", "/expires_at", text, {"days": SHARE_DAYS}))
        return found


def _maker(actor: Actor | None) -> str:
    """Return the id of who may make links at all: people of the house."""
    if actor is None or actor.user_id is None or actor.kind != "person":
        raise Problem("access.denied", say("此账号不能分享", "This account cannot share"))
    return actor.user_id


def _cursor_place(share: Share) -> str:
    return f"share-cursor/{share.id}"


def _question(wish: Wish, limit: int, cursor: str | None) -> ListRequest:
    asked: dict[str, JSON] = {"view": wish.view, "fields": list(wish.fields), "limit": limit}
    return read_members(asked if cursor is None else asked | {"cursor": cursor})


def _share(row: Any) -> Share:
    return Share(
        id=row.id,
        app=row.app,
        entity=row.entity,
        record_id=row.record_id,
        view=row.view,
        fields=tuple(parse_json(row.fields)),
        label=row.label,
        has_password=row.password_hash is not None,
        expires_at=row.expires_at,
        most_opens=row.most_opens,
        opened_count=row.opened_count,
        last_opened_at=row.last_opened_at,
        created_at=row.created_at,
        created_by=row.created_by,
        revoked_at=row.revoked_at,
    )


def shown_fields(opened: Opened) -> list[tuple[str, str, JSON]]:
    """Return path, type and label of each field that a link shows; behind a relation only the path is told."""
    fields = opened.looked.entity.fields
    shown = []
    for path in opened.share.fields:
        field = fields.get(path)
        shown.append((path, "" if field is None else field.type, None if field is None else label_text(field.label)))
    return shown
