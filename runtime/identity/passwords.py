"""Passwords: argon2id, the same cost whether a user exists or not, and the rule for new ones.

Parameters: 19 MiB, 2 passes, 1 lane (OWASP Password Storage Cheat Sheet); a stored hash names its own, and is made again at the
next login when they change. At most four are computed at once, so logins cannot take the memory of everything else.
"""

from __future__ import annotations

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from builder.kernel.problems import Violation
from builder.kernel.text import say

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
AT_ONCE = 4

LEAST_LENGTH = 10
MOST_LENGTH = 200
_LEAST_DIFFERENT = 4
_TELLING_LENGTH = 4


class Passwords:
    """Hashes and verifies."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = PASSES, lanes: int = LANES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._nobody = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """Return the form in which a password is stored."""
        with self._turns:
            return self._hasher.hash(_normal(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the stored one. None (no such user, or one without a password) costs the same and is False."""
        with self._turns:
            try:
                self._hasher.verify(stored or self._nobody, _normal(password))
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a stored hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)


def password_violations(password: str, username: str) -> list[Violation]:
    """Return what is wrong with a new password: length, hardly any different characters, or the user name in it."""
    normal = _normal(password)
    params = {"min_length": LEAST_LENGTH, "max_length": MOST_LENGTH}
    if not LEAST_LENGTH <= len(normal) <= MOST_LENGTH:
        text = say(
            f"密码须有 {LEAST_LENGTH} 至 {MOST_LENGTH} 个字符",
            f"A password has {LEAST_LENGTH} to {MOST_LENGTH} characters",
        )
        return [Violation("password_length", "/password", text, params)]
    if len(set(normal)) < _LEAST_DIFFERENT or _contains(normal, username):
        text = say("密码太容易猜到", "This password is too easy to guess")
        return [Violation("password_weak", "/password", text)]
    return []


def _contains(password: str, username: str) -> bool:
    return len(username) >= _TELLING_LENGTH and username in password.lower()


def _normal(password: str) -> str:
    # the same password typed on two keyboards may arrive in two forms (NIST SP 800-63B, 3.1.1.2)
    return unicodedata.normalize("NFKC", password)
