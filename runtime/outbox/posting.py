"""Putting down what leaves the house, inside the transaction of a write: inbox rows, and outbox rows for connections.

Reads: dougong_user, dougong_connection. Writes: dougong_inbox, dougong_outbox. Fits ``runtime/automations/ports.Outward``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from builder.kernel.canonical import dump_json
from builder.kernel.problems import Problem
from builder.kernel.text import Language, say
from builder.store import delivery_tables, tables
from builder.store.statement import SQLITE, Query, Unit
from builder.store.types import Words
from runtime.channels import BY_KIND
from runtime.channels.base import Call, Letter, Payload, Recipient
from runtime.outbox import orders
from runtime.outbox.payloads import dump_payload
from runtime.outbox.wishes import Way, Wishes, kind_of, read_wishes, way_for
from runtime.records.looking_up import active_people, look_up
from runtime.records.writer import Writing

JSON = Any


class Outbox:
    """Puts messages and requests down."""

    def __init__(self, public_url: str | None = None) -> None:
        """``public_url``: where people reach the service; links to records begin with it."""
        self._public_url = public_url

    def post_letter(self, w: Writing, letter: orders.Letter) -> Unit[None]:
        """Put a message into the inbox of each; with a channel also on its way there. The same key again changes nothing.

        Raises:
            Problem: ``connection.not_found``.
        """
        yield from self._to_inbox(w, letter)
        wishes = yield from _wishes(w, letter.user_ids)
        if letter.channel is None and not wishes:
            return
        people = yield from _people(w, letter.user_ids)
        said: tuple[str, ...] = ()
        if letter.channel is not None:
            said = (letter.channel,)
            kind = yield from _kind_of(w, letter.channel)
            if BY_KIND[kind].to_each == "none":  # a group's: nobody's own wishes change it
                said = ()
                phones = tuple(person.phone for person in people if person.phone)
                yield from self._put_down(w, letter.key, letter.channel, letter, self._letter(w, letter, None, phones))
        for person in people:
            yield from self._to_person(w, letter, person, said, wishes.get(person.user_id or ""))

    def _to_person(
        self, w: Writing, letter: orders.Letter, person: Recipient, said: tuple[str, ...], wishes: Wishes | None
    ) -> Unit[None]:
        """Put a message down for one person as they wish; connections that are gone since are passed over."""
        way = Way(said, w.now, "")
        if wishes is not None:
            way = way_for(wishes, str(person.user_id), kind_of(letter.key), said, w.now, urgent=letter.urgent)
            if set(way.connections) - set(said):
                there = yield from _personal(w)
                way = way._replace(connections=tuple(key for key in way.connections if key in there or key in said))
        for key in way.connections:
            name = f"{letter.key}:{person.user_id}" + ("" if key in said else f":{key}")
            yield from self._put_down(w, name, key, letter, self._letter(w, letter, person, ()), way=way)

    def post_call(self, w: Writing, call: orders.Call) -> Unit[None]:
        """Put a request down. The same key again changes nothing.

        Raises:
            Problem: ``connection.not_found``, ``connection.invalid``.
        """
        yield from _kind_of(w, call.connection)
        payload = Call(call.method, call.path, dict(call.query), call.body)
        yield from self._put_down(w, call.key, call.connection, call, payload, call.answer)

    def _letter(
        self, w: Writing, letter: orders.Letter, recipient: Recipient | None, phones: tuple[str, ...]
    ) -> Letter:
        language: Language = w.app.definition.app.language
        link = None
        if self._public_url is not None:
            link = f"{self._public_url}/apps/{letter.app}/{letter.entity}/{letter.record_id}".rstrip("/")
        return Letter(letter.subject, letter.text, recipient, phones, link, language)

    def _put_down(
        self,
        w: Writing,
        key: str,
        connection: str,
        about: orders.Letter | orders.Call,
        payload: Payload,
        answer: tuple[tuple[str, str], ...] = (),
        way: Way | None = None,
    ) -> Unit[None]:
        values = {
            "id": w.ids.record_id(),
            "key": key,
            "connection": connection,
            "payload": dump_payload(payload, answer),
            "app": about.app,
            "entity": about.entity,
            "record_id": about.record_id or None,
            "state": "todo",
            "attempts": 0,
            "next_at": w.now if way is None else way.at,
            "created_at": w.now,
            "digest": f"{connection}:{way.digest}" if way is not None and way.digest else None,
        }
        yield Query(
            w.statements.kept(("outbox",), lambda dialect: _insert(delivery_tables.outbox, tuple(values), dialect)),
            values,
        )

    def _to_inbox(self, w: Writing, letter: orders.Letter) -> Unit[None]:
        rows = [
            {
                "id": w.ids.record_id(),
                "user_id": user_id,
                "key": letter.key,
                "subject": dump_json(letter.subject._asdict()).decode(),
                "text": dump_json(letter.text._asdict()).decode(),
                "app": letter.app,
                "entity": letter.entity,
                "record_id": letter.record_id or None,
                "created_at": w.now,
            }
            for user_id in dict.fromkeys(letter.user_ids)
        ]
        if rows:
            statement = w.statements.kept(
                ("inbox",), lambda dialect: _insert(delivery_tables.inbox, tuple(rows[0]), dialect)
            )
            yield Query(statement, rows if len(rows) > 1 else rows[0])


def short_key(*parts: str) -> str:
    """Return a key of bounded length made of parts of any length."""
    text = ":".join(parts)
    return text if len(text) <= 200 else text[:150] + hashlib.sha256(text.encode()).hexdigest()[:40]


def _insert(table: sa.Table, names: tuple[str, ...], dialect: str) -> Any:
    """An insert that leaves alone what is there already by one of its unique keys."""
    insert = sqlite_insert if dialect == SQLITE else postgresql_insert
    values = {name: sa.bindparam(name, type_=table.c[name].type) for name in names}
    return insert(table).values(values).on_conflict_do_nothing()


def _kind_of(w: Writing, key: str) -> Unit[str]:
    c = delivery_tables.connection.c
    statement = w.statements.kept(
        ("connection_kind",), lambda _: sa.select(c.kind).where(c.key == sa.bindparam("key", type_=Words()))
    )
    rows = yield from look_up(w, statement, {"key": key})
    if not rows:
        detail = say(f"没有连接“{key}”,请管理员先添加", f'There is no connection "{key}"; an admin has to add it first')
        raise Problem("connection.not_found", detail)
    if rows[0][0] not in BY_KIND:
        detail = say(
            f"连接“{key}”是通讯录,不能发送消息", f'The connection "{key}" is a directory, nothing can be sent there'
        )
        raise Problem("connection.invalid", detail)
    return str(rows[0][0])


def _wishes(w: Writing, user_ids: Sequence[str]) -> Unit[dict[str, Wishes]]:
    """Return what some people wish; who wishes nothing is not in it."""
    people = yield from active_people(w, user_ids)
    return {user_id: read_wishes(wishes) for user_id, wishes in people.items() if wishes is not None}


def _personal(w: Writing) -> Unit[frozenset[str]]:
    """Return the connections that carry messages to single people."""
    c = delivery_tables.connection.c
    statement = w.statements.kept(("personal_connections",), lambda _: sa.select(c.key, c.kind).where(c.active))
    rows = yield from look_up(w, statement, {})
    return frozenset(row[0] for row in rows if BY_KIND[row[1]].to_each != "none")


def _people(w: Writing, user_ids: Sequence[str]) -> Unit[list[Recipient]]:
    c = tables.user.c
    statement = w.statements.kept(
        ("recipients",),
        lambda _: sa.select(c.id, c.name, c.email, c.phone).where(c.active, c.id.in_(w.statements.listed())),
    )
    rows = yield from look_up(w, statement, {"ids": dump_json(list(user_ids)).decode()})
    found = {str(row[0]): Recipient(str(row[0]), row[1], row[2], row[3]) for row in rows}
    return [found[user_id] for user_id in dict.fromkeys(user_ids) if user_id in found]
