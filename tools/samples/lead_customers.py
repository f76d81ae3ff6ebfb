"""Sales areas, customers and contacts of the template ``lead``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tools.samples.chance import Chance
from tools.samples.days import BEIJING, FIRST_DAY, TODAY, after, at_work, working_days
from tools.samples.names import UniqueNames, draw_landline, draw_mobile, draw_person
from tools.samples.people import DOMAIN, PEOPLE, Person, sellers_of
from tools.samples.places import REGION_OF_PROVINCE, REGIONS, City, draw_address, draw_city
from tools.samples.table import money

CUSTOMER_COUNT = 860
_LAUNCH = datetime(2025, 11, 21, 8, 30, tzinfo=BEIJING)
_CODES = {
    "上海": "SH", "江苏": "JS", "浙江": "ZJ", "安徽": "AH", "广东": "GD", "福建": "FJ",
    "北京": "BJ", "山东": "SD", "湖北": "HB", "湖南": "HN", "四川": "SC", "重庆": "CQ",
}  # fmt: skip
_TARGETS = {
    "east": 7200,
    "south": 3600,
    "north": 2900,
    "central": 2300,
    "southwest": 2000,
}  # 10,000 yuan; 180 million in all

_KINDS = {
    "hospital": 50.0,
    "private_hospital": 16.0,
    "dealer": 15.0,
    "manufacturer": 9.0,
    "lab": 5.0,
    "elder_care": 5.0,
}
_LEVELS = {"A_plus": 6.0, "A": 18.0, "B": 38.0, "C": 38.0}
_STATUS = {"A_plus": (92, 5, 2, 1), "A": (74, 16, 8, 2), "B": (46, 36, 13, 5), "C": (18, 58, 15, 9)}
_POTENTIAL = {"A_plus": (1500, 4200), "A": (500, 1600), "B": (120, 520), "C": (20, 140)}  # thousands of yuan a year
_FREQUENCY = {"A_plus": "weekly", "A": "monthly", "B": "quarterly", "C": "irregular"}
_GRADES = {"3a": 26.0, "3b": 18.0, "2a": 34.0, "2b": 14.0, "other": 8.0}
_BEDS = {"3a": (900, 2600), "3b": (600, 1300), "2a": (300, 800), "2b": (150, 450), "other": (60, 260)}
_ROLES = ("purchasing", "technical", "finance", "decision_maker", "user", "gatekeeper")
_JOBS = {
    "purchasing": (("采购科长", "采购科"), ("设备科长", "设备科"), ("采购主管", "采购部"), ("采购经理", "采购部")),
    "technical": (("骨科主任", "骨科"), ("检验科主任", "检验科"), ("技术部经理", "技术部"), ("设备工程师", "设备科")),
    "finance": (("财务科长", "财务科"), ("财务经理", "财务部"), ("主办会计", "财务科")),
    "decision_maker": (("副院长", "院办"), ("院长", "院办"), ("总经理", "总经办"), ("总经理", "总经办")),
    "user": (("护士长", "手术室"), ("主治医师", "骨科"), ("生产主管", "生产部"), ("检验技师", "检验科")),
    "gatekeeper": (("院办秘书", "院办"), ("行政专员", "行政部"), ("前台主管", "行政部")),
}
_TAGS = ("tender", "new_building", "vbp", "demo_site", "slow_payer", "referrer")


@dataclass
class Contact:
    """A person at a customer."""

    id: str
    record: dict[str, Any]


@dataclass
class Customer:
    """What leads need to know of a customer, with its record."""

    id: str
    city: City
    owner: Person
    level: str
    kind: str
    created_at: datetime
    record: dict[str, Any]
    contacts: list[Contact] = field(default_factory=list)


def area_id(place: str) -> str:
    """Return the id of the area of a province or region."""
    return f"area_{place if place in REGIONS else _CODES[place].lower()}"


def area_records() -> list[dict[str, Any]]:
    """Return the tree of sales areas: country, regions, provinces."""
    manager = {person.department: person.username for person in PEOPLE if person.position.endswith("总监")}
    target = sum(_TARGETS.values()) * 10_000
    records = [_area("area_cn", "全国", "CN", None, "country", "linxiaoyan", "sales", target)]
    for key, name in REGIONS.items():
        department = f"sales_{key}"
        code = department.removeprefix("sales_").upper()
        head = manager[department]
        records.append(_area(area_id(key), name, code, "area_cn", "region", head, department, _TARGETS[key] * 10_000))
    for province, region in REGION_OF_PROVINCE.items():
        seller = sellers_of(province)[0]
        shared = [other for other, own in REGION_OF_PROVINCE.items() if own == region]
        part = _TARGETS[region] * 10_000 // len(shared)
        department = seller.department
        records.append(
            _area(
                area_id(province),
                province,
                _CODES[province],
                area_id(region),
                "province",
                seller.manager,
                department,
                part,
            )
        )
    return records


def _area(*values: Any) -> dict[str, Any]:
    names = ("id", "name", "code", "parent", "level", "manager", "department", "yearly_target")
    return dict(zip(names, values, strict=True))


def draw_customers(names: UniqueNames) -> list[Customer]:
    """Draw the customers in the order of their creation: most were brought in when the system began, the others came later."""
    chance = Chance("lead customers")
    drawn = sorted((_created_at(chance, number), number) for number in range(CUSTOMER_COUNT))
    customers = [_customer(chance, names, number, at) for number, (at, _) in enumerate(drawn, 1)]
    people = 0
    for customer in customers:
        for contact in _contacts(chance, customer, people):
            people += 1
            customer.contacts.append(contact)
    return customers


def _created_at(chance: Chance, number: int) -> datetime:
    if number < CUSTOMER_COUNT * 72 // 100:
        return _LAUNCH + timedelta(seconds=number * 7)
    return at_work(chance, chance.pick(working_days(FIRST_DAY + timedelta(days=4), TODAY - timedelta(days=2))))


def _customer(chance: Chance, names: UniqueNames, number: int, at: datetime) -> Customer:
    city, kind, level = draw_city(chance), chance.weighted(_KINDS), chance.weighted(_LEVELS)
    owner = chance.pick(sellers_of(city.province))
    name, short = names.draw(chance, kind, city)
    status = chance.weighted(dict(zip(("active", "prospect", "dormant", "lost"), _STATUS[level], strict=True)))
    if at.date() > FIRST_DAY:
        status = "prospect"  # brought in by a lead of this year
    record = {
        "id": f"c{number}",
        "created_at": at,
        "number": f"C{number:05d}",
        "name": name,
        "short_name": f"{city.name}{short}",
        "industry": kind,
        **_size(chance, kind),
        "level": level,
        "region": city.region,
        "area": area_id(city.province),
        "city": city.name,
        "address": draw_address(chance, city)[1],
        "purchase_frequency": _FREQUENCY[level] if chance.yes(0.8) else "quarterly",
        "annual_potential": money(chance.bell(*_POTENTIAL[level]) * 1000, 10_000),
        "owner": owner.username,
        "department": owner.department,
        "status": status,
        "phone": draw_landline(chance, city),
        "website": f"https://www.kehu{number}.example" if chance.yes(0.4) else None,
        **_terms(chance, level, status),
        **_contact_days(chance, status),
        "registry": f'{{"registered_capital":{chance.whole(2, 300) * 100000},"insured_staff":{chance.whole(20, 900)}}}'
        if kind != "hospital" and chance.yes(0.3)
        else None,
    }
    return Customer(f"c{number}", city, owner, level, kind, at, record)


def _size(chance: Chance, kind: str) -> dict[str, Any]:
    if not kind.endswith("hospital"):
        scale = chance.weighted({"under_50": 45.0, "50_200": 38.0, "200_1000": 15.0, "over_1000": 2.0})
        return {"hospital_grade": None, "scale": scale, "beds": None}
    grade = chance.weighted(_GRADES) if kind == "hospital" else chance.pick(("2a", "2b", "other"))
    beds = round(chance.bell(*_BEDS[grade]), -1)
    scale = "over_1000" if beds > 700 else "200_1000" if beds > 150 else "50_200"
    return {"hospital_grade": grade, "scale": scale, "beds": int(beds)}


def _terms(chance: Chance, level: str, status: str) -> dict[str, Any]:
    trusted = status in ("active", "dormant")
    return {
        "credit_limit": money(chance.bell(*_POTENTIAL[level]) * 250, 10_000) if trusted else None,
        "credit_days": chance.pick((30, 60, 90) if level != "C" else (0, 30)) if trusted else None,
        "competitor_share": Decimal(chance.whole(0, 18 if level == "A_plus" else 15)).scaleb(-1) / 2
        if chance.yes(0.7)
        else None,
        "is_key_account": level in ("A_plus", "A"),
        "tags": chance.some(_TAGS, 0, 2),
    }


def _contact_days(chance: Chance, status: str) -> dict[str, Any]:
    known = status in ("active", "dormant", "lost")
    before = FIRST_DAY - timedelta(days=chance.whole(3, 120))
    upcoming = after(TODAY, chance.whole(-4, 30))
    return {
        "first_order_on": date(chance.whole(2018, 2025), chance.whole(1, 10), chance.whole(1, 28)) if known else None,
        "last_contacted_at": at_work(chance, before) if known or chance.yes(0.5) else None,
        "next_follow_up_on": upcoming if status in ("active", "prospect") and chance.yes(0.85) else None,
    }


def _contacts(chance: Chance, customer: Customer, first: int) -> list[Contact]:
    count = chance.whole(3, 4) if customer.level in ("A_plus", "A") else chance.whole(1, 3)
    roles = _ROLES[:count] if chance.yes(0.7) else tuple(chance.some(_ROLES, count, count))
    phones: set[str] = set()
    found = []
    for index, role in enumerate(roles):
        phone = draw_mobile(chance)
        while phone in phones:
            phone = draw_mobile(chance)
        phones.add(phone)
        found.append(_contact(chance, customer, f"p{first + index + 1}", role, phone, primary=index == 0))
    return found


def _contact(chance: Chance, customer: Customer, identity: str, role: str, phone: str, *, primary: bool) -> Contact:
    medical = customer.kind.endswith("hospital")
    jobs = _JOBS[role]
    job, office = chance.pick(jobs[:2] if medical else jobs[2:] or jobs[1:])
    record = {
        "id": identity,
        "created_at": customer.created_at + timedelta(minutes=1),
        "customer": customer.id,
        "name": draw_person(chance),
        "role": role,
        "job_title": job,
        "office": office,
        "phone": phone,
        "email": f"{identity}@{customer.id}.{DOMAIN.rpartition('.')[2]}" if chance.yes(0.35) else None,
        "wechat": f"wx_{identity}" if chance.yes(0.3) else None,
        "attitude": chance.weighted({"supporter": 34.0, "neutral": 52.0, "opponent": 14.0}),
        "is_primary": primary,
        "birthday": date(chance.whole(1968, 1996), chance.whole(1, 12), chance.whole(1, 28))
        if chance.yes(0.3)
        else None,
        "last_contacted_at": None,
    }
    return Contact(identity, record)
