"""A login provider (OpenID Connect): what it says of itself, its keys, codes turned into tokens, and tokens that are believed.

Everything goes through the one outbound client. Source: OpenID Connect Core 1.0 (3.1.3.7), Discovery 1.0, Back-Channel Logout 1.0, RFC 7636 (PKCE),
RFC 9207 (``iss`` in answers against mix-up). Believed are RS256, PS256, ES256 and EdDSA by a key of the provider: never ``none``, never a shared secret.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from builder.kernel.canonical import parse_json
from builder.kernel.clock import Clock
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.net.outbound import Answer, Outbound, OutboundFailed, OutboundRefused

JSON = Any
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_KEPT = timedelta(hours=1)
_KEYS_KEPT = timedelta(minutes=1)
"""At the least: a token with an unknown key makes us ask for the keys again, but not as often as somebody likes."""
_LEEWAY_SECONDS = 60
_OLDEST_SECONDS = 600
"""Of a token that was just asked for."""
_ANSWER_BYTES = 256 * 1024
_KEY_TYPES = frozenset({"RSA", "EC", "OKP"})


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One provider as the settings name it, and what becomes of people who come by it."""

    issuer: str
    client_id: str
    client_secret: str | None
    label: str
    public_url: str
    link: Literal["email", "explicit"]
    create: bool
    role: Literal["member", "builder"]
    department: str | None

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people back to: made of the settings, never of a request."""
        return f"{self.public_url}/api/auth/oidc/callback"


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider said of itself, and when."""

    said: Mapping[str, JSON]
    keys: KeySet
    at: datetime


class Provider:
    """Speaks with one provider; remembers what it said of itself for an hour."""

    def __init__(self, settings: ProviderSettings, outbound: Outbound, clock: Clock) -> None:
        self.settings = settings
        self._outbound = outbound
        self._clock = clock
        self._known: _Known | None = None
        self._turn = asyncio.Lock()

    async def login_url(self, state: str, nonce: str, verifier: str) -> str:
        """Return the address to which the browser is sent."""
        said = (await self._discovered()).said
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect_uri,
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        return _with_query(_address(said, "authorization_endpoint"), asked)

    async def logout_url(self) -> str | None:
        """Return the address that ends the session at the provider too; None if it has none."""
        said = (await self._discovered()).said
        if "end_session_endpoint" not in said:
            return None
        asked = {"client_id": self.settings.client_id, "post_logout_redirect_uri": self.settings.public_url}
        return _with_query(_address(said, "end_session_endpoint"), asked)

    async def require_issuer(self, named: str | None) -> None:
        """Refuse an answer that another provider sent (mix-up, RFC 9207)."""
        said = (await self._discovered()).said
        silent = named is None and not said.get("authorization_response_iss_parameter_supported", False)
        if not silent and named != self.settings.issuer:
            raise refused("the answer names another issuer")

    async def redeem(self, code: str, verifier: str, nonce: str) -> Mapping[str, JSON]:
        """Turn a code into the claims of its id token, checked.

        Raises:
            Problem: ``auth.provider_refused``, ``auth.provider_unreachable``.
        """
        said = (await self._discovered()).said
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.settings.redirect_uri,
            "client_id": self.settings.client_id,
            "code_verifier": verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        self._identify(said, form, headers)
        answer = await self._ask("POST", _address(said, "token_endpoint"), headers, urlencode(form).encode())
        if answer.status != 200:
            raise refused(f"the code was answered with HTTP {answer.status}")
        token = _object(answer).get("id_token")
        claims = await self._believed(token, essential=("exp", "iat", "sub", "nonce"))
        if claims["nonce"] != nonce:
            raise refused("the token was made for another login")
        return claims

    async def logged_out(self, logout_token: str) -> str:
        """Return the subject whom the provider logged out (its own call, signed like any other token)."""
        claims = await self._believed(logout_token, essential=("iat", "sub", "jti", "events"))
        if "nonce" in claims or LOGOUT_EVENT not in _members(claims["events"]):
            raise refused("this is no logout token")
        return str(claims["sub"])

    # -- details -------------------------------------------------------------------------------------------------------

    def _identify(self, said: Mapping[str, JSON], form: dict[str, str], headers: dict[str, str]) -> None:
        """Add who we are: by Basic (the default of the standard), or in the form where only that is taken."""
        secret = self.settings.client_secret
        if secret is None:
            return
        ways = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_basic" in ways:
            pair = f"{quote(self.settings.client_id, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form["client_secret"] = secret

    async def _believed(self, token: JSON, *, essential: tuple[str, ...]) -> Mapping[str, JSON]:
        if not isinstance(token, str):
            raise refused("there is no id token")
        known = await self._discovered()
        claims = _read(token, known.keys)
        if claims is None and self._clock.now() - known.at >= _KEYS_KEPT:
            claims = _read(token, (await self._discovered(anew=True)).keys)  # the provider may have changed its keys
        if claims is None:
            raise refused("the token is not signed by a key of the provider")
        now = int(self._clock.now().timestamp())
        wanted: dict[str, JSON] = {name: {"essential": True} for name in essential}
        wanted |= {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
        }
        try:
            JWTClaimsRegistry(now=now, leeway=_LEEWAY_SECONDS, **wanted).validate(dict(claims))
        except (JoseError, TypeError, ValueError) as error:
            raise refused(f"the token does not hold: {error}") from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (several or "azp" in claims) and claims.get("azp") != self.settings.client_id:
            raise refused("the token was made for another client")
        if now - claims["iat"] > _OLDEST_SECONDS:
            raise refused("the token is an old one")
        return claims

    async def _discovered(self, *, anew: bool = False) -> _Known:
        async with self._turn:
            known = self._known
            if known is not None and not anew and self._clock.now() - known.at < _KEPT:
                return known
            issuer = self.settings.issuer
            said = _object(await self._get(issuer.rstrip("/") + "/.well-known/openid-configuration"))
            if said.get("issuer") != issuer:
                raise refused("the provider calls itself by another issuer")
            listed = _object(await self._get(_address(said, "jwks_uri"))).get("keys")
            self._known = _Known(said, _keys(listed), self._clock.now())
            return self._known

    async def _get(self, url: str) -> Answer:
        answer = await self._ask("GET", url, {"accept": "application/json"}, b"")
        if answer.status != 200:
            raise _unreachable(f"HTTP {answer.status}")
        return answer

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        try:
            return await self._outbound.send(method, url, headers=headers, content=content, most_bytes=_ANSWER_BYTES)
        except (OutboundFailed, OutboundRefused) as error:
            raise _unreachable(str(error)) from None


def _read(token: str, keys: KeySet) -> Mapping[str, JSON] | None:
    """Return the claims of a token; None if no key of the set signed it in a way that is believed."""
    try:
        return jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _keys(listed: JSON) -> KeySet:
    able = [
        key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict) and key.get("kty") in _KEY_TYPES and key.get("use", "sig") == "sig"
    ]
    try:
        return KeySet.import_key_set({"keys": able})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise refused(f"the provider's keys cannot be read: {error}") from None


def _object(answer: Answer) -> Mapping[str, JSON]:
    try:
        return _members(parse_json(answer.body))
    except Problem:
        raise refused("the provider did not answer in JSON") from None


def _members(value: JSON) -> Mapping[str, JSON]:
    if not isinstance(value, dict):
        raise refused("the provider's answer is no object")
    return value


def _address(said: Mapping[str, JSON], name: str) -> str:
    address = said.get(name)
    if not isinstance(address, str) or not address.startswith(("https://", "http://")):
        raise refused(f"the provider names no {name}")
    return address


def _with_query(url: str, asked: Mapping[str, str]) -> str:
    return url + ("&" if "?" in url else "?") + urlencode(asked)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def refused(why: str) -> ProviderRefused:
    """The provider's answer is not one that is believed; why stands in the audit, not in the answer."""
    return ProviderRefused(why)


class ProviderRefused(Problem):
    """``auth.provider_refused`` with the reason for those who look after the service."""

    def __init__(self, why: str) -> None:
        super().__init__("auth.provider_refused")
        self.why = why


def _unreachable(why: str) -> Problem:
    return Problem(
        "auth.provider_unreachable",
        say(f"登录服务无法访问:{why}", f"The login provider cannot be reached: {why}"),
        retry_after_seconds=30,
    )
