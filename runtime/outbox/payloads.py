"""What a row of the outbox carries, as JSON and back."""

from __future__ import annotations

from typing import Any

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.text import Text
from runtime.channels.base import Call, Letter, Payload, Recipient

JSON = Any


def dump_payload(payload: Payload, answer: tuple[tuple[str, str], ...] = ()) -> str:
    """Write a payload; ``answer`` says which members of the answer go into which fields of the record."""
    if isinstance(payload, Letter):
        value: dict[str, JSON] = {
            "letter": payload._asdict()
            | {
                "subject": payload.subject._asdict(),
                "text": payload.text._asdict(),
                "recipient": None if payload.recipient is None else payload.recipient._asdict(),
                "mentions": list(payload.mentions),
            }
        }
    else:
        value = {"call": payload._asdict() | {"query": dict(payload.query)}}
    if answer:
        value["answer"] = [list(pair) for pair in answer]
    return dump_json(value).decode()


def read_payload(text: str) -> tuple[Payload, tuple[tuple[str, str], ...]]:
    """Read what ``dump_payload`` wrote."""
    value = parse_json(text)
    answer = tuple((str(pointer), str(field)) for pointer, field in value.get("answer", ()))
    if "call" in value:
        return Call(**value["call"]), answer
    given = value["letter"]
    recipient = given["recipient"]
    letter = Letter(
        subject=Text(**given["subject"]),
        text=Text(**given["text"]),
        recipient=None if recipient is None else Recipient(**recipient),
        mentions=tuple(given["mentions"]),
        link=given["link"],
        language=given["language"],
    )
    return letter, answer
