"""What robots share: letters as markdown, several as one digest."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.channels.base import Letter, cut

_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]()#<>|"})


def title_of(letters: Sequence[Letter]) -> str:
    """Return one line for all letters."""
    first = letters[0].subject.pick(letters[0].language)
    if len(letters) == 1:
        return first
    return f"{len(letters)} 条提醒" if letters[0].language == "zh" else f"{len(letters)} notices"


def markdown_of(letters: Sequence[Letter], most_bytes: int) -> str:
    """Write letters as markdown; what people typed stays text. In a long digest each gets its share of the space."""
    if len(letters) == 1:
        return cut(_one(letters[0], "###"), most_bytes)
    line = "\n\n---\n\n"
    each = most_bytes // len(letters) - len(line)
    return line.join(cut(_one(letter, "####"), each) for letter in letters)


def mentions_of(letters: Sequence[Letter]) -> list[str]:
    """Return the phones that shall be named, each once."""
    return list(dict.fromkeys(phone for letter in letters for phone in letter.mentions))


def _one(letter: Letter, heading: str) -> str:
    subject = letter.subject.pick(letter.language).translate(_MARKS)
    text = letter.text.pick(letter.language).translate(_MARKS).replace("\n", "  \n")
    link = "" if letter.link is None else f"\n\n[{'查看' if letter.language == 'zh' else 'Open'}]({letter.link})"
    return f"{heading} {subject}\n\n{text}{link}"
