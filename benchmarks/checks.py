"""The answers of both targets are checked before anything is timed: a wrong answer is not fast."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from benchmarks import workloads
from benchmarks.data import FIRST_DAY, Row, Sizes, customer_id, customers, payment_id, payments
from benchmarks.servers import Server
from benchmarks.workloads import RECORDS, SUMS_BODY


class WrongAnswer(Exception):
    """A target answered wrongly."""


def check(server: Server, sizes: Sizes) -> bool:
    """Check every workload of one target; return whether it can sum by groups.

    Raises:
        WrongAnswer.
    """
    is_ours = server.launch.name == "ours"
    base = RECORDS if is_ours else ""
    customer, payment = (f"{base}/customer", f"{base}/payment") if is_ours else ("/customers", "/payments")
    _check_get(server, customer)
    _check_list(server, sizes, workloads.ours_list if is_ours else workloads.yardstick_list)
    _check_expand(server, workloads.ours_expand if is_ours else workloads.yardstick_expand)
    _check_writes(server, payment, "customer" if is_ours else "customer_id")
    _check_refusals(server, customer, payment)
    return _check_sums(server, sizes, is_ours=is_ours)


def _data(answer: Any) -> Any:
    return answer["data"] if isinstance(answer, dict) and "data" in answer else answer


def _expect(server: Server, what: str, fine: bool, shown: Any) -> None:
    if not fine:
        raise WrongAnswer(f"{server.launch.name}: {what}: {str(shown)[:600]}")


def _check_get(server: Server, path: str) -> None:
    row = next(islice(customers(Sizes()), 7, None))
    status, answer = server.ask("GET", f"{path}/{row['id']}")
    found = _data(answer)
    same = status == 200 and all(found[key] == row[key] for key in ("id", "name", "region", "level", "phone", "note"))
    _expect(server, "get", same and Decimal(str(found["credit"])) == row["credit"], answer)


def _check_list(server: Server, sizes: Sizes, path: Any) -> None:
    status, answer = server.ask("GET", path("south", "B"))
    wanted = [row for row in customers(sizes) if row["region"] == "south" and row["level"] == "B"]
    wanted.sort(key=lambda row: (row["signed_on"], row["id"]), reverse=True)
    found = [row["id"] for row in _data(answer)]
    _expect(server, "list", status == 200 and found == [row["id"] for row in wanted[:50]], answer)


def _check_expand(server: Server, path: Any) -> None:
    due_from = str(FIRST_DAY + timedelta(days=400))
    status, answer = server.ask("GET", path("overdue", due_from))
    rows = _data(answer)
    fine = status == 200 and len(rows) == 50 and all(row["status"] == "overdue" for row in rows)
    fine = fine and [row["due_on"] for row in rows] == sorted(row["due_on"] for row in rows)
    fine = fine and rows[0]["due_on"] >= due_from and all(row["customer"]["name"] for row in rows)
    _expect(server, "expand", fine, answer)


def _check_writes(server: Server, path: str, customer_key: str) -> None:
    body = {
        "number": "CHECK",
        customer_key: customer_id(3),
        "due_on": "2026-01-31",
        "status": "waived",
        "amount": 12.34,
        "note": "x",
    }
    status, answer = server.ask("POST", path, body)
    _expect(server, "create", status == 201, answer)
    made = f"{path}/{_data(answer)['id']}"
    _, read = server.ask("GET", made)
    _expect(server, "create, read back", Decimal(str(_data(read)["amount"])) == Decimal("12.34"), read)
    status, answer = server.ask("PATCH", made, {"amount": 56.78})
    _, read = server.ask("GET", made)
    changed = _data(read)
    fine = status == 200 and Decimal(str(changed["amount"])) == Decimal("56.78") and changed["revision"] == 2
    _expect(server, "update, read back", fine and changed["note"] == "x", read)


def _check_refusals(server: Server, customer: str, payment: str) -> None:
    asked = (
        (401, server.ask("GET", f"{customer}/{customer_id(1)}", token="wrong")),  # noqa: S106 - no secret
        (404, server.ask("GET", f"{customer}/{payment_id(1)}")),
        (422, server.ask("POST", payment, {"number": "x", "amount": -1})),
    )
    for wanted, (status, answer) in asked:
        _expect(server, f"a request that deserves {wanted}", status == wanted, (status, answer))


def _check_sums(server: Server, sizes: Sizes, *, is_ours: bool) -> bool:
    if is_ours:
        status, answer = server.ask("POST", f"{RECORDS}/payment/aggregate", SUMS_BODY)
        if status in (404, 405):
            return False
    else:
        status, answer = server.ask("GET", "/payments/sums")
    rows = _data(answer)
    _expect(server, "sums", status == 200, answer)
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    for row in payments(sizes):
        wanted[row["status"]] += row["amount"]
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        found[_member(row, "status")] += Decimal(str(_member(row, "amount")))
    # the checks' own writes count too, so a difference of a few records' amounts is right
    close = all(abs(found[key] - amount) < 1_000 for key, amount in wanted.items())
    _expect(server, "sums", close, rows)
    return True


def _member(row: Row, key: str) -> Any:
    if key in row:
        return row[key]
    return next(part[key] for part in row.values() if isinstance(part, dict) and key in part)
