"""The only door to randomness: record ids and secrets."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
import uuid
from typing import Protocol

from builder.kernel.clock import Clock

# Names below are made once and never change: sample records keep their ids over re-installs.
_SAMPLE_NAMESPACE = uuid.UUID("6f1c1e9e-8d0b-5b53-9c55-6a3f1f0d6a11")

_TAIL_BYTES = 10
_TAILS = 256
_LOW = (1 << 62) - 1  # of a tail: what stands behind the variant's bits
_TIME = (1 << 48) - 1
_VERSION = 0x7 << 76 | 0x2 << 62
_FREE = (1 << 80) - 1 & ~(0xF << 76 | 0x3 << 62)
_STEP = (1 << 32) - 1
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


_forks = 0
"""How many forks lie between this process and the first; asking the system for the process's number costs a call each time."""


def _forked() -> None:
    global _forks  # noqa: PLW0603 - of the process, as it is
    _forks += 1


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_forked)


class Ids(Protocol):
    """Makes identifiers."""

    def record_id(self) -> str:
        """Return a new UUIDv7 (RFC 9562) in canonical text: sorts by time of creation."""
        ...

    def secret(self) -> str:
        """Return a new url-safe secret of 256 bits."""
        ...


class SystemIds:
    """Identifiers from the clock and the operating system's randomness. Any thread may ask.

    Those of one millisecond go up, too (RFC 9562, 6.2, method 2): rows that are written together sort as they were made, also
    where a scenario holds the clock still.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tails: list[bytes] = []  # drawn in one call for many ids; popping a list is atomic
        self._forks = _forks
        self._turn = threading.Lock()
        self._last = (-1, 0)  # millisecond, tail

    def record_id(self) -> str:
        """Return a new UUIDv7."""
        milliseconds = self._clock.milliseconds()
        if self._forks != _forks:  # a forked child must not draw what its parent draws
            self._forks, self._tails = _forks, []
        try:
            tail = self._tails.pop()
        except IndexError:
            tail = self._draw()
        number = int.from_bytes(tail, "big")
        with self._turn:
            if milliseconds == self._last[0]:
                raised = (self._last[1] & _LOW) + 1 + (number & _STEP)
                if raised <= _LOW:  # else, once in a billion milliseconds, it starts anew
                    number = self._last[1] & ~_LOW | raised
            self._last = (milliseconds, number)
        return _uuid7(milliseconds, number)

    def _draw(self) -> bytes:
        drawn = secrets.token_bytes(_TAIL_BYTES * _TAILS)
        self._tails += [drawn[start : start + _TAIL_BYTES] for start in range(_TAIL_BYTES, len(drawn), _TAIL_BYTES)]
        return drawn[:_TAIL_BYTES]

    def secret(self) -> str:
        """Return a new url-safe secret."""
        return secrets.token_urlsafe(32)


class CountingIds:
    """Identifiers in a fixed order (scenarios, tests)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0

    def record_id(self) -> str:
        """Return the next UUIDv7 of the row."""
        self._count += 1
        return _uuid7(self._clock.milliseconds(), self._count)

    def secret(self) -> str:
        """Return the next secret of the row."""
        self._count += 1
        return hashlib.sha256(f"secret {self._count}".encode()).hexdigest()


def random_bytes(count: int) -> bytes:
    """Return bytes that nobody can guess: keys and nonces of encryption."""
    return secrets.token_bytes(count)


def random_fraction() -> float:
    """Return a number from 0 to 1, for the jitter of waits."""
    return secrets.randbelow(1_000_001) / 1_000_000


def _uuid7(milliseconds: int, tail: int) -> str:
    text = f"{(milliseconds & _TIME) << 80 | tail & _FREE | _VERSION:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def find_uuid(text: str) -> str | None:
    """Return the canonical form of a UUID text of any version, or None if it is not one."""
    if len(text) != 36 or not text.isascii():  # uuid takes digits of any script
        return None
    if _CANONICAL.fullmatch(text):
        return text
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def sample_id(app: str, entity: str, name: str) -> str:
    """Return the fixed id of a sample record that a package calls by name (UUIDv5)."""
    return find_uuid(name) or str(uuid.uuid5(_SAMPLE_NAMESPACE, f"{app}/{entity}/{name}"))


def secret_hash(secret: str) -> str:
    """Return the form in which a random secret is stored: SHA-256 hex (its 256 bits need no salt)."""
    return hashlib.sha256(secret.encode()).hexdigest()
