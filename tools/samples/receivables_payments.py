"""Payments of the template ``receivables``: money that came in, matched to invoices; and what it says about the customers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tools.samples.chance import Chance
from tools.samples.days import BEIJING, NOW, TODAY, after, at_work, is_working, working_days
from tools.samples.lead_customers import Customer
from tools.samples.receivables_contracts import CREDIT_DAYS, ZERO, Contract, Invoice, terms_of
from tools.samples.series import Series
from tools.samples.table import cents

_ON_TIME = {"A_plus": 0.78, "A": 0.58, "B": 0.42, "C": 0.3}
_LATE_DAYS = {"A_plus": (2, 40), "A": (4, 85), "B": (8, 130), "C": (10, 170)}
_METHODS = {"transfer": 82.0, "draft": 15.0, "card": 3.0}
_BLOCKS = ("invoice_error", "process_change", "account_frozen", "not_accepted", "approver_away")


@dataclass
class Payment:
    """Money received on a day from a customer, and what it pays."""

    day: date
    customer: Customer
    parts: list[tuple[Invoice, Decimal]] = field(default_factory=list)
    extra: Decimal = ZERO

    @property
    def allocated(self) -> Decimal:
        """The sum of its parts."""
        return sum((amount for _, amount in self.parts), ZERO)

    @property
    def amount(self) -> Decimal:
        """What came in: the parts and what is not matched yet."""
        return self.allocated + self.extra


def draw_payments(invoices: list[Invoice]) -> list[Payment]:
    """Draw the payments in the order of their days and note them on invoices and contracts."""
    chance = Chance("receivables payments")
    planned: dict[str, list[tuple[date, Invoice, Decimal]]] = {}
    for invoice in invoices:
        for day, amount in _instalments(chance, invoice):
            if day <= TODAY:
                planned.setdefault(invoice.customer.id, []).append((day, invoice, amount))
    payments = [payment for parts in planned.values() for payment in _grouped(chance, parts)]
    payments.sort(key=lambda payment: (payment.day, int(payment.parts[0][0].id[2:])))
    for payment in payments:
        for invoice, amount in payment.parts:
            invoice.paid += amount
            invoice.paid_on = payment.day if invoice.paid == invoice.amount else None
            invoice.contract.record["paid_amount"] += amount
    return payments


def _instalments(chance: Chance, invoice: Invoice) -> list[tuple[date, Decimal]]:
    level = invoice.customer.level
    if chance.yes(_ON_TIME[level]):
        earliest = min(invoice.due_on, invoice.issued_on + timedelta(days=4))
        day = after(earliest, chance.whole(0, max(0, (invoice.due_on - earliest).days)))
    else:
        day = after(invoice.due_on, chance.whole(*_LATE_DAYS[level]))
    if chance.yes(0.9):
        return [(day, invoice.amount)]
    first = cents(invoice.amount * chance.whole(4, 7) / 10)
    return [(day, first), (after(day, chance.whole(12, 45)), invoice.amount - first)]


def _grouped(chance: Chance, parts: list[tuple[date, Invoice, Decimal]]) -> Iterable[Payment]:
    """Put what a customer pays within a few days into one transfer, as accountants do."""
    payment: Payment | None = None
    for day, invoice, amount in sorted(parts, key=lambda part: (part[0], int(part[1].id[2:]))):
        known = payment is not None and any(invoice is other for other, _ in payment.parts)
        if payment is not None and not known and day <= payment.day + timedelta(days=4) and chance.yes(0.6):
            payment.parts.append((invoice, amount))
            payment.day = day
            continue
        if payment is not None:
            yield payment
        payment = Payment(day, invoice.customer, [(invoice, amount)])
        if chance.yes(0.03):
            payment.extra = Decimal(chance.whole(1, 20) * 1000)
    if payment is not None:
        yield payment


def payment_records(payments: list[Payment]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the records of payments and of their allocations."""
    chance = Chance("receivables payment records")
    series = Series("SK", 4)
    records, allocations = [], []
    for number, payment in enumerate(payments, 1):
        identity = f"sk{number}"
        records.append(
            {
                "id": identity,
                "created_at": at_work(chance, payment.day),
                "number": series.next(payment.day),
                "customer": payment.customer.id,
                "received_on": payment.day,
                "amount": payment.amount,
                "method": chance.weighted(_METHODS),
                "bank_reference": f"LS{payment.day:%Y%m%d}{number:05d}",
                "allocated_amount": payment.allocated,
                "unallocated_amount": payment.extra,
                "entered_by": "shiwenbin",
                "note": "含下期预付款" if payment.extra else None,
            }
        )
        for index, (invoice, amount) in enumerate(payment.parts, 1):
            allocations.append(
                {"id": f"{identity}_{index}", "payment": identity, "invoice": invoice.id, "amount": amount}
            )
    return records, allocations


def finish_invoices(invoices: list[Invoice]) -> None:
    """Fill in what today's date and the payments make of each invoice."""
    chance = Chance("receivables invoice status")
    for invoice in invoices:
        left = invoice.amount - invoice.paid
        late = left > 0 and invoice.due_on < TODAY
        status = "paid" if not left else "overdue" if late else "part_paid" if invoice.paid else "open"
        node, since = _node(chance, invoice, late=late)
        invoice.record |= {
            "paid_amount": invoice.paid,
            "node": node,
            "node_since": since,
            "blocked_by": chance.pick(_BLOCKS) if late and chance.yes(0.6) else None,
            "status": status,
            "paid_on": invoice.paid_on,
        }


def _node(chance: Chance, invoice: Invoice, *, late: bool) -> tuple[str, datetime]:
    if invoice.paid_on is not None:
        return "received", at_work(chance, invoice.paid_on)
    age = (TODAY - invoice.issued_on).days
    steps = ("requested", "signed_for", "in_process", "transferred")
    reached = min(age // 5, 3 if late and chance.yes(0.25) else 2)
    day = after(invoice.issued_on, reached * 5)
    return (steps[reached], at_work(chance, day)) if day < TODAY else (steps[reached], _this_morning(invoice.issued_on))


def _this_morning(issued_on: date) -> datetime:
    return NOW if issued_on == TODAY else datetime.combine(TODAY, time(9, 10), BEIJING)


def finish_contracts(contracts: list[Contract]) -> None:
    """Fill in what was invoiced and paid."""
    for contract in contracts:
        record = contract.record
        record["invoiced_amount"] = sum((invoice.amount for invoice in contract.invoices), ZERO)
        if record["paid_amount"] == record["amount"]:
            record["status"] = "completed"


def customer_records(
    customers: list[Customer], invoices: list[Invoice], payments: list[Payment]
) -> list[dict[str, Any]]:
    """Return the customers with what invoices and payments say about them."""
    chance = Chance("receivables customers")
    return [_customer(chance, number, customer, invoices, payments) for number, customer in enumerate(customers, 1)]


def _customer(
    chance: Chance, number: int, customer: Customer, invoices: list[Invoice], payments: list[Payment]
) -> dict[str, Any]:
    own = [invoice for invoice in invoices if invoice.customer is customer]
    due = [invoice for invoice in own if invoice.due_on < TODAY]
    punctual = [invoice for invoice in due if invoice.paid_on is not None and invoice.paid_on <= invoice.due_on]
    received = sum((payment.amount for payment in payments if payment.customer is customer), ZERO)
    source, terms = customer.record, terms_of(customer)
    return {
        "id": customer.id,
        "created_at": customer.created_at,
        "number": f"K{number:04d}",
        **{name: source[name] for name in ("name", "industry", "region", "city", "level")},
        "on_time_rate": (Decimal(len(punctual)) / len(due)).quantize(Decimal("0.0001")) if due else None,
        "stock_speed": Decimal(chance.whole(15, 95)).scaleb(-2),
        "activity": chance.whole(20, 100),
        "competitor_share": source["competitor_share"],
        "payment_terms": terms,
        "credit_days": CREDIT_DAYS[terms],
        "credit_limit": source["credit_limit"],
        "balance": sum((invoice.amount for invoice in own), ZERO) - received,
        "owner": source["owner"],
        **_people(customer),
    }


def _people(customer: Customer) -> dict[str, Any]:
    people = {contact.record["role"]: contact.record for contact in reversed(customer.contacts)}
    first = customer.contacts[0].record
    buyer, accountant = people.get("purchasing", first), people.get("finance")
    return {
        "buyer_name": buyer["name"],
        "buyer_phone": buyer["phone"],
        "buyer_email": f"buyer@{customer.id}.example",
        "accountant_name": accountant["name"] if accountant else None,
        "accountant_phone": accountant["phone"] if accountant else None,
        "accountant_email": f"finance@{customer.id}.example",
    }


def statement_records(
    customers: list[Customer], invoices: list[Invoice], payments: list[Payment]
) -> list[dict[str, Any]]:
    """Return the monthly statements up to October 2026; a customer without movement and balance gets none."""
    chance = Chance("receivables statements")
    moved: dict[tuple[str, str], list[Decimal]] = {}
    for invoice in invoices:
        moved.setdefault((invoice.customer.id, f"{invoice.issued_on:%Y-%m}"), [ZERO, ZERO])[0] += invoice.amount
    for payment in payments:
        moved.setdefault((payment.customer.id, f"{payment.day:%Y-%m}"), [ZERO, ZERO])[1] += payment.amount
    balance: dict[str, Decimal] = {}
    records: list[dict[str, Any]] = []
    for year, month in ((2025, 11), (2025, 12), *((2026, month) for month in range(1, 11))):
        following = date(year + month // 12, month % 12 + 1, 1)
        for customer in customers:
            invoiced, paid = moved.get((customer.id, f"{year}-{month:02d}"), (ZERO, ZERO))
            opening = balance.get(customer.id, ZERO)
            if opening or invoiced or paid:
                closing = opening + invoiced - paid
                balance[customer.id] = closing
                head = {
                    "id": f"st{len(records) + 1}",
                    "created_at": None,
                    "customer": customer.id,
                    "period": f"{year}-{month:02d}",
                }
                sums = {"opening": opening, "invoiced": invoiced, "paid": paid, "closing": closing}
                records.append({**head, **sums, **_answer(chance, following, closing)})
    for record in records:
        record["created_at"] = record["sent_at"]
    return records


def _answer(chance: Chance, following: date, closing: Decimal) -> dict[str, Any]:
    first = next(day for day in working_days(following, following + timedelta(days=12)) if is_working(day))
    sent_at = datetime.combine(first, time(9, 0), BEIJING)
    answered_on = after(first, chance.whole(1, 14))
    if answered_on > TODAY or chance.yes(0.06):
        return {
            "customer_balance": None,
            "difference": None,
            "status": "sent",
            "sent_at": sent_at,
            "confirmed_on": None,
        }
    difference = ZERO
    if closing > 1000 and chance.yes(
        0.05
    ):  # the customer has booked a payment that is still under way, or returned goods
        difference = -cents(closing * chance.whole(2, 18) / 100)
    return {
        "customer_balance": closing + difference,
        "difference": difference,
        "status": "disputed" if difference else "confirmed",
        "sent_at": sent_at,
        "confirmed_on": None if difference else answered_on,
    }
