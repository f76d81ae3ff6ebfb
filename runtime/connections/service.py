"""Connections of the platform: kept, checked by their channel's own model, their secrets sealed and never shown again.

Reads and writes: dougong_connection, security events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import Clock
from builder.kernel.input_words import input_words
from builder.kernel.limits import CONNECTION_SECRET_LENGTH, CONNECTIONS, KEY_LENGTH, LABEL_LENGTH
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.delivery_tables import connection as table
from runtime import channels, directories
from runtime.channels.base import Channel, ChannelOptions
from runtime.connections.kinds import BY_KIND, ConnectionKind
from runtime.directories.base import DirectoryOptions, Source
from runtime.identity.audit import Audit, Origin
from runtime.secrets.sealing import Sealer

JSON = Any
_KEY = re.compile(rf"[a-z][a-z0-9_]{{0,{KEY_LENGTH - 1}}}")


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection as everybody in charge may see it."""

    key: str
    kind: str
    label: str
    options: Mapping[str, JSON]
    secret_names: tuple[str, ...]
    """Which secrets are set."""
    active: bool
    updated_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A channel ready for use, secrets opened. It stays inside the courier."""

    channel: Channel
    options: ChannelOptions
    secrets: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReadySource:
    """A directory ready to be read, secrets opened."""

    key: str
    source: Source
    options: DirectoryOptions
    secrets: Mapping[str, str]


class Connections:
    """Keeps connections."""

    def __init__(self, database: Database, clock: Clock, sealer: Sealer, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._audit = audit

    def list_connections(self) -> list[Connection]:
        """Return all, by key."""
        with self._database.snapshot() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.key)).all()
        return [self._shown(row) for row in rows]

    def get_connection(self, key: str) -> Connection:
        """Return one.

        Raises:
            Problem: ``connection.not_found``.
        """
        with self._database.snapshot() as connection:
            return self._shown(_get(connection, key))

    def find_ready(self, key: str) -> Ready | None:
        """Return a channel for use; None if it is not there, switched off or none.

        Raises:
            Problem: ``secret.unreadable``.
        """
        for row in self._active(table.c.key == key, table.c.kind.in_(channels.BY_KIND)):
            channel = channels.BY_KIND[row.kind]
            return Ready(channel, channel.Options(**parse_json(row.options)), self._opened(row))
        return None

    def list_sources(self) -> list[ReadySource]:
        """Return the directories that are switched on, by key.

        Raises:
            Problem: ``secret.unreadable``.
        """
        found = []
        for row in self._active(table.c.kind.in_(directories.BY_KIND)):
            source = directories.BY_KIND[row.kind]
            options = source.Options(**parse_json(row.options))
            found.append(ReadySource(row.key, source, options, self._opened(row)))
        return found

    def _active(self, *conditions: sa.ColumnElement[bool]) -> list[Any]:
        with self._database.snapshot() as connection:
            return list(connection.execute(sa.select(table).where(table.c.active, *conditions).order_by(table.c.key)))

    def put_connection(self, key: str, body: Mapping[str, JSON], by: Origin, *, new: bool = False) -> Connection:
        """Make or change a connection. Secrets that are not given stay; null removes one.

        Args:
            body: ``{kind, label, options, secrets, active}``; of an existing one only what changes.

        Raises:
            Problem: ``connection.invalid`` with every violation, ``connection.exists``.
        """
        with self._database.transaction() as connection:
            row = connection.execute(sa.select(table).where(table.c.key == key).with_for_update()).one_or_none()
            if row is not None and new:
                raise Problem("connection.exists", say(f"已有连接“{key}”", f'There is a connection "{key}" already'))
            if (
                row is None
                and int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0) >= CONNECTIONS
            ):
                detail = say(f"最多 {CONNECTIONS} 个连接", f"At most {CONNECTIONS} connections")
                raise Problem("connection.invalid", detail)
            before = {} if row is None else self._as_body(row)
            values = self._checked(key, {**before, **body}, self._opened(row) if row is not None else {})
            if row is None:
                connection.execute(sa.insert(table).values(key=key, revision=1, **values, updated_by=by.actor))
            else:
                change = sa.update(table).where(table.c.key == key)
                connection.execute(change.values(revision=row.revision + 1, **values, updated_by=by.actor))
            if body.get("secrets"):
                self._audit.note(connection, "secret.changed", by, key, {"names": sorted(body["secrets"])})
            return self._shown(_get(connection, key))

    def delete_connection(self, key: str, by: Origin) -> None:
        """Remove a connection with its secrets; what waits for it becomes dead letters.

        Raises:
            Problem: ``connection.not_found``.
        """
        with self._database.transaction() as connection:
            _get(connection, key)
            connection.execute(sa.delete(table).where(table.c.key == key))
            self._audit.note(connection, "secret.changed", by, key, {"removed": True})

    # -- details -------------------------------------------------------------------------------------------------------

    def _opened(self, row: Any) -> dict[str, str]:
        opened: dict[str, str] = parse_json(self._sealer.open(row.secrets, _place(row.key)))
        return opened

    def _as_body(self, row: Any) -> dict[str, JSON]:
        return {"kind": row.kind, "label": row.label, "options": parse_json(row.options), "active": row.active}

    def _shown(self, row: Any) -> Connection:
        try:
            names = tuple(sorted(self._opened(row)))
        except Problem:
            names = ()  # the key is another one now: they have to be entered again
        return Connection(
            row.key, row.kind, row.label, parse_json(row.options), names, row.active, row.updated_at, row.revision
        )

    def _checked(self, key: str, body: Mapping[str, JSON], secrets: dict[str, str]) -> dict[str, Any]:
        violations: list[Violation] = []
        if not _KEY.fullmatch(key):
            message = say(
                "键是小写字母、数字和下划线,以字母开头", "A key is lower-case letters, digits and _, a letter first"
            )
            violations.append(Violation("key", "/key", message))
        label = body.get("label") or key
        if not isinstance(label, str) or not 0 < len(label.strip()) <= LABEL_LENGTH:
            violations.append(Violation("label", "/label", say("名称过长或为空", "The label is empty or too long")))
        kind = BY_KIND.get(str(body.get("kind")))
        if kind is None:
            hint = nearest_hint(str(body.get("kind"))[:40], BY_KIND)
            message = say(
                f"没有这种连接{hint.zh};可用:{'、'.join(BY_KIND)}",
                f"There is no such kind{hint.en}; there are {', '.join(BY_KIND)}",
            )
            raise _invalid([*violations, Violation("kind", "/kind", message)])
        options = _options(kind, body.get("options") or {}, violations)
        kept = _secrets(kind, body.get("secrets") or {}, secrets, violations)
        if violations:
            raise _invalid(violations)
        return {
            "kind": kind.kind,
            "label": str(label).strip(),
            "options": dump_json(options).decode(),
            "secrets": self._sealer.seal(dump_json(kept).decode(), _place(key)),
            "active": body.get("active", True),
            "updated_at": self._clock.now(),
        }


def _place(key: str) -> str:
    return f"connection/{key}"


def _get(connection: sa.Connection, key: str) -> Any:
    row = connection.execute(sa.select(table).where(table.c.key == key)).one_or_none()
    if row is None:
        known = list(connection.scalars(sa.select(table.c.key)))
        raise no_connection(key, known)
    return row


def no_connection(key: str, known: list[str]) -> Problem:
    """There is no such connection."""
    hint = nearest_hint(key[:100], known)
    return Problem(
        "connection.not_found", say(f"没有连接“{key[:100]}”{hint.zh}", f'There is no connection "{key[:100]}"{hint.en}')
    )


def _invalid(violations: list[Violation]) -> Problem:
    return Problem("connection.invalid", violations=violations)


def _options(kind: ConnectionKind, given: JSON, violations: list[Violation]) -> dict[str, JSON]:
    if not isinstance(given, dict):
        violations.append(Violation("type", "/options", say("应是对象", "Expected an object")))
        return {}
    try:
        made = kind.Options(**given)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            pointer = "/options" + "".join(f"/{part}" for part in item["loc"])
            violations.append(
                Violation(str(item["type"]), pointer, input_words(item, tuple(kind.Options.model_fields)))
            )
        return {}
    options: dict[str, JSON] = made.model_dump(mode="json", exclude_defaults=True)
    return options


def _secrets(kind: ConnectionKind, given: JSON, kept: dict[str, str], violations: list[Violation]) -> dict[str, str]:
    if not isinstance(given, dict):
        violations.append(Violation("type", "/secrets", say("应是对象", "Expected an object")))
        return kept
    merged = dict(kept)
    for name, value in given.items():
        pointer = f"/secrets/{str(name)[:40]}"
        if name not in kind.secret_names:
            hint = nearest_hint(str(name)[:40], kind.secret_names)
            message = say(f"这种连接没有这个密钥{hint.zh}", f"This kind has no such secret{hint.en}")
            violations.append(Violation("unknown", pointer, message))
        elif value is None:
            merged.pop(name, None)
        elif not isinstance(value, str) or not 0 < len(value) <= CONNECTION_SECRET_LENGTH or not value.isprintable():
            violations.append(Violation("secret", pointer, say("密钥应是一行文本", "A secret is one line of text")))
        else:
            merged[name] = value
    for name in kind.secret_names[: kind.needed]:
        if name not in merged:
            violations.append(Violation("required", f"/secrets/{name}", say("请填写", "This is needed")))
    return merged
