"""What is measured: for each workload the requests to both targets, as lines for ``replay.lua``."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from benchmarks.data import DAYS, FIRST_DAY, LEVELS, REGIONS, STATUSES, Sizes, customer_id, payment_id
from benchmarks.definition import APP

LINES = 2_000
BATCH_ROWS = 10_000
RECORDS = f"/api/{APP}/records"


@dataclass(frozen=True, slots=True)
class Workload:
    """One line of the table. ``ours`` and ``yardstick`` make one request line each from the same choice."""

    key: str
    title: str
    ours: Callable[[random.Random, Sizes], str]
    yardstick: Callable[[random.Random, Sizes], str]
    targets: dict[str, float]
    """Database -> ratio aimed at."""
    connections: int = 16

    def lines(self, target: str, sizes: Sizes) -> str:
        """Return the file for the load generator; both targets are asked for the same things."""
        chance = random.Random(self.key)  # noqa: S311 - repeatable on purpose
        make = self.ours if target == "ours" else self.yardstick
        count = LINES if self.connections > 1 else 1
        return "".join(make(chance, sizes) + "\n" for _ in range(count))


def _request(method: str, path: str, body: Any = None) -> str:
    if body is None:
        return f"{method}\t{path}"
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return f"{method}\t{path}\t{text}"


def _customer(chance: random.Random, sizes: Sizes) -> str:
    return customer_id(chance.randrange(sizes.customers))


def _payment(chance: random.Random, sizes: Sizes) -> str:
    return payment_id(chance.randrange(sizes.payments))


def ours_list(region: str, level: str) -> str:
    """Return the path of a filtered, sorted list of customers."""
    text = json.dumps({"region": {"_eq": region}, "level": {"_eq": level}}, separators=(",", ":"))
    return f"{RECORDS}/customer?filter={quote(text)}&sort=-signed_on&limit=50"


def yardstick_list(region: str, level: str) -> str:
    """Return the same of the yardstick."""
    return f"/customers?region={region}&level={level}&limit=50"


def ours_expand(status: str, due_from: str) -> str:
    """Return the path of a list of payments with their customers."""
    text = json.dumps({"status": {"_eq": status}, "due_on": {"_gte": due_from}}, separators=(",", ":"))
    return f"{RECORDS}/payment?filter={quote(text)}&sort=due_on&expand=customer&limit=50"


def yardstick_expand(status: str, due_from: str) -> str:
    """Return the same of the yardstick."""
    return f"/payments?status={status}&due_from={due_from}&limit=50"


def _two(chance: random.Random) -> tuple[str, str]:
    return chance.choice(REGIONS), chance.choice(LEVELS)


def _due(chance: random.Random) -> tuple[str, str]:
    return chance.choice(STATUSES), str(FIRST_DAY + timedelta(days=chance.randrange(DAYS - 50)))


def new_payment(chance: random.Random, sizes: Sizes, customer_key: str) -> dict[str, Any]:
    """Return the body of a create."""
    return {
        "number": f"NEW-{chance.randrange(10**9)}",
        customer_key: _customer(chance, sizes),
        "due_on": str(FIRST_DAY + timedelta(days=chance.randrange(DAYS))),
        "status": chance.choice(STATUSES),
        "amount": chance.randrange(100, 1_000_000) / 100,
        "note": "新录入的回款",
    }


def batch_body(target: str, sizes: Sizes) -> Any:
    """Return the body of an import."""
    chance = random.Random("import")  # noqa: S311 - repeatable on purpose
    if target == "ours":
        return {"create": [new_payment(chance, sizes, "customer") for _ in range(BATCH_ROWS)]}
    return [new_payment(chance, sizes, "customer_id") for _ in range(BATCH_ROWS)]


OURS_BATCH = f"{RECORDS}/payment/batch"
YARDSTICK_BATCH = "/payments/batch"

SUMS_BODY = {
    "group_by": ["status", "due_on:month"],
    "measures": {"amount": {"sum": "amount"}},
}

GET = Workload(
    "get",
    "get by id",
    lambda chance, sizes: _request("GET", f"{RECORDS}/customer/{_customer(chance, sizes)}"),
    lambda chance, sizes: _request("GET", f"/customers/{_customer(chance, sizes)}"),
    {"sqlite": 12, "postgresql": 8},
)
LIST = Workload(
    "list",
    "filtered, sorted list of 50",
    lambda chance, _: _request("GET", ours_list(*_two(chance))),
    lambda chance, _: _request("GET", yardstick_list(*_two(chance))),
    {"sqlite": 6, "postgresql": 3},
)
EXPAND = Workload(
    "expand",
    "list of 50 with expand",
    lambda chance, _: _request("GET", ours_expand(*_due(chance))),
    lambda chance, _: _request("GET", yardstick_expand(*_due(chance))),
    {"sqlite": 10, "postgresql": 5},
)
CREATE = Workload(
    "create",
    "create (validated, with event)",
    lambda chance, sizes: _request("POST", f"{RECORDS}/payment", new_payment(chance, sizes, "customer")),
    lambda chance, sizes: _request("POST", "/payments", new_payment(chance, sizes, "customer_id")),
    {"sqlite": 6, "postgresql": 4},
)
UPDATE = Workload(
    "update",
    "update one field",
    lambda chance, sizes: _request("PATCH", f"{RECORDS}/payment/{_payment(chance, sizes)}", '{"amount":%d.25}'),
    lambda chance, sizes: _request("PATCH", f"/payments/{_payment(chance, sizes)}", '{"amount":%d.25}'),
    {"sqlite": 8, "postgresql": 4},
)
SUMS = Workload(
    "sums",
    "sum by status and month over 300,000",
    lambda *_: _request("POST", f"{RECORDS}/payment/aggregate", SUMS_BODY),
    lambda *_: _request("GET", "/payments/sums"),
    {"sqlite": 1, "postgresql": 1.3},
    connections=1,
)
INDEXED_SUMS = Workload(
    "indexed_sums",
    "the same with an index the app declares",
    SUMS.ours,
    SUMS.yardstick,
    {"sqlite": 5, "postgresql": 1.3},
    connections=1,
)
SUMS_INDEX = ("payment", ["status", "due_on", "amount"])
WORKLOADS = (GET, LIST, EXPAND, CREATE, UPDATE, SUMS, INDEXED_SUMS)
IMPORT_TARGETS = {"sqlite": 2.0, "postgresql": 2.0}
