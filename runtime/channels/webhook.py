"""Webhook: a JSON body, signed, for a program that was written to take it."""

from __future__ import annotations

import hashlib
import hmac
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from builder.kernel.canonical import dump_json
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
    read_answer,
    safe_url,
    send_http,
)

ID_HEADER = "dougong-id"
TIME_HEADER = "dougong-timestamp"
SIGNATURE_HEADER = "dougong-signature"


def sign(secret: str, seconds: int, body: bytes) -> str:
    """Return ``v1=`` and the HMAC-SHA256 (hex) of ``{seconds}.{body}``."""
    return "v1=" + hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


class Webhook:
    """Another program's address."""

    kind: ClassVar[str] = "webhook"
    title: ClassVar[Text] = say("Webhook", "Webhook")
    secret_names: ClassVar[tuple[str, ...]] = ("secret", "former_secret")
    needed: ClassVar[int] = 1
    rate: ClassVar[Rate | None] = None
    merges: ClassVar[bool] = False
    carries: ClassVar[Literal["letters", "calls", "both"]] = "both"
    to_each: ClassVar[Literal["email", "phone", "none"]] = "none"

    class Options(ChannelOptions):
        """Where it is."""

        url: str = Field(description="The address that takes the requests.")

        _safe = field_validator("url")(safe_url)

    async def deliver(self, sending: Sending, roads: Roads) -> Outcome:
        """Post the body; while a secret is being changed, both sign."""
        payload = sending.payloads[0]
        body = dump_json(_body(payload))
        seconds = int(sending.now.timestamp())
        secrets = [sending.secrets[name] for name in self.secret_names if sending.secrets.get(name)]
        headers = {
            ID_HEADER: sending.key,
            "idempotency-key": sending.key,
            TIME_HEADER: str(seconds),
            SIGNATURE_HEADER: ",".join(sign(secret, seconds, body) for secret in secrets),
        }
        answer = await send_http(roads, "POST", sending.options.url, headers, body)
        return answer if isinstance(answer, Refused) else Delivered(read_answer(answer.body))


def _body(payload: Call | Letter) -> JSON:
    if isinstance(payload, Call):
        return payload.body
    letter = payload
    recipient = letter.recipient
    return {
        "subject": letter.subject._asdict(),
        "text": letter.text._asdict(),
        "link": letter.link,
        "to": None if recipient is None else {"user_id": recipient.user_id, "name": recipient.name},
    }
