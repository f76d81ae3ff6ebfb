"""A login provider on 127.0.0.1: discovery, keys, authorization and token endpoint over HTTP; a test makes its answers hostile."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from builder.kernel.canonical import dump_json
from builder.kernel.clock import Clock
from tests.support.receiver import HttpReceiver, Received, Reply, http_receiver

JSON = Any
CLIENT, SECRET = "dougong", "a secret of the client"
LINA = {"sub": "u-1", "email": "lina@example.com", "email_verified": True, "name": "李娜", "preferred_username": "lina"}


def _same(value: JSON) -> JSON:
    return value


@cache
def _key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})


@dataclass
class FakeProvider:
    """Logs ``person`` in, whoever comes."""

    receiver: HttpReceiver
    clock: Clock
    person: dict[str, JSON] = field(default_factory=lambda: dict(LINA))
    key: RSAKey = field(default_factory=_key)
    said: Callable[[dict[str, JSON]], dict[str, JSON]] = _same
    """What becomes of the discovery document."""
    claims: Callable[[dict[str, JSON]], dict[str, JSON]] = _same
    """What becomes of the claims of an id token."""
    sign: Callable[[dict[str, JSON]], str] | None = None
    """Makes the token; None: signed as it should be."""
    names_issuer: bool = True
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        """Its name and address."""
        return self.receiver.url

    def answer(self, received: Received) -> Reply:
        """Answer one request."""
        parts = urlsplit(received.path)
        if parts.path == "/.well-known/openid-configuration":
            return Reply(200, self.said(self._document()))
        if parts.path == "/keys":
            return Reply(200, {"keys": [self.key.as_dict(private=False)]})
        if parts.path == "/authorize":
            return self._authorize({name: values[0] for name, values in parse_qs(parts.query).items()})
        if parts.path == "/token":
            return self._token(received)
        return Reply(404)

    def _document(self) -> dict[str, JSON]:
        named = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        named["end_session_endpoint"] = "/end"
        document = {"issuer": self.issuer, **{name: self.issuer + path for name, path in named.items()}}
        return {**document, "authorization_response_iss_parameter_supported": self.names_issuer}

    def _authorize(self, asked: dict[str, str]) -> Reply:
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert (asked["code_challenge_method"], "openid" in asked["scope"].split()) == ("S256", True)
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"]} | ({"iss": self.issuer} if self.names_issuer else {})
        return Reply(302, headers=(("location", f"{asked['redirect_uri']}?{urlencode(back)}"),))

    def _token(self, received: Received) -> Reply:
        form = {name: values[0] for name, values in parse_qs(received.body.decode()).items()}
        pair = base64.b64decode(received.headers["authorization"].removeprefix("Basic ")).decode()
        asked = self.codes.pop(form.get("code", ""), None)  # each code counts once
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        right = (
            asked is not None
            and [unquote(each) for each in pair.split(":")] == [CLIENT, SECRET]
            and _base64(digest) == asked["code_challenge"]
            and form["redirect_uri"] == asked["redirect_uri"]
        )
        if not right or asked is None:
            return Reply(400, {"error": "invalid_grant"})
        return Reply(200, {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])})

    def id_token(self, nonce: str) -> str:
        """Return the token of who is logged in."""
        now = int(self.clock.now().timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce, **self.person}
        return self.signed(self.claims(claims))

    def signed(self, claims: dict[str, JSON]) -> str:
        """Return claims as a token."""
        if self.sign is not None:
            return self.sign(claims)
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key, algorithms=["RS256"])


def unsigned(claims: dict[str, JSON]) -> str:
    """A token of the algorithm none."""
    return ".".join(_base64(dump_json(part)) for part in ({"alg": "none", "kid": "one"}, claims)) + "."


def signed_by_public_key(provider: FakeProvider) -> Callable[[dict[str, JSON]], str]:
    """Sign with HS256 and the public key as the secret (the classic confusion of algorithms)."""
    public = provider.key.as_pem(private=False)

    def sign(claims: dict[str, JSON]) -> str:
        # by hand: the library does not lend itself to it
        head = ".".join(_base64(dump_json(part)) for part in ({"alg": "HS256", "kid": "one"}, claims))
        return f"{head}.{_base64(hmac.digest(public, head.encode(), 'sha256'))}"

    return sign


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@asynccontextmanager
async def login_provider(clock: Clock) -> AsyncIterator[FakeProvider]:
    """Run a provider on a free port."""
    async with http_receiver() as receiver:
        provider = FakeProvider(receiver, clock)
        receiver.answer = provider.answer
        yield provider


async def through_provider(url: str) -> str:
    """Open the provider's address as a browser does; return where it sends the browser back to."""
    async with httpx.AsyncClient() as browser:
        return str((await browser.get(url)).headers["location"])
