"""Forgotten passwords: a link by mail, short-lived, used once, kept as a hash.

Whether an account has the address is looked up only after the request was answered, beside it, so neither the answer nor its time tells.
The link is made of the address in the settings, never of what a request says of its host (CVE-2023-23596 and its kind), and goes to the
address that the account has, never to the one that was typed (it may only look the same).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import sqlalchemy as sa

from builder.kernel.clock import Clock
from builder.kernel.problems import Problem
from builder.kernel.text import Language, Text, say
from builder.store.database import Database
from builder.store.tables import user as user_table
from runtime.channels.base import Letter, Recipient, Refused
from runtime.identity.audit import Audit, Origin
from runtime.identity.setup import Setup
from runtime.identity.throttle import Throttle, subject_of
from runtime.identity.users import User, as_user
from runtime.observe.logs import Log
from runtime.outbox.direct import DirectLetters

LIFETIME = timedelta(minutes=30)
PER_ADDRESS = 3
"""Letters to one mail address in fifteen minutes."""
PER_CALLER = 10
_AT_ONCE = 50
_ACCOUNTS = 5
"""Of one address; more are not written to."""


class Resets:
    """Takes wishes for a new password and answers them by mail."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        setup: Setup,
        audit: Audit,
        letters: DirectLetters,
        log: Log,
        *,
        address: str | None,
    ) -> None:
        """``address``: what links begin with; None: the settings do not say, so there are no resets."""
        self._database = database
        self._setup = setup
        self._audit = audit
        self._letters = letters
        self._log = log
        self._address = address
        self._throttle = Throttle(database, clock)
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def is_on(self) -> bool:
        """Whether the settings name a connection and the public address."""
        return self._address is not None and self._letters.key is not None

    async def ask(self, email: str, origin: Origin, language: Language) -> None:
        """Take a wish; what follows from it happens beside the request.

        Raises:
            Problem: ``auth.reset_off``, ``auth.throttled``: both the same for every address.
        """
        if not self.is_on:
            raise Problem("auth.reset_off")
        wanted = email.strip().lower()
        subjects = {subject_of("reset", wanted): PER_ADDRESS, subject_of("resets from", origin.address): PER_CALLER}
        await asyncio.to_thread(self._throttle.count, subjects)
        if len(self._under_way) >= _AT_ONCE:
            raise Problem("auth.throttled", retry_after_seconds=60)
        task = asyncio.create_task(self._answer(wanted, origin, language))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def settle(self) -> None:
        """Wait for what is under way (the service stops, a test looks)."""
        await asyncio.gather(*self._under_way)

    async def _answer(self, email: str, origin: Origin, language: Language) -> None:
        try:
            for user in await asyncio.to_thread(self._accounts, email):
                await self._write_to(user, origin, language)
        except Exception as error:  # noqa: BLE001 - nobody waits for this task: what goes wrong has to be in the log
            self._log.error("reset.broken", exc_info=error)

    def _accounts(self, email: str) -> list[User]:
        """Return who has this address and a password of their own. Who comes by a provider, or never came, asks an admin."""
        c = user_table.c
        own = sa.select(user_table).where(
            sa.func.lower(c.email) == email, c.active, c.password_hash.is_not(None), c.kind != "service"
        )
        with self._database.snapshot() as connection:
            return [as_user(row) for row in connection.execute(own.order_by(c.id).limit(_ACCOUNTS))]

    async def _write_to(self, user: User, origin: Origin, language: Language) -> None:
        by = Origin(None, origin.address, origin.request_id)  # who asked has proven nothing
        await asyncio.to_thread(self._audit.note_alone, "reset.asked", by, user.id)
        secret, _ = await asyncio.to_thread(lambda: self._setup.issue_link(user, by=by, lifetime=LIFETIME))
        recipient = Recipient(user.id, user.name, user.email, None)
        letter = Letter(_SUBJECT, _text(user.username), recipient, (), f"{self._address}{secret}", language)
        outcome = await self._letters.send(letter)
        if isinstance(outcome, Refused):
            self._log.warning("reset.not_sent", user=user.id, reason=outcome.reason.en)


_SUBJECT = say("重置密码", "Reset your password")


def _text(username: str) -> Text:
    minutes = LIFETIME // timedelta(minutes=1)
    return say(
        f"有人请求为账号“{username}”重置密码。如果是您本人,请在 {minutes} 分钟内打开下面的链接,它只能用一次。"
        "设置新密码后,所有会话和令牌随即失效。如果不是您,请忽略本邮件,密码不会改变。",
        f'Somebody asked to reset the password of the account "{username}". If it was you, open the link below within '
        f"{minutes} minutes; it works once. With the new password all sessions and tokens end. If it was not you, do nothing: "
        "the password stays as it is.",
    )
