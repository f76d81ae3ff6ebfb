"""Leads of the template ``lead``: one year of them, each on its way through the six stages as far as it got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tools.samples.chance import Chance
from tools.samples.days import NOW, TODAY, after, at_work, month_days, months
from tools.samples.lead_customers import Contact, Customer, area_id
from tools.samples.names import UniqueNames, draw_mobile, draw_person
from tools.samples.people import Person, sellers_of
from tools.samples.places import City, draw_city
from tools.samples.table import money

#: How many came in each month from November 2025 (the last ten days) to November 2026 (the first twenty): 3,000.
PER_MONTH = (74, 236, 221, 118, 276, 301, 243, 252, 238, 246, 285, 287, 223)
STAGES = ("to_assign", "assigned", "first_visit", "need_confirmed", "proposal", "to_sign")

_SOURCES = {
    "website_form": 30.0, "expo_scan": 12.0, "inbound_call": 17.0, "referral": 14.0, "tender_notice": 9.0, "content": 11.0, "outbound": 7.0,
}  # fmt: skip
_FAIR_MONTHS = (4, 10)  # the trade fairs of spring and autumn
_QUALITY = {
    "website_form": 1.0, "expo_scan": 0.9, "inbound_call": 1.02, "referral": 1.14, "tender_notice": 0.96, "content": 0.86, "outbound": 0.93,
}  # fmt: skip
_ENTERED_BY = {"website_form": "donghaoran", "content": "donghaoran", "expo_scan": "weisijia", "inbound_call": "yuanli"}
_PRODUCTS = {
    "joint": "关节植入", "spine": "脊柱植入", "trauma": "创伤固定", "power_tools": "手术动力",
    "rehab": "康复设备", "sterile": "消毒供应", "smart_cabinet": "智能耗材柜", "testing": "检验诊断",
}  # fmt: skip
_WANTED = {
    "hospital": ("joint", "spine", "trauma", "power_tools", "sterile", "smart_cabinet", "testing"),
    "private_hospital": ("joint", "spine", "rehab", "power_tools", "smart_cabinet"),
    "dealer": ("joint", "spine", "trauma", "power_tools"),
    "manufacturer": ("smart_cabinet", "sterile", "testing"),
    "lab": ("testing", "smart_cabinet"),
    "elder_care": ("rehab",),
}
_TITLES = ("{who}{what}采购", "{who}{what}项目", "{who}{what}询价", "{who}咨询{what}", "{who}{what}更新换代")
_PAINS = ("capacity", "cost", "delivery", "precision", "compliance", "service", "traceability", "staffing")
_TAGS = ("urgent", "demo_wanted", "quote_wanted", "visit_wanted", "long_term")
_RIVALS = ("品牌A", "品牌B", "进口品牌C", "本地厂商D")
_BANDS = {(8, 49): 34.0, (50, 199): 43.0, (200, 480): 18.0, (480, 1600): 5.0}  # thousands of yuan
#: Chance to get into each next stage, days until then, and why leads are lost before it.
_STEPS = (
    (0.965, (0, 0), {"silent": 1.0}),
    (0.80, (1, 4), {"silent": 50.0, "no_plan": 40.0, "price": 10.0}),
    (0.74, (2, 10), {"no_plan": 40.0, "mismatch": 30.0, "silent": 15.0, "frozen": 15.0}),
    (0.72, (4, 16), {"price": 34.0, "mismatch": 26.0, "competitor": 20.0, "frozen": 20.0}),
    (0.72, (7, 26), {"price": 42.0, "competitor": 38.0, "frozen": 20.0}),
    (0.86, (5, 24), {"competitor": 46.0, "price": 30.0, "frozen": 24.0}),
)
_PROBABILITY = {
    "to_assign": "0.05",
    "assigned": "0.1",
    "first_visit": "0.2",
    "need_confirmed": "0.35",
    "proposal": "0.55",
    "to_sign": "0.8",
}


@dataclass
class Lead:
    """A lead with its way: when it entered each stage it reached."""

    id: str
    created_at: datetime
    source: str
    product: str
    city: City
    owner: Person
    customer: Customer | None
    contact: Contact | None
    way: dict[str, datetime] = field(default_factory=dict)
    outcome: str = "open"
    lost_reason: str | None = None
    closed_at: datetime | None = None
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """The last stage reached."""
        return list(self.way)[-1]


def draw_leads(customers: list[Customer], names: UniqueNames) -> list[Lead]:
    """Draw the leads of the year in the order in which they came."""
    chance = Chance("lead leads")
    moments = []
    for month, count in zip(months(), PER_MONTH, strict=True):
        days = month_days(month)
        moments += sorted(at_work(chance, chance.pick(days)) for _ in range(count))
    counted: dict[str, int] = {}
    leads = []
    for number, at in enumerate(moments, 1):
        lead = _begin(chance, customers, f"l{number}", at)
        _walk(chance, lead)
        series = f"L-{at:%Y%m}"
        counted[series] = counted.get(series, 0) + 1
        lead.record = _record(chance, names, lead, f"{series}-{counted[series]:04d}")
        leads.append(lead)
    return leads


def _begin(chance: Chance, customers: list[Customer], identity: str, at: datetime) -> Lead:
    fair = at.month in _FAIR_MONTHS
    source = chance.weighted({**_SOURCES, "expo_scan": 42.0 if fair else _SOURCES["expo_scan"]})
    customer = _draw_customer(chance, customers, at) if chance.yes(0.78) else None
    city = customer.city if customer else draw_city(chance)
    owner = customer.owner if customer and chance.yes(0.85) else chance.pick(sellers_of(city.province))
    product = chance.pick(_WANTED[customer.kind] if customer else list(_PRODUCTS))
    contact = chance.pick(customer.contacts) if customer and chance.yes(0.9) else None
    return Lead(identity, at, source, product, city, owner, customer, contact)


def _draw_customer(chance: Chance, customers: list[Customer], at: datetime) -> Customer:
    weights = {"A_plus": 1.0, "A": 0.8, "B": 0.5, "C": 0.28}
    while True:
        customer = chance.pick(customers)
        if customer.created_at < at and chance.yes(weights[customer.level]):
            return customer


def _walk(chance: Chance, lead: Lead) -> None:
    """Let the lead go from stage to stage until it is lost, won, or the present comes."""
    at = lead.created_at
    lead.way["to_assign"] = at
    for target, (likely, days, reasons) in zip((*STAGES[1:], "won"), _STEPS, strict=True):
        at = _moment(chance, at, days)
        if not chance.yes(min(0.98, likely * _QUALITY[lead.source])):
            at += timedelta(days=chance.whole(2, 12))
            if at < NOW:
                lead.outcome = "invalid" if target == "assigned" else "lost"
                lead.lost_reason, lead.closed_at = chance.weighted(reasons), at
            return
        if at >= NOW:
            return
        if target == "won":
            lead.outcome, lead.closed_at = "won", at
        else:
            lead.way[target] = at


def _moment(chance: Chance, at: datetime, days: tuple[int, int]) -> datetime:
    if days == (0, 0):  # a lead is given to somebody within minutes to hours, some the next morning
        assigned = at + timedelta(minutes=chance.whole(3, 90) if chance.yes(0.8) else chance.whole(90, 400))
        if assigned.hour < 18:
            return assigned
        return at_work(chance, after(at.date(), 1)).replace(hour=9)
    moment = at_work(chance, after(at.date(), chance.whole(*days)))
    return moment if moment > at else at + timedelta(hours=2)


def _record(chance: Chance, names: UniqueNames, lead: Lead, number: str) -> dict[str, Any]:
    least, most = chance.weighted(_BANDS)
    budget = money(chance.whole(least, most) * 1000, 1000 if most < 60 else 5000) if chance.yes(0.93) else None
    company, short = _company(chance, names, lead)
    assigned = "assigned" in lead.way
    score = _score(chance, lead, budget)
    return {
        "id": lead.id,
        "created_at": lead.created_at,
        "created_by": _ENTERED_BY.get(lead.source, lead.owner.username),
        "number": number,
        "title": chance.pick(_TITLES).format(who=short, what=_PRODUCTS[lead.product]),
        "customer": lead.customer.id if lead.customer else None,
        "company": None if lead.customer else company,
        "contact": lead.contact.id if lead.contact else None,
        "contact_name": None if lead.contact else draw_person(chance),
        "contact_phone": None if lead.contact else draw_mobile(chance),
        "source": lead.source,
        "budget": budget,
        "product_line": lead.product,
        "region": lead.city.region,
        "area": area_id(lead.city.province),
        "owner": lead.owner.username if assigned else None,
        "department": lead.owner.department if assigned else None,
        "stage": lead.stage,
        "stage_since": lead.way[lead.stage],
        "outcome": lead.outcome,
        "lost_reason": lead.lost_reason,
        "closed_on": lead.closed_at.date() if lead.closed_at else None,
        "deal_amount": _deal(chance, lead, budget),
        "priority": "high" if score >= 75 else "low" if score < 40 else "normal",
        "probability": _probability(lead),
        **_plans(chance, lead),
        "assigned_at": lead.way.get("assigned"),
        "first_visit_at": lead.way.get("first_visit"),
        "pains": chance.some(_PAINS, 1, 3) if "first_visit" in lead.way else chance.some(_PAINS, 0, 1),
        "competitor": chance.pick(_RIVALS) if chance.yes(0.25) else None,
        "tags": (["tender"] if lead.source == "tender_notice" else []) + chance.some(_TAGS, 0, 1),
    }


def _company(chance: Chance, names: UniqueNames, lead: Lead) -> tuple[str, str]:
    if lead.customer:
        record = lead.customer.record
        return str(record["name"]), str(record["short_name"])
    full, short = names.draw(
        chance, chance.pick(("private_hospital", "dealer", "manufacturer", "elder_care")), lead.city
    )
    return full, f"{lead.city.name}{short}"


def _score(chance: Chance, lead: Lead, budget: Decimal | None) -> int:
    weight: Mapping[str, int] = {"A_plus": 24, "A": 18, "B": 10, "C": 4}
    score = round(_QUALITY[lead.source] * 32) + (weight[lead.customer.level] if lead.customer else 6)
    score += 22 if budget and budget >= 200_000 else 12 if budget and budget >= 50_000 else 4
    return min(100, score + chance.whole(0, 14))


def _deal(chance: Chance, lead: Lead, budget: Decimal | None) -> Decimal | None:
    if lead.outcome != "won":
        return None
    return money(float(budget or 60_000) * chance.bell(0.78, 1.06), 100)


def _probability(lead: Lead) -> Decimal:
    known = {"won": Decimal(1), "lost": Decimal(0), "invalid": Decimal(0)}
    return known.get(lead.outcome, Decimal(_PROBABILITY[lead.stage]))


def _plans(chance: Chance, lead: Lead) -> dict[str, date | None]:
    if lead.closed_at:
        # what sellers expected lies about a fortnight beside what happened
        expected = lead.closed_at.date() + timedelta(days=round(chance.bell(-28, 30)))
        return {"expected_close_on": expected if "first_visit" in lead.way else None, "next_follow_up_on": None}
    left = (len(STAGES) - list(STAGES).index(lead.stage)) * 12
    late = chance.yes(0.13)
    return {
        "expected_close_on": after(TODAY, chance.whole(left // 2, left * 2)) if lead.stage != "to_assign" else None,
        "next_follow_up_on": after(TODAY, chance.whole(-9, -1) if late else chance.whole(0, 12)),
    }
