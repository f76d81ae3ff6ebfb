"""The formula language against hand-written yardsticks; prints ratios. Run: `python -m benchmarks.formulas_speed`.

The variable `DOUGONG_FORMULA_POSTGRES` names the PostgreSQL server.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Any

import sqlalchemy as sa

from formulas.checker import check
from formulas.evaluate import Backend, DictRow, Program, program
from formulas.filters import parse_filter
from formulas.sql import Dialect, to_condition, to_sort_key
from formulas.sqlforms.binds import Scaled
from formulas.sqlite_functions import install
from formulas.tree import Path, lift
from tests.unit.formulas.world import CONTEXT, POSTGRES, WORLD

NESTED = "IF(amount > 1000, ROUND(amount * 0.13, 2) + count, IF(count > 5, amount - 1, count * 2))"
TWELVE = "IF(amount > 1000, ROUND(amount * 0.13, 2), count * 2)"
PLAIN = "ROUND((amount + 12.5) * count - amount * 3 + count * 2, 2)"
ROWS = 200_000


def best(work: Callable[[], Any], rounds: int = 7, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of the fastest of several rounds."""
    times = []
    for _ in range(rounds):
        started = clock()
        work()
        times.append(clock() - started)
    return min(times)


def report(name: str, ours: float, yardstick: float, goal: str) -> None:
    """One line: both times and their ratio."""
    print(f"{name:<66} {ours * 1e6:10.2f} us  {yardstick * 1e6:10.2f} us  x{ours / yardstick:5.2f}  goal {goal}")


def reading() -> None:
    """Parse and check formulas, in processor time: others may use the machine."""
    count = 200
    for name, text, goal in (("12 nodes", TWELVE, "500 us"), ("21 nodes", NESTED, "-")):
        seconds = best(lambda: [check(text, WORLD, "deal") for _ in range(count)], clock=time.process_time) / count  # noqa: B023 - called at once
        print(f"{f'parse + check, {name}':<52} {seconds * 1e6:10.2f} us  goal {goal}")
    tree: dict[str, Any] = {"level": "A", "amount": {"_gt": 10}, "customer": {"level": "B"}}
    seconds = best(lambda: [lift(parse_filter(tree, WORLD, "deal", CONTEXT)) for _ in range(count)]) / count
    print(f"{'JSON filter of three conditions to shape':<52} {seconds * 1e6:10.2f} us")


def nested_by_hand(amount: Decimal | None, count: int | None) -> Decimal | int:
    """What a programmer would write for `NESTED`."""
    if amount is not None and amount > 1000:
        return (amount * Decimal("0.13")).quantize(Decimal("0.01"), ROUND_HALF_UP) + (count or 0)
    if count is not None and count > 5:
        return (amount or 0) - 1
    return (count or 0) * 2


def plain_by_hand(amount: Decimal | None, count: int | None) -> Decimal:
    """What a programmer would write for `PLAIN`."""
    first, second = amount or Decimal(0), count or 0
    found = (first + Decimal("12.5")) * second - first * 3 + second * 2
    return found.quantize(Decimal("0.01"), ROUND_HALF_UP)


def each_by_hand(by_hand: Callable[[Any, Any], Any], rows: list[DictRow]) -> None:
    """The hand-written function on every row."""
    for row in rows:
        by_hand(row.value(("amount",)), row.value(("count",)))


def each(runnable: Program, rows: list[DictRow], backend: Backend) -> None:
    """The formula on every row."""
    for _ in runnable.run_many(rows, CONTEXT, backend):
        pass


def evaluation() -> None:
    """Per record: compiled and asteval against hand-written Python with Decimal."""
    chance = random.Random(1)  # noqa: S311 - test values
    rows = [
        DictRow({"amount": Decimal(chance.randint(0, 300_000)).scaleb(-2), "count": chance.randint(0, 9)})
        for _ in range(2_000)
    ]
    for name, text, by_hand in (("nested IF", NESTED, nested_by_hand), ("plain arithmetic", PLAIN, plain_by_hand)):
        runnable = program(check(text, WORLD, "deal").tree)
        yardstick = best(partial(each_by_hand, by_hand, rows), clock=time.process_time) / len(rows)
        compiled = best(partial(each, runnable, rows, "compiled"), clock=time.process_time) / len(rows)
        slow = best(partial(each, runnable, rows, "asteval"), 3, time.process_time) / len(rows)
        report(f"compiled, {name}", compiled, yardstick, "x3")
        report(f"asteval, {name}", slow, yardstick, "-")


class Table:
    """Deals in one database, with the columns that every record has in the order they have, and a resolver over them."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect: Dialect = dialect
        url = "sqlite://" if dialect == "sqlite" else POSTGRES.replace("postgresql://", "postgresql+psycopg://")
        self.engine = sa.create_engine(url, poolclass=sa.pool.StaticPool, isolation_level="AUTOCOMMIT")
        self.connection = self.engine.connect()
        self.driver: Any = self.connection.connection.dbapi_connection
        if dialect == "sqlite":
            install(self.connection.connection.dbapi_connection)  # type: ignore[arg-type]
        money: Any = Scaled(2) if dialect == "sqlite" else sa.Numeric(15, 2)
        system: list[sa.Column[Any]] = [sa.Column("id", sa.Text()), sa.Column("revision", sa.BigInteger())]
        system += [sa.Column(name, sa.Text()) for name in ("created_at", "created_by", "updated_at", "updated_by")]
        columns = [sa.Column("amount", money), sa.Column("count", sa.BigInteger()), sa.Column("level", sa.Text())]
        self.table = sa.Table("formula_speed", sa.MetaData(), *system, *columns, prefixes=["TEMPORARY"])
        self.table.create(self.connection, checkfirst=False)
        chance = random.Random(2)  # noqa: S311 - test values
        rows = [
            {
                "id": f"018f{at:014x}{chance.getrandbits(72):018x}",
                "revision": 1,
                **dict.fromkeys(("created_at", "updated_at"), f"2026-01-02T03:04:05.{at:06d}Z"),
                **dict.fromkeys(("created_by", "updated_by"), f"018e{at % 50:032x}"),
                "amount": Decimal(chance.randint(0, 10**7)).scaleb(-2),
                "count": chance.randint(0, 99),
                "level": chance.choice("ABC"),
            }
            for at in range(ROWS)
        ]
        self.connection.execute(self.table.insert(), rows)
        if dialect == "postgresql":
            self.connection.execute(sa.text("ANALYZE formula_speed"))

    def column(self, path: Path) -> sa.ColumnElement[Any]:
        """By key."""
        return self.table.c[path.steps[-1]]

    def related(self, relation: tuple[str, ...]) -> Any:
        """There are none."""
        raise NotImplementedError(relation)

    def statement(self, text: str) -> str:
        """The SQL text of a count by formula, with its values written in."""
        condition = to_condition(check(text, WORLD, "deal").tree, self, self.dialect, CONTEXT)
        query = sa.select(sa.func.count()).select_from(self.table).where(condition)
        return str(query.compile(self.engine, compile_kwargs={"literal_binds": True}))

    def sorted_by(self, text: str) -> str:
        """The SQL text of the first fifty by formula."""
        key = to_sort_key(check(text, WORLD, "deal").tree, self, self.dialect, CONTEXT)
        query = sa.select(self.table.c.id).order_by(key.desc().nulls_last(), self.table.c.id).limit(50)
        return str(query.compile(self.engine, compile_kwargs={"literal_binds": True}))


#: By hand as a good developer has to write it for the same answers: blanks count as 0, halves are rounded away from zero whatever the
#: sign, and a quotient has ten places however large it is (PostgreSQL gives large ones fewer).
_AMOUNT, _COUNT = "coalesce(amount, 0)", "coalesce(count, 0)"
_ROUNDED = f"({_AMOUNT} * 113 + CASE WHEN {_AMOUNT} < 0 THEN -500 ELSE 500 END) / 1000"
FILTERS: list[tuple[str, Any]] = [
    ('amount > 5000 AND level = "A"', "amount > {a5000} AND level = 'A'"),
    (
        "amount * count > 100000",
        {"sqlite": f"{_AMOUNT} * {_COUNT} > 10000000", "postgresql": f"{_AMOUNT} * {_COUNT} > 100000"},
    ),
    (
        "ROUND(amount * 1.13, 1) > 500",
        {"sqlite": f"{_ROUNDED} > 5000", "postgresql": f"round({_AMOUNT} * 1.13, 1) > 500"},
    ),
    (
        "amount - count * 2 < 100",
        {"sqlite": f"{_AMOUNT} - {_COUNT} * 200 < 10000", "postgresql": f"{_AMOUNT} - {_COUNT} * 2 < 100"},
    ),
    (
        "amount / count > 1000",
        {
            "sqlite": "amount * 1.0 / count > 100000",
            "postgresql": "round((amount + 0.00000000000000000000) / nullif(count, 0), 10) > 1000",
        },
    ),
]


SORTS: list[tuple[str, str, str]] = [
    ("amount * count", f"{_AMOUNT} * {_COUNT}", ""),
    ("ROUND(amount * 1.13, 1)", _ROUNDED, f"round({_AMOUNT} * 1.13, 1)"),
    ('IF(level = "A", amount, 0)', "CASE WHEN level = 'A' THEN amount ELSE 0 END", ""),
]


def _pairs(databases: Iterable[str]) -> Iterator[tuple[Table, str, str, str]]:
    """What is asked of each database: its name, our statement, and the one written by hand."""
    for name in databases:
        table = Table("sqlite" if name == "sqlite" else "postgresql")
        for text, yardstick in FILTERS:
            by_hand = yardstick if isinstance(yardstick, str) else yardstick[name]
            by_hand = by_hand.replace("{a5000}", "500000" if name == "sqlite" else "5000")
            counted = f"SELECT count(*) FROM formula_speed WHERE {by_hand}"  # noqa: S608 - ours
            yield table, f"filter {text}", table.statement(text), counted
        for text, first, second in SORTS:
            by_hand = first if name == "sqlite" else second or first
            first_fifty = f"SELECT id FROM formula_speed ORDER BY {by_hand} DESC NULLS LAST, id LIMIT 50"  # noqa: S608 - ours
            yield table, f"sort {text}", table.sorted_by(text), first_fifty


def in_sets(databases: Iterable[str]) -> None:
    """Per set: a count and the first fifty by formula against the same hand-written SQL, both as plain text on the driver."""
    for table, name, ours, theirs in _pairs(databases):
        first, second = run(table, ours), run(table, theirs)
        assert first == second, (name, first, second)
        clock = time.process_time if table.dialect == "sqlite" else time.perf_counter  # SQLite works in this process
        both = partial(run, table, ours), partial(run, table, theirs)
        pairs = [(best(both[0], 1, clock), best(both[1], 1, clock)) for _ in range(15)]
        median = statistics.median(one / other for one, other in pairs)
        fastest = min(one for one, _ in pairs), min(other for _, other in pairs)
        report(f"{table.dialect}: {name} (median x{median:.2f})", *fastest, "x1.1")


def run(table: Table, statement: str) -> list[tuple[Any, ...]]:
    """What a statement finds."""
    found: list[tuple[Any, ...]] = table.driver.execute(statement.replace("%%", "%")).fetchall()
    return found


def measure(databases: Iterable[str]) -> None:
    """All of it."""
    reading()
    evaluation()
    in_sets(databases)


if __name__ == "__main__":
    measure(sys.argv[1:] or ("sqlite", "postgresql"))
