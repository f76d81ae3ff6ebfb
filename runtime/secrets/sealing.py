"""Sealing: AES-256-GCM with the place of a secret as associated data, so that a sealed value is of no use anywhere else.

Keys come from the setting ``secret_keys`` (the first seals, all open: that is how a key is changed) or from a file that is made at the
first use, readable by its owner alone. Reads and writes: that file. Never: the database.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from builder.kernel.ids import random_bytes
from builder.kernel.problems import Problem
from builder.kernel.text import say

_VERSION = b"1"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_NAME_BYTES = 4


class Sealer:
    """Seals and opens small texts. Any thread may ask."""

    def __init__(self, keys: Sequence[str], file: Path) -> None:
        """``keys``: any texts; each is hashed to a key. Without them ``file`` holds one."""
        self._given = tuple(keys)
        self._file = file
        self._keys: list[tuple[bytes, AESGCM]] = []
        self._lock = threading.Lock()

    def seal(self, text: str, place: str) -> str:
        """Return a text sealed for a place, such as ``connection/mail``."""
        name, key = self._ready()[0]
        nonce = random_bytes(_NONCE_BYTES)
        sealed = key.encrypt(nonce, text.encode(), place.encode())
        return base64.b64encode(_VERSION + name + nonce + sealed).decode()

    def open(self, sealed: str, place: str) -> str:
        """Return what was sealed for a place.

        Raises:
            Problem: ``secret.unreadable``: the key is another, or the value was tampered with or moved.
        """
        try:
            raw = base64.b64decode(sealed, validate=True)
        except (binascii.Error, ValueError):
            raise _unreadable() from None
        start = len(_VERSION) + _NAME_BYTES
        named, nonce, content = (
            raw[len(_VERSION) : start],
            raw[start : start + _NONCE_BYTES],
            raw[start + _NONCE_BYTES :],
        )
        for name, key in self._ready() if raw[:1] == _VERSION and len(nonce) == _NONCE_BYTES else ():
            if name == named:
                try:
                    return key.decrypt(nonce, content, place.encode()).decode()
                except InvalidTag:
                    break
        raise _unreadable()

    def is_current(self, sealed: str) -> bool:
        """Whether a value was sealed with the key that seals now."""
        raw = base64.b64decode(sealed)
        return raw[len(_VERSION) : len(_VERSION) + _NAME_BYTES] == self._ready()[0][0]

    def _ready(self) -> list[tuple[bytes, AESGCM]]:
        with self._lock:
            if not self._keys:
                texts = self._given or (_read_or_make(self._file),)
                self._keys = [_named(hashlib.sha256(text.encode()).digest()) for text in texts]
            return self._keys


def _named(key: bytes) -> tuple[bytes, AESGCM]:
    return hashlib.sha256(b"name" + key).digest()[:_NAME_BYTES], AESGCM(key)


def _read_or_make(file: Path) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(handle, "w") as made:
        made.write(base64.b64encode(random_bytes(_KEY_BYTES)).decode() + "\n")
        made.flush()
        os.fsync(made.fileno())
    return file.read_text().strip()


def _unreadable() -> Problem:
    detail = say(
        "保存的密钥无法解开:实例的密钥已更换,请重新填写",
        "The stored secret cannot be opened: the instance's key is another one; enter it again",
    )
    return Problem("secret.unreadable", detail)
