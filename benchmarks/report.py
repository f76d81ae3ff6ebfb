"""The table for people and the figures for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median


@dataclass(slots=True)
class Line:
    """One workload on one database."""

    key: str
    title: str
    target: float
    ours: list[float] = field(default_factory=list)
    yardstick: list[float] = field(default_factory=list)
    ours_p99_ms: list[float] = field(default_factory=list)
    yardstick_p99_ms: list[float] = field(default_factory=list)
    ours_cpu_ms: list[float] = field(default_factory=list)
    yardstick_cpu_ms: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def ratio(self) -> float:
        """Median of ours to median of the yardstick."""
        slowest = median(self.yardstick) if self.yardstick else 0.0
        return median(self.ours) / slowest if self.ours and slowest else 0.0

    @property
    def cpu_ratio(self) -> float | None:
        """Processor time per request, the yardstick's to ours: hardly moved by what else the machine does."""
        if not self.ours_cpu_ms or not median(self.ours_cpu_ms):
            return None
        return median(self.yardstick_cpu_ms) / median(self.ours_cpu_ms)


@dataclass(slots=True)
class DatabaseReport:
    """All of one database."""

    database: str
    lines: list[Line] = field(default_factory=list)
    cold_start_seconds: dict[str, float] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    own_memory_mib: dict[str, float] = field(default_factory=dict)
    """Without what is mapped from files: libraries, and pages of an SQLite file, which the system takes back when it needs them."""
    p99_quiet_ms: float = 0.0
    p99_during_scan_ms: float = 0.0
    notes: list[str] = field(default_factory=list)


def write_table(reports: Sequence[DatabaseReport]) -> str:
    """Return the table as text."""
    rows: list[str] = []
    for report in reports:
        rows.append(f"\n{report.database}")
        rows.append(f"{'':<40}{'ours/s':>10}{'yardstick/s':>13}{'ratio':>8}{'target':>8}{'p99 ms':>17}{'by CPU':>9}")
        for line in report.lines:
            if not line.ours:
                rows.append(f"{line.title:<40}{'not served yet':>10}")
                continue
            met = "" if line.ratio >= line.target else "  below"
            late = f"{median(line.ours_p99_ms):.1f} / {median(line.yardstick_p99_ms):.1f}" if line.ours_p99_ms else ""
            by_cpu = "" if line.cpu_ratio is None else f"{line.cpu_ratio:.1f}"
            errors = f"  {line.errors} errors" if line.errors else ""
            rows.append(
                f"{line.title:<40}{median(line.ours):>10,.1f}{median(line.yardstick):>13,.1f}"
                f"{line.ratio:>8.1f}{line.target:>8g}{late:>17}{by_cpu:>9}{met}{errors}"
            )
        for title, figures, unit in (
            ("cold start", report.cold_start_seconds, "s"),
            ("memory after the run (PSS)", report.memory_mib, "MiB"),
            ("  without mapped files", report.own_memory_mib, "MiB"),
        ):
            shown = ", ".join(f"{name} {value:.2f} {unit}" for name, value in figures.items())
            rows.append(f"{title:<40}{shown}")
        rows.append(
            f"{'p99 of get by id, ours':<40}{report.p99_quiet_ms:.1f} ms, {report.p99_during_scan_ms:.1f} ms while a scan runs"
        )
        rows += [f"note: {note}" for note in report.notes]
    return "\n".join(rows)


def write_json(file: Path, reports: Sequence[DatabaseReport], settings: dict[str, object]) -> None:
    """Write all figures."""
    content = {"settings": settings, "databases": [asdict(report) for report in reports]}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
