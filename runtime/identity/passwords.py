"""Passwords: argon2id, the same cost whether a user exists or not, and the rule for new ones.

Parameters: 19 MiB, 2 passes, 1 lane (OWASP Password Storage Cheat Sheet); a stored hash names its own, and is made again at the
next login when they change. At most four are computed at once, so logins cannot take the memory of everything else.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import ClassVar, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from builder.kernel.problems import Violation
from builder.kernel.text import say

AT_ONCE = 4

LEAST_LENGTH = 10
"""Unless the settings say another number."""
MOST_LENGTH = 200
_LEAST_DIFFERENT = 4
_TELLING_LENGTH = 4


class Cost(NamedTuple):
    """What one hash takes; to guess a stolen one takes as much."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    lanes: int = 1


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """What the company asks of passwords. ``days``: how long one may be used; None: as long as it is kept secret."""

    least_length: int = LEAST_LENGTH
    kinds: int = 1
    """Of how many kinds the characters have to be: lower case, upper case, digits, others."""
    days: int | None = None
    former: int = 0
    """How many former ones, besides the present one, are not taken again."""

    def is_expired(self, changed_at: datetime, now: datetime) -> bool:
        """Tell whether a password set then has to be changed."""
        return self.days is not None and changed_at + timedelta(days=self.days) <= now


class Passwords:
    """Hashes and verifies."""

    cost: ClassVar[Cost] = Cost()
    """Of instances made from now on. Tests, which make people by the hundred, lower it."""

    def __init__(self, rules: PasswordRules | None = None) -> None:
        self.rules = rules or PasswordRules()
        memory, passes, lanes = self.cost
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=lanes)
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    @cached_property
    def _nobody(self) -> str:
        # made when the first password is asked for: instances of scenarios and tests never come to that
        return self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """Return the form in which a password is stored."""
        with self._turns:
            return self._hasher.hash(_normal(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the stored one. None (no such user, or one without a password) costs the same and is False."""
        nobody = self._nobody
        with self._turns:
            try:
                self._hasher.verify(stored or nobody, _normal(password))
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def violations(self, password: str, username: str, *, pointer: str = "/password") -> list[Violation]:
        """Return what is wrong with a new password: length, kinds of characters, too few different ones, or the user name in it."""
        rules, normal = self.rules, _normal(password)
        if not rules.least_length <= len(normal) <= MOST_LENGTH:
            text = say(
                f"密码须有 {rules.least_length} 至 {MOST_LENGTH} 个字符",
                f"A password has {rules.least_length} to {MOST_LENGTH} characters",
            )
            params = {"min_length": rules.least_length, "max_length": MOST_LENGTH}
            return [Violation("password_length", pointer, text, params)]
        if _kinds(normal) < rules.kinds:
            text = say(
                f"密码须含小写字母、大写字母、数字、其他字符中的至少 {rules.kinds} 类",
                f"A password has characters of at least {rules.kinds} kinds: lower case, upper case, digits, others",
            )
            return [Violation("password_kinds", pointer, text, {"kinds": rules.kinds})]
        if len(set(normal)) < _LEAST_DIFFERENT or _contains(normal, username):
            return [Violation("password_weak", pointer, say("密码太容易猜到", "This password is too easy to guess"))]
        return []

    def reuse(self, stored: Iterable[str], password: str, *, pointer: str = "/password") -> list[Violation]:
        """Return what is wrong with a new password that is one of those that were had; each that is compared costs a login's work."""
        former = self.rules.former
        if not former or not any(self.verify(one, password) for one in islice(stored, former + 1)):
            return []
        text = say(f"不能再用最近 {former} 个旧密码", f"The last {former} passwords cannot be used again")
        return [Violation("password_former", pointer, text, {"former": former})]

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a stored hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)


def _kinds(password: str) -> int:
    asked = (str.islower, str.isupper, str.isdigit)
    found = {next((place for place, is_one in enumerate(asked) if is_one(c)), len(asked)) for c in password}
    return len(found)


def _contains(password: str, username: str) -> bool:
    return len(username) >= _TELLING_LENGTH and username in password.lower()


def _normal(password: str) -> str:
    # the same password typed on two keyboards may arrive in two forms (NIST SP 800-63B, 3.1.1.2)
    return unicodedata.normalize("NFKC", password)
