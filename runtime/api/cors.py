"""Cross-origin rules (Fetch standard): only configured origins, exactly; nothing by default.

Ours and not a library's, because answers of the edge itself (limits, failures) need these headers too, and a refused preflight
has the shape of every other problem.
"""

from __future__ import annotations

from collections.abc import Iterable

from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.api.http import Header, Scope, find_header

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = (
    b"Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Prefer, Accept-Language, X-Request-Id, "
    b"Dougong-Override, Dougong-View-As"
)
_SHOWN_HEADERS = b"ETag, Location, Link, Retry-After, X-Request-Id, Content-Disposition, Preference-Applied"
_PREFLIGHT_SECONDS = b"7200"


class Cors:
    """The rules of one instance."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def preflight(self, scope: Scope) -> list[Header] | None:
        """Return the headers that answer a preflight; None if the request is none.

        Raises:
            Problem: ``access.origin`` for an origin that is not configured.
        """
        if scope["method"] != "OPTIONS" or find_header(scope, b"access-control-request-method") is None:
            return None
        if self._allowed(scope) is None:
            raise Problem(
                "access.origin",
                say("此来源未列入 DOUGONG_CORS_ORIGINS", "This origin is not listed in DOUGONG_CORS_ORIGINS"),
            )
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]

    def answer(self, scope: Scope) -> list[Header]:
        """Return the headers that let a page of a configured origin read the answer."""
        if not self._origins:
            return []
        vary: Header = (b"vary", b"Origin")
        origin = self._allowed(scope)
        if origin is None:
            return [vary]
        return [
            vary,
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _SHOWN_HEADERS),
        ]

    def _allowed(self, scope: Scope) -> bytes | None:
        if not self._origins:
            return None
        for name, value in scope["headers"]:
            if name == b"origin":
                return value if value in self._origins else None
        return None
