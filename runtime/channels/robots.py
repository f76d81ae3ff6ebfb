"""What robots of group chats share: letters as markdown, several as one digest, errors under HTTP 200."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field, field_validator

from builder.kernel.text import say
from runtime.channels.base import (
    JSON,
    ChannelOptions,
    Delivered,
    Letter,
    Outcome,
    Rate,
    Refused,
    Roads,
    Sending,
    cut,
    only_letters,
    read_answer,
    safe_url,
    send_http,
    shown,
)

_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]()#<>|"})


class RobotOptions(ChannelOptions):
    """Where the robot is."""

    url: str = Field(description="The robot's address without its secret.")

    _safe = field_validator("url")(safe_url)


class Errors(NamedTuple):
    """How a vendor tells an error under HTTP 200; the code 0 is fine.

    ``members`` may hold the code, ``busy`` are codes that ask to wait so many seconds, after ``never`` trying again
    changes nothing.
    """

    members: tuple[str, ...]
    busy: Mapping[int, float]
    never: frozenset[int]


class Robot(ABC):
    """A robot of a group chat; a vendor's class says its address, its secrets, its errors and how it writes."""

    needed: ClassVar[int] = 1
    rate: ClassVar[Rate | None] = Rate(20, 60)
    merges: ClassVar[bool] = True
    carries: ClassVar[Literal["letters", "calls", "both"]] = "letters"
    to_each: ClassVar[Literal["email", "phone", "none"]] = "none"
    errors: ClassVar[Errors]

    @abstractmethod
    def write(self, sending: Sending, letters: Sequence[Letter]) -> tuple[str, JSON]:
        """Return the address to post to and the body."""

    async def deliver(self, sending: Sending, roads: Roads) -> Outcome:
        """Post one message for all letters."""
        url, body = self.write(sending, only_letters(sending))
        answer = await send_http(roads, "POST", url, {}, body)
        if isinstance(answer, Refused):
            return answer
        said = read_answer(answer.body)
        code = (
            next((said[name] for name in self.errors.members if name in said), None) if isinstance(said, dict) else None
        )
        if code == 0:
            return Delivered(said)
        told = shown(answer.body)
        reason = say(f"对方回答错误 {code}:{told}", f"The other side answered the error {code}: {told}")
        known = code if isinstance(code, int) else None
        return Refused(reason, known in self.errors.never, self.errors.busy.get(known) if known is not None else None)


def title_of(letters: Sequence[Letter]) -> str:
    """Return one line for all letters."""
    first = letters[0].subject.pick(letters[0].language)
    if len(letters) == 1:
        return first
    return f"{len(letters)} 条提醒" if letters[0].language == "zh" else f"{len(letters)} notices"


def markdown_of(letters: Sequence[Letter], most_bytes: int) -> str:
    """Write letters as markdown; what people typed stays text. In a long digest each gets its share of the space."""
    if len(letters) == 1:
        return _one(letters[0], "###", most_bytes)
    line = "\n\n---\n\n"
    each = most_bytes // len(letters) - len(line)
    return line.join(_one(letter, "####", each) for letter in letters)


def mentions_of(letters: Sequence[Letter]) -> list[str]:
    """Return the phones that shall be named, each once."""
    return list(dict.fromkeys(phone for letter in letters for phone in letter.mentions))


def _one(letter: Letter, heading: str, most_bytes: int) -> str:
    """Write a letter; what is too long loses of its text, not the way to the record."""
    subject = letter.subject.pick(letter.language).translate(_MARKS)
    text = letter.text.pick(letter.language).translate(_MARKS).replace("\n", "  \n")
    link = "" if letter.link is None else f"\n\n[{'查看' if letter.language == 'zh' else 'Open'}]({letter.link})"
    return cut(f"{heading} {subject}\n\n{text}", most_bytes - len(link.encode())) + link
