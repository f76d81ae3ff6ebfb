"""What a run of scenarios says: sentences for people, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from builder.kernel.text import Language, Text, counted, say

JSON = Any
State = Literal["passed", "failed", "not_reached"]


class Line(NamedTuple):
    """One sentence of a story."""

    kind: Literal["chapter", "act", "expectation"]
    at: str
    """By the app's clock; empty: it was never so far."""
    text: Text
    state: State
    found: Text | None = None
    """What was otherwise."""
    pointer: str = ""
    """Where in the document it stands."""


@dataclass(frozen=True)
class Told:
    """How one scenario went."""

    key: str
    label: Text
    lines: tuple[Line, ...]
    broken: Text | None = None
    """Why it could not even begin."""
    hours: float = 0
    """Simulated."""
    seconds: float = 0
    """Real."""

    @property
    def passed(self) -> bool:
        """Whether everything was so."""
        return self.broken is None and all(line.state == "passed" for line in self.lines)


@dataclass(frozen=True)
class Report:
    """How all scenarios of an app went."""

    app: str
    told: tuple[Told, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was so."""
        return all(one.passed for one in self.told)

    def failures(self) -> Iterator[tuple[str, str, Text]]:
        """Yield scenario, pointer, and what is wrong."""
        for one in self.told:
            if one.broken is not None:
                yield one.key, "", one.broken
            for line in one.lines:
                if line.state == "failed":
                    found = line.found or say("", "")
                    yield one.key, line.pointer, say(f"{line.text.zh}:{found.zh}", f"{line.text.en}: {found.en}")

    def sentences(self, language: Language) -> Iterator[str]:
        """Yield the report line by line."""
        marks = {"passed": "✓", "failed": "✗", "not_reached": "·"}
        for one in self.told:
            yield f"{marks['passed' if one.passed else 'failed']} {one.label.pick(language)} ({one.key})"
            if one.broken is not None:
                yield f"    ✗ {one.broken.pick(language)}"
            for line in one.lines:
                if line.kind == "chapter":
                    yield f"  {line.text.pick(language)}"
                    continue
                at = f"{line.at}  " if line.kind == "act" and line.at else ""
                indent = "  " if line.kind == "act" else "      "
                yield f"{indent}{marks[line.state]} {at}{line.text.pick(language)}"
                if line.found is not None:
                    yield f"{indent}    {line.found.pick(language)}"
        yield self.summary().pick(language)
        yield from (f"✗ {one.label.pick(language)} ({one.key})" for one in self.told if not one.passed)

    def summary(self) -> Text:
        """Say how it went as a whole."""
        good = sum(one.passed for one in self.told)
        count, hours = len(self.told), sum(one.hours for one in self.told)
        seconds = max(sum(one.seconds for one in self.told), 0.001)
        rate, played = f"{hours / seconds:.0f}", counted(round(hours), "hour")
        return say(
            f"{count} 个场景,通过 {good} 个;模拟 {hours:.0f} 小时,用时 {seconds:.1f} 秒(每秒 {rate} 小时)",
            f"{counted(count, 'scenario')}, {good} passed; {played} played in {seconds:.1f} s ({rate} hours a second)",
        )

    def to_json(self, language: Language) -> dict[str, JSON]:
        """Write the report for the API."""
        return {
            "app": self.app,
            "passed": self.passed,
            "summary": self.summary().pick(language),
            "scenarios": [_told(one, language) for one in self.told],
        }


def _told(one: Told, language: Language) -> dict[str, JSON]:
    return {
        "key": one.key,
        "label": one.label.pick(language),
        "passed": one.passed,
        "broken": one.broken.pick(language) if one.broken else None,
        "simulated_hours": round(one.hours, 2),
        "lines": [
            {
                "kind": line.kind,
                "at": line.at or None,
                "text": line.text.pick(language),
                "state": line.state,
                "found": line.found.pick(language) if line.found else None,
                "pointer": line.pointer or None,
            }
            for line in one.lines
        ],
    }
