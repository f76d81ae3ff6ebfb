"""The second factor: time-based codes (RFC 6238) from an app on a phone, with recovery codes for a phone that is lost.

Reads and writes: dougong_factor, security events. A code counts once; the secret is sealed; recovery codes are kept as hashes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pyotp
import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, random_bytes, secret_hash
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.people_tables import factor as table
from runtime.identity.audit import Audit, Origin
from runtime.identity.epoch import raise_epoch, take_turns
from runtime.identity.users import User
from runtime.secrets.sealing import Sealer

RECOVERY_CODES = 10
_SECRET_BYTES = 20
_INTERVAL = 30
_DRIFT = 1  # half minutes that a phone may be fast or slow
_ISSUER = "Dougong"


@dataclass(frozen=True, slots=True)
class Started:
    """A factor that is being set up: both are shown this once."""

    secret: str
    url: str
    """``otpauth://…``, for a QR code."""


class Factors:
    """Sets second factors up and asks for them."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, sealer: Sealer, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._sealer = sealer
        self._audit = audit

    def start(self, user: User) -> Started:
        """Make a secret for a user's phone; it is asked for only once it was confirmed.

        Raises:
            Problem: ``identity.conflict`` if a factor is active.
        """
        secret = base64.b32encode(random_bytes(_SECRET_BYTES)).decode()
        values = {"secret": self._sealer.seal(secret, _place(user.id)), "last_step": 0, "recovery": "[]"}
        with self._database.transaction() as connection:
            row = connection.execute(sa.select(table).where(table.c.user_id == user.id).with_for_update()).one_or_none()
            if row is not None and row.confirmed_at is not None:
                raise Problem("identity.conflict", say("已启用两步验证", "A second factor is active already"))
            if row is None:
                connection.execute(sa.insert(table).values(user_id=user.id, confirmed_at=None, **values))
            else:
                connection.execute(sa.update(table).where(table.c.user_id == user.id).values(**values))
        url = pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=_ISSUER)
        return Started(secret, url)

    def confirm(self, user: User, code: str, by: Origin) -> list[str]:
        """Activate what was started, with a first code; return the recovery codes, shown this once.

        Raises:
            Problem: ``identity.invalid`` for a wrong code, ``identity.not_found`` if nothing was started.
        """
        codes = [self._ids.secret().replace("-", "").replace("_", "")[:12].lower() for _ in range(RECOVERY_CODES)]
        hashes = dump_json([secret_hash(code) for code in codes]).decode()
        with self._database.transaction() as connection:
            take_turns(connection)
            row = connection.execute(sa.select(table).where(table.c.user_id == user.id).with_for_update()).one_or_none()
            if row is None or row.confirmed_at is not None:
                raise Problem("identity.not_found", say("没有待确认的两步验证", "No second factor is being set up"))
            step = self._step_of(row, code)
            if step is None:
                text = say("验证码不正确;请检查手机时间", "The code is wrong; check the clock of the phone")
                raise Problem("identity.invalid", text, violations=[Violation("code", "/code", text)])
            values = {"confirmed_at": self._clock.now(), "last_step": step, "recovery": hashes}
            connection.execute(sa.update(table).where(table.c.user_id == user.id).values(**values))
            self._audit.note(connection, "factor.added", by, user.id)
        return codes

    def remove(self, user_id: str, by: Origin) -> None:
        """Remove a factor: one's own, or as admin that of somebody who lost phone and codes.

        Raises:
            Problem: ``identity.not_found``.
        """
        with self._database.transaction() as connection:
            take_turns(connection)
            if not connection.execute(sa.delete(table).where(table.c.user_id == user_id)).rowcount:
                raise Problem("identity.not_found", say("没有启用两步验证", "There is no second factor"))
            raise_epoch(connection)
            self._audit.note(connection, "factor.removed", by, user_id)

    def is_active(self, user_id: str) -> bool:
        """Tell whether a user is asked for a code."""
        with self._database.snapshot() as connection:
            row = connection.execute(sa.select(table.c.confirmed_at).where(table.c.user_id == user_id)).one_or_none()
        return row is not None and row.confirmed_at is not None

    def ask(self, connection: sa.Connection, user_id: str, code: str | None) -> str | None:
        """Ask for a code inside the transaction of a login; return how it was proven (None: no factor is active).

        Raises:
            Problem: ``auth.code_required`` if none was given, ``auth.refused`` for a wrong or used one.
        """
        row = connection.execute(sa.select(table).where(table.c.user_id == user_id).with_for_update()).one_or_none()
        if row is None or row.confirmed_at is None:
            return None
        if not code:
            raise Problem("auth.code_required")
        step = self._step_of(row, code)
        if step is not None and step > row.last_step:
            connection.execute(sa.update(table).where(table.c.user_id == user_id).values(last_step=step))
            return "code"
        left: list[str] = parse_json(row.recovery)
        used = secret_hash(code.strip().lower())
        if used not in left:
            raise Problem("auth.refused", say("验证码不正确或已用过", "The code is wrong or was used before"))
        left.remove(used)
        rest = dump_json(left).decode()
        connection.execute(sa.update(table).where(table.c.user_id == user_id).values(recovery=rest))
        return "recovery code"

    def _step_of(self, row: sa.Row[tuple[object, ...]], code: str) -> int | None:
        """Return the half minute that a code belongs to, if it is one of those around now."""
        digits = code.strip().replace(" ", "")
        totp = pyotp.TOTP(self._sealer.open(row.secret, _place(row.user_id)))
        now = totp.timecode(self._clock.now())
        for step in range(now - _DRIFT, now + _DRIFT + 1):
            if pyotp.utils.strings_equal(digits, totp.generate_otp(step)):
                return step
        return None


def _place(user_id: str) -> str:
    return f"factor/{user_id}"
