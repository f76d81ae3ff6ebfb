"""Against robots: the port of what asks a visitor to prove something, with a proof of work of our own and any service that verifies.

Reads and writes: dougong_solved_challenge (a challenge counts once).
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol
from urllib.parse import urlencode

import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import Clock, instant_text
from builder.kernel.ids import Ids, secret_hash
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import Text, say
from builder.store.database import Database
from builder.store.sharing_tables import solved_challenge as table
from runtime.net.outbound import Outbound, OutboundFailed, OutboundRefused
from runtime.secrets.sealing import Sealer

JSON = Any
LIFETIME = timedelta(minutes=10)
_ANSWER_LENGTH = 8_000
_NUMBER_LENGTH = 20


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something is to be proven: which form, how hard, from which address."""

    place: str
    work_bits: int
    address: str


class Captcha(Protocol):
    """One way to tell people from robots. It raises or returns."""

    name: ClassVar[str]

    def challenge(self, at: Spot) -> dict[str, JSON]:
        """Return what the page needs to let a visitor prove it."""
        ...

    async def verify(self, at: Spot, answer: str) -> None:
        """Let a proof pass, once.

        Raises:
            Problem: ``form.captcha``.
        """
        ...


class ProofOfWork:
    """A computation by the visitor's browser: a number so that SHA-256 of challenge and number begins with so many zero bits.

    The challenge is sealed (nobody else makes one), is for one form, ends after ten minutes and counts once.
    """

    name: ClassVar[str] = "work"

    def __init__(self, database: Database, clock: Clock, ids: Ids, sealer: Sealer) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._sealer = sealer

    def challenge(self, at: Spot) -> dict[str, JSON]:
        """Return a challenge with its difficulty; the answer is ``{challenge}.{number}``."""
        until = self._clock.now() + LIFETIME
        told = {"nonce": self._ids.secret(), "bits": at.work_bits, "until": instant_text(until)}
        sealed = self._sealer.seal(dump_json(told).decode(), _place(at))
        return {"kind": self.name, "challenge": sealed, "bits": at.work_bits, "until": instant_text(until)}

    async def verify(self, at: Spot, answer: str) -> None:
        """Check the seal, the end, the work, and that it is the first time."""
        sealed, _, number = answer.rpartition(".")
        if not (sealed and number.isascii() and number.isdigit() and len(number) <= _NUMBER_LENGTH):
            raise refused()
        await asyncio.to_thread(self._verify, at, sealed, number)

    def _verify(self, at: Spot, sealed: str, number: str) -> None:
        try:
            told = parse_json(self._sealer.open(sealed, _place(at)).encode())
        except Problem:
            raise refused() from None
        until = datetime.fromisoformat(told["until"])
        if until <= self._clock.now() or told["bits"] < at.work_bits or not is_solved(sealed, number, told["bits"]):
            raise refused()
        now = self._clock.now()
        with self._database.transaction() as connection:
            connection.execute(sa.delete(table).where(table.c.expires_at <= now))
            if connection.execute(sa.select(table.c.hash).where(table.c.hash == secret_hash(sealed))).first():
                raise refused()
            try:
                connection.execute(sa.insert(table).values(hash=secret_hash(sealed), expires_at=until))
            except sa.exc.IntegrityError:  # another process was given the same one at this moment
                raise refused() from None


class VerifyingService:
    """A service that says ``{"success": true}`` to secret and response: hCaptcha, Turnstile, reCAPTCHA."""

    name: ClassVar[str] = "service"

    def __init__(self, outbound: Outbound, url: str | None, secret: str | None, site_key: str | None) -> None:
        self._outbound = outbound
        self._url = url
        self._secret = secret
        self._site_key = site_key

    def challenge(self, at: Spot) -> dict[str, JSON]:
        """Return the key by which the service's own script is set up."""
        return {"kind": self.name, "site_key": self._site_key}

    async def verify(self, at: Spot, answer: str) -> None:
        """Ask the service. If it cannot be asked, nothing passes."""
        if self._url is None or self._secret is None:
            raise _unreachable("the settings name no service")
        form = urlencode({"secret": self._secret, "response": answer, "remoteip": at.address}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        try:
            reply = await self._outbound.send("POST", self._url, headers=headers, content=form)
            said = parse_json(reply.body)
        except (OutboundFailed, OutboundRefused) as error:
            raise _unreachable(str(error)) from None
        except Problem:
            raise _unreachable("its answer is no JSON") from None
        if reply.status != 200 or not isinstance(said, dict) or said.get("success") is not True:
            raise refused()


def is_solved(challenge: str, number: str, bits: int) -> bool:
    """Tell whether a number is the answer to a challenge."""
    digest = hashlib.sha256(f"{challenge}.{number}".encode()).digest()
    return int.from_bytes(digest, "big") >> (len(digest) * 8 - bits) == 0


def solve(challenge: str, bits: int) -> str:
    """Return the answer to a challenge. Cost: 2**bits hashes on average (programs that fill forms in, tests)."""
    number = 0
    while not is_solved(challenge, str(number), bits):
        number += 1
    return f"{challenge}.{number}"


def given_answer(answer: JSON) -> str:
    """Return the answer that was sent along.

    Raises:
        Problem: ``form.captcha`` if there is none.
    """
    if not isinstance(answer, str) or not 0 < len(answer) <= _ANSWER_LENGTH:
        raise refused()
    return answer


def refused() -> Problem:
    """The proof is not one; ask for another challenge."""
    text: Text = say("验证未通过,请重试", "The check was not passed; try again")
    return Problem("form.captcha", text, violations=[Violation("captcha", "/captcha", text)])


def _unreachable(why: str) -> Problem:
    text = say(f"验证服务无法访问:{why}", f"The captcha service cannot be reached: {why}")
    return Problem("service.unavailable", text, retry_after_seconds=30)


def _place(at: Spot) -> str:
    return f"captcha/{at.place}"
