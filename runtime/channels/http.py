"""Generic HTTP: gateways for SMS and voice calls, and other systems' APIs, described by options instead of code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import quote, urlencode

from pydantic import Field, field_validator, model_validator

from builder.kernel.text import Text, say
from runtime.channels.base import (
    JSON,
    Call,
    ChannelOptions,
    Delivered,
    Letter,
    Outcome,
    Rate,
    Refused,
    Roads,
    Sending,
    find_at,
    read_answer,
    safe_url,
    send_http,
    shown,
)

_PLACE = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
PLACES = ("subject", "text", "phone", "email", "name", "key", "link")


class Http:
    """A system with an HTTP API."""

    kind: ClassVar[str] = "http"
    title: ClassVar[Text] = say("HTTP 接口(短信、语音、其他系统)", "HTTP (SMS, voice, other systems)")
    secret_names: ClassVar[tuple[str, ...]] = ("token",)
    needed: ClassVar[int] = 0
    rate: ClassVar[Rate | None] = None
    merges: ClassVar[bool] = False
    carries: ClassVar[Literal["letters", "calls", "both"]] = "both"
    to_each: ClassVar[Literal["email", "phone", "none"]] = "phone"

    class Options(ChannelOptions):
        """How the system is asked. In ``body``, ``{{phone}}`` and the like stand for parts of a letter."""

        url: str = Field(description="Where the API begins; the path of a call is added.")
        method: Literal["POST", "PUT", "GET"] = Field("POST", description="Method for letters.")
        headers: Mapping[str, str] = Field(
            default_factory=dict, description="Headers of every request, nothing secret."
        )
        body: Any = Field(None, description=f"Body for letters, JSON; texts may hold {{{{…}}}}: {', '.join(PLACES)}.")
        token_header: str = Field("authorization", description="The header that carries the token.")
        token_prefix: str = Field("Bearer ", description="What stands before the token.")
        ok_at: str | None = Field(None, description="JSON pointer to the member of the answer that tells success.")
        ok_values: tuple[Any, ...] = Field((), description="Its values that mean success.")

        _safe = field_validator("url")(safe_url)

        @field_validator("headers")
        @classmethod
        def _plain_headers(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
            for name, value in headers.items():
                if not re.fullmatch(r"[A-Za-z0-9-]{1,60}", name) or not value.isprintable() or name.lower() == "host":
                    raise ValueError(f"the header {name!r} cannot be set")
            return headers

        @model_validator(mode="after")
        def _known_places(self) -> Http.Options:
            for name in _places(self.body):
                if name not in PLACES:
                    raise ValueError(f"there is no place {{{{{name}}}}}; there are {', '.join(PLACES)}")
            return self

    async def deliver(self, sending: Sending, roads: Roads) -> Outcome:
        """Make the request; its answer is read where the options say how success looks."""
        options: Http.Options = sending.options
        payload = sending.payloads[0]
        headers = {**options.headers, "idempotency-key": sending.key}
        if sending.secrets.get("token"):
            headers[options.token_header] = options.token_prefix + sending.secrets["token"]
        if isinstance(payload, Call):
            method, url, body = payload.method, _address(options.url, payload), payload.body
        else:
            method, url, body = options.method, options.url, _filled(options.body, _values(sending.key, payload))
        answer = await send_http(roads, method, url, headers, body)
        if isinstance(answer, Refused):
            return answer
        said = read_answer(answer.body)
        if options.ok_at is not None and find_at(said, options.ok_at) not in options.ok_values:
            told = shown(answer.body)
            return Refused(say(f"对方没有接受:{told}", f"The other side did not accept it: {told}"), final=False)
        return Delivered(said)


def _address(base: str, call: Call) -> str:
    """Add path and query of a call; neither can leave what the connection's address begins with."""
    steps = [step for step in call.path.split("/") if step not in ("", ".", "..")]
    url = base.rstrip("/") + "".join("/" + quote(step, safe="%:@!$&'()*+,;=~-._") for step in steps)
    return f"{url}?{urlencode(call.query)}" if call.query else url


def _values(key: str, letter: Letter) -> dict[str, str]:
    recipient = letter.recipient
    return {
        "subject": letter.subject.pick(letter.language),
        "text": letter.text.pick(letter.language),
        "phone": (recipient.phone if recipient else None) or "",
        "email": (recipient.email if recipient else None) or "",
        "name": recipient.name if recipient else "",
        "key": key,
        "link": letter.link or "",
    }


def _filled(template: JSON, values: Mapping[str, str]) -> JSON:
    """Fill a body by its structure, so that nothing a person typed can become a part of the JSON."""
    if isinstance(template, str):
        return _PLACE.sub(lambda found: values.get(found[1], ""), template)
    if isinstance(template, dict):
        return {name: _filled(inner, values) for name, inner in template.items()}
    if isinstance(template, list | tuple):
        return [_filled(inner, values) for inner in template]
    return template


def _places(template: JSON) -> list[str]:
    if isinstance(template, str):
        return _PLACE.findall(template)
    inner = template.values() if isinstance(template, dict) else template if isinstance(template, list | tuple) else ()
    return [name for item in inner for name in _places(item)]
