"""Several messages to one person as one."""

from __future__ import annotations

from collections.abc import Sequence

from builder.kernel.text import Text, say
from runtime.channels.base import Letter, Payload
from runtime.channels.robots import title_of


def merged(payloads: Sequence[Payload]) -> Payload:
    """Return one letter that says what several say, in their order; a single one as it is."""
    letters = [payload for payload in payloads if isinstance(payload, Letter)]
    if len(letters) < 2:
        return payloads[0]
    title = title_of(letters)
    zh = "\n\n".join(
        _part(number, letter, letter.subject.zh, letter.text.zh) for number, letter in enumerate(letters, 1)
    )
    en = "\n\n".join(
        _part(number, letter, letter.subject.en, letter.text.en) for number, letter in enumerate(letters, 1)
    )
    return letters[0]._replace(subject=say(title, title), text=Text(zh, en), link=None)


def _part(number: int, letter: Letter, subject: str, text: str) -> str:
    lines = [f"{number}. {subject}", *([text] if text else ()), *([letter.link] if letter.link else ())]
    return "\n".join(lines)
