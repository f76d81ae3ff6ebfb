"""Random records and random aggregates against a plain oracle (Decimal, zoneinfo); both databases give its bytes."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from builder.kernel.canonical import dump_json, plain_decimal
from builder.kernel.clock import instant_text
from runtime.query.buckets import zone_units
from tests.support.query_app import definition, identifier, load, publish
from tests.support.service import running

Record = dict[str, Any]
ZONES = ("Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns")
_EXACT = Context(prec=100)
_ASKED = 60


def random_instant(chance: random.Random, zone: ZoneInfo) -> datetime:
    """Anywhere in two centuries, but mostly near midnight of the zone and near changes of its clock."""
    day = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(900))
    if chance.random() < 0.1:
        day = datetime(1880, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(70_000))
    if chance.random() < 0.3:  # around the days on which clocks are changed
        day = day.replace(month=chance.choice((3, 4, 10, 11)), day=chance.randrange(1, 15))
    local = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    return local + timedelta(milliseconds=chance.choice((-1, 0, 1, chance.randrange(-90_000_000, 90_000_000))))


def make_records(chance: random.Random, zone: ZoneInfo) -> dict[str, list[Record]]:
    """Values as the oracle knows them: Decimal, date, datetime."""

    def maybe(make: Callable[[], Any]) -> Any:
        return None if chance.random() < 0.15 else make()

    areas = [{"id": identifier(n), "name": f"area {n}"} for n in range(1, 4)]
    customers = [
        {
            "id": identifier(10 + n),
            "name": maybe(lambda: f"c{chance.randrange(5)}"),
            "level": maybe(lambda: chance.choice("AB")),
            "area": maybe(lambda: identifier(chance.randrange(1, 4))),
        }
        for n in range(12)
    ]
    deals = [
        {
            "id": identifier(100 + n),
            "customer": maybe(lambda: identifier(10 + chance.randrange(12))),
            "amount": maybe(lambda: Decimal(chance.randrange(-(10**6), 10**6)).scaleb(-2)),
            "rate": maybe(lambda: Decimal(chance.choice((1, -1)) * chance.randrange(10**18)).scaleb(-6)),
            "count": maybe(lambda: chance.randrange(-5, 5)),
            "won": maybe(lambda: chance.random() < 0.5),
            "due_on": maybe(lambda: date(2024, 12, 20) + timedelta(days=chance.randrange(40))),
            "closed_at": maybe(lambda: random_instant(chance, zone)),
        }
        for n in range(150)
    ]
    payments = [
        {
            "id": identifier(1000 + n),
            "deal": maybe(lambda: identifier(100 + chance.randrange(150))),
            "paid": maybe(lambda: Decimal(chance.randrange(10**4)).scaleb(-2)),
        }
        for n in range(200)
    ]
    return {"area": areas, "customer": customers, "deal": deals, "payment": payments}


class Oracle:
    """Groups in memory, as a person would."""

    def __init__(self, records: dict[str, list[Record]], zone: ZoneInfo) -> None:
        self.records = records
        self.zone = zone
        self.by_id = {record["id"]: record for listed in records.values() for record in listed}

    def value(self, deal: Record, path: str) -> Any:
        found: Any = deal
        *hops, last = path.split(".")
        for step in hops:
            found = self.by_id.get(found[step]) if found else None
        return found[last] if found else None

    def key(self, deal: Record, group: str) -> Any:
        path, _, bucket = group.partition(":")
        value = self.value(deal, path)
        if value is None or not bucket:
            return value
        day = value.astimezone(self.zone).date() if isinstance(value, datetime) else value
        year, week, _ = day.isocalendar()
        return {
            "day": day.isoformat(),
            "week": f"{year:04d}-W{week:02d}",
            "month": f"{day:%Y-%m}",
            "quarter": f"{day.year}-Q{(day.month - 1) // 3 + 1}",
            "year": f"{day.year}",
        }[bucket]

    def values(self, deals: Iterable[Record], path: str) -> list[Any]:
        if path.startswith("payments."):
            ids = {deal["id"] for deal in deals}
            found = [p[path.removeprefix("payments.")] for p in self.records["payment"] if p["deal"] in ids]
        else:
            found = [self.value(deal, path) for deal in deals]
        return [value for value in found if value is not None]

    def measure(self, deals: list[Record], function: str, path: str) -> Any:
        if path == "*":
            return len(deals)
        if path == "payments":
            return sum(p["deal"] in {deal["id"] for deal in deals} for p in self.records["payment"])
        values = self.values(deals, path)
        if function == "count":
            return len(values)
        if function == "count_distinct":
            return len(set(values))
        if function == "sum":
            return exact_sum(values)
        return ONE_OF[function](values) if values else None


def exact_sum(values: Iterable[Any]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = _EXACT.add(total, Decimal(value))
    return total


def tenth(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient rounded half up to ten places."""
    return _EXACT.divide(numerator, denominator).quantize(Decimal("1e-10"), ROUND_HALF_UP, _EXACT)


ONE_OF: dict[str, Callable[[list[Any]], Any]] = {
    "avg": lambda values: tenth(exact_sum(values), Decimal(len(values))),
    "median": lambda values: tenth(statistics.median_low(values) + Decimal(statistics.median_high(values)), Decimal(2)),
    "min": min,
    "max": max,
}
_NUMBERS = ("amount", "rate", "count")
_DISTINCT = ("customer", "customer.area", "customer.level", "amount", "due_on", "closed_at", "won")
_DAYS = ("due_on", "closed_at")
_BUCKETS = ("day", "week", "month", "quarter", "year")
MEASURES = [
    *((function, path) for function in ("sum", "avg", "median", "min", "max", "count") for path in _NUMBERS),
    *((function, "payments.paid") for function in ("sum", "avg", "min", "max", "count")),
    *(("count_distinct", path) for path in _DISTINCT),
    *((function, path) for function in ("min", "max", "count") for path in (*_DAYS, "customer.name")),
    ("count", "*"),
    ("count", "payments"),
]
GROUPS = [
    *("customer", "customer.area", "customer.area.name", "customer.level", "won", "count", "due_on", "customer.id"),
    *(f"{path}:{bucket}" for path in _DAYS for bucket in _BUCKETS),
]
PLACES = {"amount": 2, "rate": 6, "payments.paid": 2}


def written(value: Any, function: str, path: str) -> Any:
    """A measure as JSON."""
    if value is None or function.startswith("count"):
        return value
    if function in ("avg", "median"):
        return plain_decimal(value)
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, Decimal | int):
        return value
    places = PLACES.get(path, 0)
    number = Decimal(value).quantize(Decimal(1).scaleb(-places), context=_EXACT)
    if path == "rate":
        return f"{number:f}"
    return number if places else int(number)


def random_request(chance: random.Random) -> Record:
    groups = chance.sample(GROUPS, chance.choice((0, 1, 1, 2, 3)))
    chosen = chance.sample(MEASURES, chance.randrange(1, 5))
    measures: Record = {f"m{place}": {function: path} for place, (function, path) in enumerate(chosen)}
    shared = [name for name, measure in measures.items() if next(iter(measure)) in ("sum", "count")]
    if shared and chance.random() < 0.4:
        measures["part"] = {"share": chance.choice(shared)}
    return {"group_by": groups, "measures": measures, "totals": chance.random() < 0.5, "limit": 10_000}


def expected(oracle: Oracle, request: Record, deals: list[Record]) -> tuple[list[Record], Record]:
    """The groups in the order of their keys, and the totals."""
    names = request["group_by"]
    grouped: dict[tuple[Any, ...], list[Record]] = {}
    for deal in deals:
        grouped.setdefault(tuple(oracle.key(deal, group) for group in names), []).append(deal)
    if not names:
        grouped.setdefault((), [])
    rows = []
    for key in sorted(grouped, key=lambda key: [(part is not None, part) for part in key]):
        shown = [part.isoformat() if isinstance(part, date) else part for part in key]
        rows.append(dict(zip(names, shown, strict=True)) | measured(oracle, request, grouped[key], deals))
    return rows, measured(oracle, request, deals, deals)


def measured(oracle: Oracle, request: Record, deals: list[Record], everything: list[Record]) -> Record:
    found: Record = {}
    for name, measure in request["measures"].items():
        function, path = next(iter(measure.items()))
        if function == "share":
            function, path = next(iter(request["measures"][path].items()))
            whole = Decimal(oracle.measure(everything, function, path))
            part = Decimal(oracle.measure(deals, function, path))
            found[name] = plain_decimal(tenth(part, whole)) if whole else None
        else:
            found[name] = written(oracle.measure(deals, function, path), function, path)
    return found


@pytest.mark.anyio
@pytest.mark.parametrize("zone_name", ZONES)
async def test_random_aggregates_equal_the_oracle(migrated_database_url: str, zone_name: str):
    chance, zone = random.Random(f"aggregates {zone_name}"), ZoneInfo(zone_name)
    records = make_records(chance, zone)
    oracle = Oracle(records, zone)
    async with running(migrated_database_url) as service:
        service.add_user("member")
        publish(service, definition(zone_name))
        await load(service, **{key: [as_body(record) for record in listed] for key, listed in records.items()})
        async with service.client_of("member") as client:
            for _ in range(_ASKED):
                request = random_request(chance)
                deals = records["deal"]
                if chance.random() < 0.5:
                    request["filter"] = {"customer": {"level": "A"}}
                    deals = [deal for deal in deals if oracle.value(deal, "customer.level") == "A"]
                reply = await client.post("/api/sales/records/deal/aggregate", json=request)
                rows, totals = expected(oracle, request, deals)
                meta = {"has_more": False} | ({"totals": totals} if request["totals"] else {})
                assert reply.content == dump_json({"data": rows, "meta": meta}), request
                await check_having_and_order(client, chance, request, rows)


async def check_having_and_order(client: Any, chance: random.Random, request: Record, rows: list[Record]) -> None:
    """A bound on one measure keeps the groups beyond it, in the order asked for."""
    name = chance.choice(sorted(request["measures"]))
    known = [number_of(row[name]) for row in rows if row[name] is not None]
    if not known:
        return
    bound = chance.choice(known)
    asked = {**request, "having": {name: {"_gte": str(bound)}}, "sort": [f"-{name}"]}
    reply = await client.post("/api/sales/records/deal/aggregate", json=asked)
    kept = [row for row in rows if row[name] is not None and number_of(row[name]) >= bound]
    kept.sort(key=lambda row: number_of(row[name]), reverse=True)
    assert dump_json(reply.json(parse_float=Decimal)["data"]) == dump_json(kept), asked


def number_of(value: Any) -> Any:
    """What a measure is compared as; long numbers travel as text."""
    if isinstance(value, str) and not value.lstrip("-").replace(".", "", 1).isdigit():
        return value
    return Decimal(value)


def as_body(record: Record) -> Record:
    """A record as it is sent."""

    def json_of(value: Any) -> Any:
        if isinstance(value, datetime):
            return instant_text(value)
        if isinstance(value, date):
            return value.isoformat()
        return str(value) if isinstance(value, Decimal) else value

    return {key: json_of(value) for key, value in record.items()}


def test_every_second_counts_only_before_zones_were_agreed_on():
    assert zone_units("UTC") == (13, None)
    assert zone_units("Asia/Shanghai") == (13, "1901-01-01")
    assert zone_units("Australia/Lord_Howe") == (15, "1895-02-01")
    assert zone_units("Asia/Kathmandu")[0] == zone_units("America/St_Johns")[0] == 16
