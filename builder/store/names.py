"""Names of things in a database."""

from __future__ import annotations

import hashlib

_NAME_BYTES = 63  # PostgreSQL's limit; longer names are cut and given a hash


def cut_name(name: str) -> str:
    """Return the name, cut and made unique by a hash if it is longer than a database allows."""
    if len(name) <= _NAME_BYTES:
        return name
    return f"{name[: _NAME_BYTES - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
