"""Scopes: what a token may be narrowed to."""

from __future__ import annotations

import re

from builder.kernel.limits import APP_KEY_LENGTH

READ = "records:read"
WRITE = "records:write"
BUILDER = "builder"
ADMIN = "admin"
APP = "app:"

SCOPES: tuple[str, ...] = (READ, WRITE, BUILDER, ADMIN)
"""What a token may do; ``app:<key>`` besides narrows it to one app (several may be given)."""

_APP_SCOPE = re.compile(f"{APP}[a-z][a-z0-9_]{{0,{APP_KEY_LENGTH - 1}}}")


def is_app(scope: str) -> bool:
    """Tell whether a scope narrows a token to an app."""
    return scope.startswith(APP)


def is_scope(text: str) -> bool:
    """Tell whether a text is a scope."""
    return text in SCOPES or _APP_SCOPE.fullmatch(text) is not None
