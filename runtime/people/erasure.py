"""What is known of one person: shown as one document, and taken away so that only an id remains.

Reads: every app's records, the platform's tables (``traces.py``). Writes: dougong_user, the tables of ``deleted_traces``, outbox, security events.
An erased account stays as a row without a name, so that whatever refers to it holds. See docs/decisions/0022.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.kernel.canonical import as_json, parse_json
from builder.kernel.clock import Clock, instant_text
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.delivery_tables import outbox as outbox_table
from builder.store.tables import user as user_table
from runtime.identity.audit import Audit, Origin
from runtime.identity.epoch import raise_epoch, take_turns
from runtime.identity.users import User, Users
from runtime.people.holdings import Holding, Holdings
from runtime.people.traces import TRACES, count_deleted, delete_rows, export_rows, forget_name
from runtime.query.request import read_members
from runtime.records.caller import Caller, system_caller
from runtime.records.service import Records

JSON = Any
_PAGE = 500
_NAME = "已注销用户 / erased user"
_SHOWN = ("id", "username", "name", "email", "phone", "role", "kind", "position", "active", "source", "external_id")


class Erased(NamedTuple):
    """What an erasure did, or would do: rows that go by table, letters that go, records that name the person and stay."""

    deleted: Mapping[str, int]
    letters: int
    records: Mapping[str, int]
    """``app/entity/field`` -> records in which only the id remains."""


class PersonalData:
    """Exports and erases one person."""

    def __init__(
        self, database: Database, clock: Clock, records: Records, holdings: Holdings, users: Users, audit: Audit
    ) -> None:
        self._database = database
        self._clock = clock
        self._records = records
        self._holdings = holdings
        self._users = users
        self._audit = audit

    async def export(self, user: User, by: Origin) -> dict[str, JSON]:
        """Return everything about a person as one JSON value; records with all their fields, secrets and hashes left out."""
        caller = system_caller(by.request_id, "erase")
        records: dict[str, JSON] = {}
        for holding in await self._holdings.list_holdings(caller):
            found = await self._naming(caller, holding, user.id)
            if found:
                records[_place(holding)] = found
        platform = await asyncio.to_thread(self._platform, user.id, by)
        told = {name: getattr(user, name) for name in _SHOWN}
        told |= {"areas": list(user.areas), "created_at": instant_text(user.created_at)}
        return {
            "exported_at": instant_text(self._clock.now()),
            "user": told,
            "platform": platform,
            "records": records,
        }

    async def _naming(self, caller: Caller, holding: Holding, user_id: str) -> list[JSON]:
        found: list[JSON] = []
        cursor: str | None = None
        while True:
            asked: dict[str, JSON] = {"filter": holding.condition(user_id), "sort": ["id"], "limit": _PAGE}
            if cursor is not None:
                asked["cursor"] = cursor
            page = await self._records.list_page(caller, holding.app, holding.entity, read_members(asked))
            found += [parse_json(body) for body in page.records]
            cursor = page.next_cursor
            if cursor is None:
                return found

    def _platform(self, user_id: str, by: Origin) -> dict[str, JSON]:
        with self._database.snapshot() as connection:
            shown: dict[str, JSON] = {}
            for trace in TRACES:
                held = export_rows(connection, trace, user_id)
                if held["count"]:
                    shown[f"{trace.table.name}.{'+'.join(trace.columns)}"] = held
        self._audit.note_alone("person.exported", by, user_id)
        return shown

    async def preview(self, user: User) -> Erased:
        """Say what an erasure would do."""
        records = await self._count_records(user.id)
        deleted, letters = await asyncio.to_thread(self._count_rows, user.id)
        return Erased(deleted, letters, records)

    async def erase(self, user: User, username: str, by: Origin) -> Erased:
        """Take away what tells who a person was. It cannot be undone.

        Args:
            username: typed by who does it, so that nobody is erased by a slip.

        Raises:
            Problem: ``identity.invalid`` if it is another name, ``identity.conflict`` for the last admin or who does it.
        """
        if username != user.username:
            text = say("请输入此人的用户名以确认", "Type the person's user name to confirm")
            raise Problem("identity.invalid", violations=[Violation("confirm", "/confirm", text)])
        if by.actor == user.id:
            raise Problem("identity.conflict", say("不能注销自己", "Nobody erases themselves"))
        records = await self._count_records(user.id)
        deleted, letters = await asyncio.to_thread(self._erase_rows, user.id, by)
        return Erased(deleted, letters, records)

    async def _count_records(self, user_id: str) -> dict[str, int]:
        caller = system_caller("", "erase")
        counts = {
            _place(holding): await self._holdings.count(caller, holding, user_id)
            for holding in await self._holdings.list_holdings(caller)
        }
        return {place: count for place, count in counts.items() if count}

    def _count_rows(self, user_id: str) -> tuple[dict[str, int], int]:
        with self._database.snapshot() as connection:
            letters = sa.select(sa.func.count()).select_from(outbox_table).where(_letters_to(user_id))
            return count_deleted(connection, user_id), int(connection.scalar(letters) or 0)

    def _erase_rows(self, user_id: str, by: Origin) -> tuple[dict[str, int], int]:
        with self._database.transaction() as connection:
            take_turns(connection)
            deleted = delete_rows(connection, user_id)
            name = connection.scalar(sa.select(user_table.c.name).where(user_table.c.id == user_id)) or ""
            forget_name(connection, user_id, name, _NAME)
            self._users.change(connection, user_id, {"active": False}, by=by)  # refuses the last admin
            raise_epoch(connection)
            letters = connection.execute(sa.delete(outbox_table).where(_letters_to(user_id))).rowcount
            anonymous = {
                "username": f"erased-{user_id}",
                "name": _NAME,
                "areas": "[]",
                **dict.fromkeys(("email", "phone", "position", "password_hash", "password_changed_at")),
                "former_passwords": None,
                **dict.fromkeys(("source", "external_id", "department_id", "manager_id")),
            }
            changed = sa.update(user_table).where(user_table.c.id == user_id)
            connection.execute(changed.values(**anonymous, role="member", revision=user_table.c.revision + 1))
            events = self._audit.redact(connection, user_id)
            told = {"deleted": as_json(deleted), "letters": letters, "events": events}
            self._audit.note(connection, "person.erased", by, user_id, told)
        return deleted, letters


def _letters_to(user_id: str) -> sa.ColumnElement[bool]:
    """Letters to or about a person: sent, given up, or still to be sent."""
    return outbox_table.c.payload.contains(user_id, autoescape=True)


def _place(holding: Holding) -> str:
    return f"{holding.app}/{holding.entity}/{holding.field}"
