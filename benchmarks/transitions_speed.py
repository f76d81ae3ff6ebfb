"""What a transition with five guards costs beside a plain update of the same record: ``python -m benchmarks.transitions_speed [url]``.

Both go through the service's own functions in one process, turn by turn, so that a busy machine slows both. The figure is the ratio
of the medians: on SQLite of processor time, on PostgreSQL of time.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from builder.definition.parse import parse_definition
from builder.registry import apps, publishing
from runtime.app import create_app
from runtime.identity.actors import Actor
from runtime.pipelines.moving import Order
from runtime.records.caller import Caller
from runtime.settings import Settings

JSON = Any
ROUNDS = 400
TARGET = 1.5
_ACTOR = Actor(user_id=None, username="bench", name="bench", role="admin")


def _field(type_: str, key: str, **options: JSON) -> dict[str, JSON]:
    return {"key": key, "type": type_, "label": key, **options}


def definition() -> JSON:
    """An app with a deal that goes to and fro, asked by five guards each time."""
    guards = [
        {"type": "formula", "formula": "amount >= 100", "message": "amount"},
        {"type": "required", "fields": ["contact"]},
        {"type": "records", "entity": "item", "theirs": "deal"},
        {"type": "records", "entity": "item", "theirs": "deal", "condition": "points > 9", "minimum": 0, "maximum": 0},
        {"type": "geofence", "field": "here", "target": "there"},
    ]
    ways = [
        {"key": key, "label": key, "leaves": [a], "enters": b, "guards": guards, "reason": "none"}
        for key, a, b in (("on", "a", "b"), ("back", "b", "a"))
    ]
    flow = {"key": "flow", "label": "flow", "entity": "deal", "field": "stage", "since_field": "since"}
    options = [{"key": key, "label": key} for key in "ab"]
    deal = [
        _field("text", "contact"), _field("money", "amount"), _field("select", "stage", options=options),
        _field("datetime", "since"), _field("geo_point", "here"), _field("geo_point", "there"), _field("text", "note"),
    ]  # fmt: skip
    return {
        "app": {"key": "bench", "label": "bench"},
        "entities": [
            {"key": "deal", "label": "deal", "fields": deal},
            {
                "key": "item",
                "label": "item",
                "fields": [_field("reference", "deal", entity="deal"), _field("integer", "points")],
            },
        ],
        "pipelines": [{**flow, "stages": [{"key": "a"}, {"key": "b"}], "transitions": ways}],
    }


def meter_of(url: str) -> Callable[[], float]:
    """Return what tells seconds: where everything is in this process, those of the processor, which a busy machine falsifies least."""
    return time.process_time if url.startswith("sqlite") else time.perf_counter


async def _timed(doing: Awaitable[Any], meter: Callable[[], float]) -> float:
    start = meter()
    await doing
    return meter() - start


async def measure(url: str) -> tuple[float, float]:
    """Return the medians of an update and of a transition, in seconds."""
    caller, meter = Caller(_ACTOR, "bench"), meter_of(url)
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(database_url=url, files_folder=Path(folder), secret_file=Path(folder) / "secret"))
        async with app.running():
            services = app.services
            apps.create_app(services.registry, parse_definition(definition()), None)
            publishing.publish_draft(services.registry, "bench", base_version=None, plan_hash=None, accept_lossy=True)
            here = {"lat": Decimal("31.2304"), "lng": Decimal("121.4737")}
            body = {"contact": "x", "amount": 500, "here": here, "there": here}
            made = await services.records.create(caller, "bench", "deal", body)
            deal = str(made.record["id"])
            for points in range(3):
                await services.records.create(caller, "bench", "item", {"deal": deal, "points": points})
            updates, moves = [], []
            for turn in range(ROUNDS):
                note, order = {"note": f"n{turn}", "contact": f"c{turn}"}, Order("back" if turn % 2 else "on")
                updates.append(await _timed(services.records.update(caller, "bench", "deal", deal, note, None), meter))
                moves.append(await _timed(services.pipelines.move(caller, "bench", "deal", deal, order), meter))
    return median(updates[20:]), median(moves[20:])


def main() -> None:
    """Measure on the given database, which has to be empty, or on a new SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/bench.db"
        update, move = asyncio.run(measure(url))
    print(
        f"update {update * 1e6:,.0f} us, transition with five guards {move * 1e6:,.0f} us: {move / update:.2f}x (target {TARGET}x)"
    )


if __name__ == "__main__":
    main()
