"""Contracts of the template ``receivables`` with lines, payment plans and the invoices issued on them. All amounts add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tools.samples.chance import Chance
from tools.samples.days import TODAY, after, at_work, month_days, months
from tools.samples.lead_customers import Customer
from tools.samples.series import Series
from tools.samples.table import cents, money

#: Contracts per month from November 2025 to November 2026.
PER_MONTH = (12, 41, 33, 17, 40, 44, 36, 38, 35, 36, 43, 45, 30)
TAX_RATE = Decimal("0.13")
TERMS = {
    "A_plus": ("net_60", "net_90"),
    "A": ("net_30", "net_60"),
    "B": ("net_30", "on_delivery"),
    "C": ("prepaid", "on_delivery"),
}
CREDIT_DAYS = {"prepaid": 7, "on_delivery": 15, "net_30": 30, "net_60": 60, "net_90": 90}
_LEVEL_WEIGHTS = {"A_plus": 1.0, "A": 0.62, "B": 0.34, "C": 0.15}
_GOODS = {
    "joint": (("人工膝关节系统", "HZ-K7", 21800), ("人工髋关节系统", "HZ-H5", 24600), ("关节手术工具盒", "HZ-KT2", 8600)),
    "spine": (("椎弓根螺钉系统", "HZ-S3", 12800), ("椎间融合器", "HZ-SC1", 9800), ("脊柱手术工具盒", "HZ-ST1", 7900)),
    "trauma": (("锁定接骨板套件", "HZ-T6", 5600), ("髓内钉系统", "HZ-TN2", 7200), ("外固定支架", "HZ-TF1", 2900)),
    "power_tools": (("骨科动力系统主机", "HZ-P9", 86000), ("摆锯手机", "HZ-P9S", 18600), ("锂电池组", "HZ-P9B", 3200)),
    "rehab": (("下肢康复训练仪", "HZ-R4", 68000), ("持续被动活动仪", "HZ-R2", 19800), ("平衡训练台", "HZ-R6", 42000)),
    "sterile": (("低温灭菌柜", "HZ-D8", 128000), ("器械清洗机", "HZ-D3", 76000), ("器械追溯终端", "HZ-D1", 15800)),
    "smart_cabinet": (("智能耗材柜", "HZ-C5", 48000), ("耗材管理软件授权", "HZ-CS", 26000), ("RFID 标签(千枚)", "HZ-CR", 1900)),
    "testing": (("全自动凝血分析仪", "HZ-L7", 96000), ("凝血试剂盒", "HZ-LR7", 1280), ("质控品", "HZ-LQ", 860)),
}  # fmt: skip
_SHORT = {
    "joint": "关节植入物", "spine": "脊柱植入物", "trauma": "创伤固定系统", "power_tools": "手术动力系统",
    "rehab": "康复设备", "sterile": "消毒供应设备", "smart_cabinet": "智能耗材柜", "testing": "凝血检验",
}  # fmt: skip
#: Instalments by size of the contract: kind, name, per cent, days after signing from and to.
_SMALL = (("delivery", "到货款", 100, 6, 20),)
_MIDDLE = (("deposit", "预付款", 30, 0, 3), ("delivery", "到货款", 70, 15, 45))
_LARGE = (
    ("deposit", "预付款", 30, 0, 5), ("delivery", "到货款", 50, 20, 50), ("acceptance", "验收款", 15, 60, 95), ("warranty", "质保金", 5, 360, 366),
)  # fmt: skip
ZERO = Decimal(0)


@dataclass
class Invoice:
    """An invoice; payments are noted on it later."""

    id: str
    customer: Customer
    contract: Contract
    issued_on: date
    due_on: date
    amount: Decimal
    record: dict[str, Any]
    paid: Decimal = ZERO
    paid_on: date | None = None


@dataclass
class Contract:
    """A contract with everything below it."""

    id: str
    customer: Customer
    record: dict[str, Any]
    lines: list[dict[str, Any]] = field(default_factory=list)
    plan: list[dict[str, Any]] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)

    @property
    def amount(self) -> Decimal:
        """The sum of the lines."""
        return sum((line["amount"] for line in self.lines), ZERO)


def draw_contracts(customers: list[Customer]) -> list[Contract]:
    """Draw the contracts of the year in the order of signing."""
    chance = Chance("receivables contracts")
    series = Series("HT", 3)
    days = [
        day
        for month, count in zip(months(), PER_MONTH, strict=True)
        for day in sorted(chance.pick(month_days(month)) for _ in range(count))
    ]
    return [_contract(chance, customers, number, day, series) for number, day in enumerate(days, 1)]


def _contract(chance: Chance, customers: list[Customer], number: int, signed_on: date, series: Series) -> Contract:
    customer = chance.pick(customers)
    while not chance.yes(_LEVEL_WEIGHTS[customer.level]):
        customer = chance.pick(customers)
    product = chance.pick(list(_GOODS))
    terms = terms_of(customer)
    contract = Contract(f"ht{number}", customer, {})
    contract.lines = list(_lines(chance, contract, product))
    contract.plan = list(_plan(chance, contract, signed_on))
    waiting = signed_on >= TODAY - timedelta(days=7) and chance.yes(0.4)
    contract.record = {
        "id": contract.id,
        "created_at": at_work(chance, signed_on),
        "number": series.next(signed_on),
        "title": f"{customer.record['short_name']}{_SHORT[product]}采购合同",
        "customer": customer.id,
        "signed_on": signed_on,
        "starts_on": signed_on,
        "ends_on": signed_on + timedelta(days=365),
        "status": chance.pick(("draft", "approving")) if waiting else "active",
        "payment_terms": terms,
        "tax_rate": TAX_RATE,
        "amount": contract.amount,
        "invoiced_amount": ZERO,
        "paid_amount": ZERO,
        "owner": customer.owner.username,
        "clause_version": "2026-2"
        if signed_on >= date(2026, 7, 1)
        else "2026-1"
        if signed_on.year == 2026
        else "2025-3",
    }
    return contract


def terms_of(customer: Customer) -> str:
    """Return the payment terms a customer always has."""
    terms = TERMS[customer.level]
    return terms[int(customer.id[1:]) % len(terms)]


def _lines(chance: Chance, contract: Contract, product: str) -> list[dict[str, Any]]:
    scale = {"A_plus": 3.0, "A": 1.8, "B": 1.0, "C": 0.6}[contract.customer.level]
    found = []
    for index, (name, model, price) in enumerate(chance.some(_GOODS[product], 1, 2), 1):
        agreed = money(price * chance.bell(0.8, 1.0), 10)
        quantity = max(1, round(chance.bell(0.4, 2.5) * scale * 110_000 / price))
        found.append(
            {
                "id": f"{contract.id}_{index}",
                "contract": contract.id,
                "product": name,
                "model": model,
                "quantity": quantity,
                "price": agreed,
                "amount": agreed * quantity,
            }
        )
    return found


def _plan(chance: Chance, contract: Contract, signed_on: date) -> list[dict[str, Any]]:
    total = contract.amount
    steps = _SMALL if total < 100_000 else _MIDDLE if total < 400_000 else _LARGE
    left, found = total, []
    for kind, name, percent, least, most in steps:
        share = Decimal(percent) / 100
        amount = left if (kind, name, percent, least, most) == steps[-1] else cents(total * share)
        left -= amount
        found.append(
            {
                "id": f"{contract.id}_{kind}",
                "contract": contract.id,
                "name": name,
                "kind": kind,
                "due_on": after(signed_on, chance.whole(least, most)),
                "share": share,
                "amount": amount,
            }
        )
    return found


def draw_invoices(contracts: list[Contract]) -> tuple[list[Invoice], list[dict[str, Any]]]:
    """Issue the invoices that are due by today and return them in the order of issue, with their lines."""
    chance = Chance("receivables invoices")
    planned: list[tuple[date, int, Contract, dict[str, Any], Decimal]] = []
    for contract in contracts:
        if contract.record["status"] in ("draft", "approving"):
            continue
        for part in contract.plan:
            for day, amount in _batches(chance, part):
                if day <= TODAY:
                    planned.append((day, len(planned), contract, part, amount))
    series = Series("FP", 4)
    invoices, lines = [], []
    for number, (day, _, contract, part, amount) in enumerate(sorted(planned, key=lambda item: item[:2]), 1):
        own = list(_invoice_lines(contract, f"fp{number}", amount))
        invoice = _invoice(chance, contract, number, day, part, own)
        invoice.record["number"] = series.next(day)
        contract.invoices.append(invoice)
        invoices.append(invoice)
        lines += own
    return invoices, lines


def _batches(chance: Chance, part: dict[str, Any]) -> list[tuple[date, Decimal]]:
    """Split what is due on delivery into the batches in which goods arrive."""
    amount: Decimal = part["amount"]
    if part["kind"] != "delivery" or amount < 30_000:
        return [(part["due_on"], amount)]
    count = chance.whole(1, 3) if amount < 150_000 else chance.whole(2, 5)
    each, day, found, left = cents(amount / count), part["due_on"], [], amount
    for index in range(count):
        portion = left if index == count - 1 else each
        left -= portion
        found.append((day, portion))
        day = after(day, chance.whole(9, 26))
    return found


def _invoice_lines(contract: Contract, invoice: str, amount: Decimal) -> list[dict[str, Any]]:
    left, found = amount, []
    for index, line in enumerate(contract.lines, 1):
        gross = left if index == len(contract.lines) else cents(amount * line["amount"] / contract.amount)
        left -= gross
        net = cents(gross / (1 + TAX_RATE))
        found.append(
            {
                "id": f"{invoice}_{index}",
                "invoice": invoice,
                "contract_line": line["id"],
                "product": line["product"],
                "net_amount": net,
                "tax_amount": gross - net,
                "amount": gross,
            }
        )
    return found


def _invoice(
    chance: Chance, contract: Contract, number: int, day: date, part: dict[str, Any], lines: list[dict[str, Any]]
) -> Invoice:
    net = sum((line["net_amount"] for line in lines), ZERO)
    tax = sum((line["tax_amount"] for line in lines), ZERO)
    days = 7 if part["kind"] == "deposit" else CREDIT_DAYS[contract.record["payment_terms"]]
    due_on = day + timedelta(days=days)
    record = {
        "id": f"fp{number}",
        "created_at": at_work(chance, day),
        "number": "",
        "tax_number": f"26000000{number:012d}",
        "contract": contract.id,
        "customer": contract.customer.id,
        "plan": part["id"],
        "issued_on": day,
        "due_on": due_on,
        "tax_rate": TAX_RATE,
        "net_amount": net,
        "tax_amount": tax,
        "amount": net + tax,
        "owner": contract.customer.owner.username,
    }
    return Invoice(f"fp{number}", contract.customer, contract, day, due_on, net + tax, record)
