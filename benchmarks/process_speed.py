"""What the process engine costs: ``python -m benchmarks process [sqlite] [postgresql]``.

A write that starts three automations beside the same write without, a transition with five guards beside an update (both turn by turn in
one process, so that a busy machine slows both: the figure is the ratio of medians; on SQLite of processor time, since all is in this
process, on PostgreSQL of time), and the stories of the lead app (seconds of
processor time, which a busy machine falsifies least). Timers: ``python -m benchmarks.timers_speed``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import seeding, transitions_speed
from builder.definition.parse import parse_definition
from builder.packages import get_template
from builder.registry import apps, publishing
from runtime.app import create_app, scratch_rehearsals
from runtime.identity.actors import Actor
from runtime.records.caller import Caller
from runtime.settings import Settings

JSON = Any
ROUNDS = 300
DATABASE = "dougong_bench_process"
POSTGRES = os.environ.get("DOUGONG_BENCH_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
_ACTOR = Actor(user_id=None, username="bench", name="bench", role="admin")


def definition() -> JSON:
    """Two entities that are alike; writes of the second start three automations, each with a condition and an action."""
    fields = [{"key": key, "type": "text", "label": key} for key in ("title", "one", "two")]
    fields.append({"key": "amount", "type": "money", "label": "amount"})
    log = {"key": "log", "label": "log", "fields": [{"key": "text", "type": "text", "label": "text"}]}
    actions: list[JSON] = [
        {"type": "set_fields", "set": [{"field": "one", "formula": 'CONCAT(title, "!")'}]},
        {"type": "set_fields", "set": [{"field": "two", "value": "seen"}]},
        {"type": "create_record", "entity": "log", "values": [{"field": "text", "formula": "title"}]},
    ]
    return {
        "app": {"key": "bench", "label": "bench"},
        "entities": [*({"key": key, "label": key, "fields": fields} for key in ("plain", "busy")), log],
        "automations": [
            {
                "key": f"a{number}",
                "label": f"a{number}",
                "entity": "busy",
                "trigger": {"type": "created"},
                "condition": "amount > 10",
                "actions": [action],
            }
            for number, action in enumerate(actions)
        ],
    }


async def measure_automations(url: str) -> tuple[float, float]:
    """Return the medians of a creation without automations and of one that starts three, in seconds."""
    caller, meter = Caller(_ACTOR, "bench"), transitions_speed.meter_of(url)
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(database_url=url, files_folder=Path(folder), secret_file=Path(folder) / "secret"))
        async with app.running():
            registry, records = app.services.registry, app.services.records
            apps.create_app(registry, parse_definition(definition()), None)
            publishing.publish_draft(registry, "bench", base_version=None, plan_hash=None, accept_lossy=True)
            times: dict[str, list[float]] = {"plain": [], "busy": []}
            for turn in range(ROUNDS):
                for entity, taken in times.items():
                    start = meter()
                    await records.create(caller, "bench", entity, {"title": f"t{turn}", "amount": 50})
                    taken.append(meter() - start)
    return median(times["plain"][20:]), median(times["busy"][20:])


def measure_stories() -> tuple[int, float]:
    """Return how many stories the lead app has, and the seconds of processor time that playing them takes."""
    definition = get_template("lead").definition
    start = time.process_time()
    report = scratch_rehearsals().run(definition)
    assert report.passed, report.sentences("en")
    return len(report.told), time.process_time() - start


def _on(dialect: str, measure: Any) -> tuple[float, float]:
    """Measure on a new database."""
    with tempfile.TemporaryDirectory() as folder:
        if dialect == "sqlite":
            found: tuple[float, float] = asyncio.run(measure(f"sqlite:///{folder}/bench.db"))
            return found
        url = seeding.new_postgres_database(POSTGRES, DATABASE)
        try:
            found = asyncio.run(measure(url))
        finally:
            seeding.drop_postgres_database(POSTGRES, DATABASE)
        return found


def main(dialects: list[str]) -> None:
    """Measure and print."""
    for dialect in dialects or ["sqlite", "postgresql"]:
        plain, busy = _on(dialect, measure_automations)
        print(
            f"{dialect}: create {plain * 1e6:,.0f} us, starting three automations {busy * 1e6:,.0f} us: {busy / plain:.2f}x (goal 2x)"
        )
        update, move = _on(dialect, transitions_speed.measure)
        print(
            f"{dialect}: update {update * 1e6:,.0f} us, five guards {move * 1e6:,.0f} us: {move / update:.2f}x (goal 1.5x)"
        )
    count, seconds = measure_stories()
    print(f"lead: {count} stories in {seconds:.1f} s of processor time (goal 20 s)")


if __name__ == "__main__":
    main(sys.argv[1:])
