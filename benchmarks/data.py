"""The records of the benchmark: the same for every target and every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

CUSTOMERS = 100_000
PAYMENTS = 300_000
REGIONS = ("east", "south", "north", "central", "southwest")
LEVELS = ("A", "B", "C")
STATUSES = ("open", "paid", "overdue", "waived")
FIRST_DAY = date(2023, 1, 1)
DAYS = 1_000

_START = datetime(2023, 1, 1, tzinfo=UTC)
_NAMES = ("华东医疗", "瑞康", "仁和", "安泰", "中山", "明德", "博雅", "长宁")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many records there are."""

    customers: int = CUSTOMERS
    payments: int = PAYMENTS


def record_id(kind: int, number: int) -> str:
    """Return the id of a seeded record: a UUIDv7 whose time grows with the number, as that of real records does."""
    at = int(_START.timestamp() * 1000) + number * 1_000 + kind
    tail = random.Random(number * 8 + kind).getrandbits(62)  # noqa: S311 - repeatable on purpose
    text = f"{at:012x}7{kind:03x}{tail | 0x8000_0000_0000_0000:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def customer_id(number: int) -> str:
    """Return the id of a customer."""
    return record_id(1, number)


def payment_id(number: int) -> str:
    """Return the id of a payment."""
    return record_id(2, number)


def customers(sizes: Sizes) -> Iterator[Row]:
    """Yield the customers."""
    chance = random.Random(1)  # noqa: S311 - repeatable on purpose
    for number in range(sizes.customers):
        yield {
            **system_values(customer_id(number), number),
            "name": f"{chance.choice(_NAMES)}客户{number:06}",
            "region": chance.choice(REGIONS),
            "level": chance.choice(LEVELS),
            "phone": f"1{chance.randrange(3_000_000_000, 10_000_000_000)}",
            "credit": Decimal(chance.randrange(0, 100_000_000)) / 100,
            "signed_on": FIRST_DAY + timedelta(days=chance.randrange(DAYS)),
            "note": f"由销售部录入,编号 {number}",
        }


def payments(sizes: Sizes) -> Iterator[Row]:
    """Yield the payments, each of some customer."""
    chance = random.Random(2)  # noqa: S311 - repeatable on purpose
    for number in range(sizes.payments):
        due_on = FIRST_DAY + timedelta(days=chance.randrange(DAYS))
        status = chance.choice(STATUSES)
        yield {
            **system_values(payment_id(number), number),
            "number": f"PAY-{number:08}",
            "customer": customer_id(chance.randrange(sizes.customers)),
            "due_on": due_on,
            "status": status,
            "amount": Decimal(chance.randrange(100, 10_000_000)) / 100,
            "paid_on": due_on + timedelta(days=3) if status == "paid" else None,
            "note": f"第 {number % 12 + 1} 期",
        }


def system_values(identifier: str, number: int) -> Row:
    """Return what a record has besides its fields."""
    at = _START + timedelta(seconds=number)
    return {
        "id": identifier,
        "revision": 1,
        "created_at": at,
        "created_by": None,
        "updated_at": at,
        "updated_by": None,
    }
