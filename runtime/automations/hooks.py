"""Inbound webhooks: signed messages that start automations. See docs/decisions/0025.

A message is signed as ours are (``runtime/channels/webhook.py``): ``dougong-signature: v1=`` and the HMAC-SHA256 (hex) of
``{dougong-timestamp}.{body}``. Nothing is said about an automation before the signature is right but that there is no such webhook.
Reads and writes: dougong_automation_state, _message, _run, security events, and whatever the actions write.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from builder.compiled.app import CompiledApp
from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS
from builder.definition.triggers.webhook import Webhook
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import Clock, instant_text
from builder.kernel.ids import Ids, secret_hash
from builder.kernel.limits import HOOK_MISSES, HOOK_SECONDS
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store import process_tables
from builder.store.database import Database
from builder.store.statement import Query, Unit
from builder.store.types import Instant, Words
from runtime.access.gate import require_role
from runtime.automations.messages import deliver
from runtime.automations.ports import Ports
from runtime.automations.positions import find_secret, hold_state, keep_secret
from runtime.automations.runs import Run, Statements, run_table
from runtime.channels.base import find_at
from runtime.channels.webhook import ID_HEADER, SIGNATURE_HEADER, TIME_HEADER, sign
from runtime.identity.audit import Origin
from runtime.identity.audit_unit import note_unit
from runtime.records.caller import Caller, system_caller
from runtime.records.service import Records
from runtime.records.writer import Writing
from runtime.secrets.sealing import Sealer

JSON = Any
table = process_tables.automation_message
_MINUTE = timedelta(minutes=1)
_ID_LENGTH = 200
_ADDRESSES = 10_000  # remembered; the one that was wrong longest ago goes first


class Received(NamedTuple):
    """What became of a message."""

    message_id: str
    is_repeated: bool
    """It was taken before; nothing happened now."""
    run: Run | None
    """None: nothing was to be noted, or it was repeated."""


class NewSecret(NamedTuple):
    """A secret, shown this once."""

    secret: str
    former_until: datetime | None
    """Until when the former one is taken, too."""


class Hooks:
    """Takes messages, and keeps the secrets they are signed with."""

    def __init__(
        self, database: Database, records: Records, ports: Ports, clock: Clock, ids: Ids, *, sealer: Sealer
    ) -> None:
        self._database = database
        self._statements = Statements(database.dialect)
        self._records = records
        self._ports = ports
        self._clock = clock
        self._ids = ids
        self._sealer = sealer
        self._misses: dict[str, tuple[datetime, int]] = {}

    async def change_secret(self, caller: Caller, origin: Origin, app: str, key: str, former_minutes: int) -> NewSecret:
        """Make the secret of a webhook, or a new one; the former is taken for some minutes more.

        Raises:
            Problem: ``automation.not_found``, ``access.denied``.
        """
        require_role(caller.actor, "builder", app)
        secret = self._ids.secret()

        def unit(w: Writing) -> Unit[NewSecret]:
            _webhook(w.app, key)
            row = yield from hold_state(w, key, wait=True)
            former = self._opened(w.app.key, key, row[2])["secret"] if row[2] else None
            until = w.now + timedelta(minutes=former_minutes) if former and former_minutes else None
            kept = {"secret": secret, "former": former, "until": None if until is None else instant_text(until)}
            yield from keep_secret(w, key, self._sealer.seal(dump_json(kept).decode(), _place(w.app.key, key)))
            detail = {"webhook": True}
            subject = f"{w.app.key}/{key}"
            yield from note_unit(w.statements.dialect, w.now, "secret.changed", origin, subject, detail)
            return NewSecret(secret, until)

        return await self._records.work(caller, app, unit)

    async def receive(
        self, request_id: str, app: str, key: str, headers: Mapping[str, str], body: bytes, address: str = ""
    ) -> Received:
        """Take a message.

        One that cannot be taken over (a value that its field refuses) is noted as a failed run, and its sender is told, who may send it again
        with the same id once the message or the automation is mended.

        Args:
            address: where it comes from; who signs wrongly too often is not looked at for a while.

        Raises:
            Problem: ``automation.not_found``, ``hook.signature``, ``hook.expired``, ``limit.rate``,
                ``request.malformed``, ``automation.disabled``, ``automation.failed``.
        """
        self._refuse_guesser(address)
        caller = system_caller(request_id, "connector")
        try:
            seconds = self._check_time(headers)
            await self._check_sender(caller, app, key, headers, seconds, body)
        except Problem as problem:
            if problem.code in ("hook.signature", "automation.not_found"):
                self._note_miss(address)
            raise
        message = _read(body)

        def unit(w: Writing) -> Unit[Received]:
            automation = _webhook(w.app, key)
            trigger = automation.trigger
            assert isinstance(trigger, Webhook)
            row = yield from hold_state(w, key, wait=True)  # one message at a time: two cannot make the same record
            if not automation.enabled or row[1] is not None:
                raise Problem("automation.disabled", retry_after_seconds=600)
            message_id = _message_id(trigger, headers, message, seconds, body)
            known = yield from _find_known(w, key, message_id)
            if known == "taken":
                return Received(message_id, True, None)
            yield from _check_rate(w, key, trigger.per_minute)
            reason = say(f"收到消息 {message_id}", f"Message {message_id}")
            noted = known == "not taken"
            run = yield from deliver(w, self._ports, automation, trigger, message, reason, noted=noted)
            yield from _remember(w, key, message_id, w.ids.record_id() if run is None else run.id)
            return Received(message_id, False, run)

        received = await self._records.work(caller, app, unit)
        if received.run is not None and _is_not_taken(received.run.state, received.run.record_id):
            raise _not_taken(key, received.run)
        return received

    async def _check_sender(
        self, caller: Caller, app: str, key: str, headers: Mapping[str, str], seconds: int, body: bytes
    ) -> None:
        """Compare the signature, without holding anything: who cannot sign gets no further.

        Raises:
            Problem: ``automation.not_found``, ``hook.signature``.
        """
        try:
            published = await self._records.current(caller, app)
        except Problem:
            raise Problem("automation.not_found") from None
        _webhook(published.app, key)
        sealed = await self._database.read(lambda: find_secret(self._statements, app, key))
        given = [part.strip() for part in headers.get(SIGNATURE_HEADER, "").split(",")]
        kept = self._opened(app, key, sealed) if sealed else {"secret": None, "former": None, "until": None}
        secrets = [kept["secret"]]
        if kept["until"] is not None and datetime.fromisoformat(kept["until"]) > self._clock.now():
            secrets.append(kept["former"])
        wanted = [sign(secret, seconds, body) for secret in secrets if secret]
        if not any(hmac.compare_digest(one.encode(), other.encode()) for one in wanted for other in given):
            raise _unsigned(
                f"签名不符:{SIGNATURE_HEADER} 应为 v1= 加上以密钥对 “时间戳.正文” 计算的 HMAC-SHA256(十六进制)",
                f"{SIGNATURE_HEADER} is v1= and the HMAC-SHA256 (hex) of timestamp.body with the webhook's secret",
            )

    def _refuse_guesser(self, address: str) -> None:
        """Answer a flood of wrong signatures without reading anything: counted per process, in memory, so that a flood writes nothing.

        Raises:
            Problem: ``limit.rate``.
        """
        since, count = self._misses.get(address, (None, 0))
        if since is not None and count >= HOOK_MISSES and self._clock.now() < since + _MINUTE:
            detail = say("签名错误次数过多,请一分钟后再试", "Too many wrong signatures; try again in a minute")
            raise Problem("limit.rate", detail, retry_after_seconds=60)

    def _note_miss(self, address: str) -> None:
        now = self._clock.now()
        since, count = self._misses.pop(address, (now, 0))
        self._misses[address] = (since, count + 1) if now < since + _MINUTE else (now, 1)  # the latest stands last
        if len(self._misses) > _ADDRESSES:
            self._misses.pop(next(iter(self._misses)))

    def _check_time(self, headers: Mapping[str, str]) -> int:
        text = headers.get(TIME_HEADER, "")
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            raise _unsigned(f"缺少头 {TIME_HEADER}(秒)", f"The header {TIME_HEADER} (seconds) is missing")
        now = int(self._clock.now().timestamp())
        if abs(now - int(text)) > HOOK_SECONDS:
            detail = say(
                f"时间戳与服务器相差超过 {HOOK_SECONDS} 秒(服务器时间 {now});请核对时钟后重新签名发送",
                f"The timestamp is more than {HOOK_SECONDS} seconds off (it is {now} here); check the clock, sign anew and send again",
            )
            raise Problem("hook.expired", detail)
        return int(text)

    def _opened(self, app: str, key: str, sealed: str) -> dict[str, Any]:
        opened: dict[str, Any] = parse_json(self._sealer.open(sealed, _place(app, key)))
        return opened


def _place(app: str, key: str) -> str:
    return f"webhook/{app}/{key}"


def _unsigned(zh: str, en: str) -> Problem:
    return Problem("hook.signature", say(zh, en))


def _webhook(app: CompiledApp, key: str) -> Automation:
    """Return an automation that takes messages.

    Raises:
        Problem: ``automation.not_found``, without a word on what else there is.
    """
    found = app.definition.find(AUTOMATIONS, key)
    if found is None or not isinstance(found.trigger, Webhook):
        raise Problem("automation.not_found")
    return found


def _read(body: bytes) -> JSON:
    message = parse_json(body)
    if not isinstance(message, dict | list):
        raise Problem("request.malformed", say("消息应是 JSON 对象或数组", "A message is a JSON object or array"))
    return message


def _message_id(trigger: Webhook, headers: Mapping[str, str], message: JSON, seconds: int, body: bytes) -> str:
    """Return the id by which a message that comes twice is known; without one the same words at the same second are the same."""
    given = find_at(message, trigger.id_at) if trigger.id_at is not None else None
    if trigger.id_at is not None and not isinstance(given, str | int):
        detail = say(f"消息在 {trigger.id_at} 处没有编号", f"The message has no id at {trigger.id_at}")
        raise Problem("request.malformed", detail)
    found = str(given) if given is not None else headers.get(ID_HEADER) or headers.get("idempotency-key")
    if not found:
        return secret_hash(f"{seconds}." + body.decode("utf-8", "replace"))[:40]
    if len(found) > _ID_LENGTH or not found.isprintable():
        raise Problem("request.malformed", say("消息编号过长或有误", "The id of the message is too long or not text"))
    return found


_HERE = (table.c.app == sa.bindparam("app", type_=Words())) & (
    table.c.automation == sa.bindparam("automation", type_=Words())
)


def _is_not_taken(state: str | None, record_id: Any) -> bool:
    """Whether a run tells of a message that has got no record: what failed later has one, and is the automation's own business."""
    return state == "failed" and record_id is None


def _not_taken(key: str, run: Run) -> Problem:
    detail = say(
        f"消息未能写入:{run.reason.zh}(已记入运行日志;修正后可用同一编号重发)",
        f"The message could not be taken over: {run.reason.en} (the log of runs has it; mended, send it again with the same id)",
    )
    return Problem("automation.failed", detail, extra={"automation": key, "run": run.id})


def _find_known(w: Writing, key: str, message_id: str) -> Unit[Literal["taken", "not taken"] | None]:
    """Return what became of a message of this id that came before."""

    def make(_: str) -> Any:
        found = table.outerjoin(run_table, run_table.c.id == table.c.run_id)
        this = table.c.message_id == sa.bindparam("id", type_=Words())
        return sa.select(run_table.c.state, run_table.c.record_id).select_from(found).where(_HERE, this)

    statement = w.statements.kept(("automation", "message_known"), make)
    rows = yield Query(statement, {"app": w.app.key, "automation": key, "id": message_id})
    if not rows:
        return None
    return "not taken" if _is_not_taken(*rows[0]) else "taken"


def _remember(w: Writing, key: str, message_id: str, run_id: str) -> Unit[None]:
    def make(dialect: str) -> Any:
        values = {c.name: sa.bindparam(c.name, type_=c.type) for c in table.c}
        added = (sqlite if dialect == "sqlite" else postgresql).insert(table).values(values)
        keys = ["app", "automation", "message_id"]  # there is one if it could not be taken over before
        return added.on_conflict_do_update(index_elements=keys, set_={"run_id": values["run_id"], "at": values["at"]})

    values = {"app": w.app.key, "automation": key, "message_id": message_id, "run_id": run_id, "at": w.now}
    yield Query(w.statements.kept(("automation", "message"), make), values)


def _check_rate(w: Writing, key: str, per_minute: int) -> Unit[None]:
    since = table.c.at > sa.bindparam("since", type_=Instant())
    statement = w.statements.kept(
        ("automation", "message_rate"), lambda _: sa.select(sa.func.count()).select_from(table).where(_HERE, since)
    )
    rows = yield Query(statement, {"app": w.app.key, "automation": key, "since": w.now - _MINUTE})
    if int(rows[0][0]) >= per_minute:
        detail = say(f"每分钟最多 {per_minute} 条消息", f"At most {per_minute} messages a minute")
        raise Problem("limit.rate", detail, retry_after_seconds=30)
