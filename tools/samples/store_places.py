"""Dealers, stores, goods and weekly stock of the template ``store_sales``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tools.samples.chance import Chance
from tools.samples.days import BEIJING, TODAY, at_work, working_days
from tools.samples.names import UniqueNames, draw_landline, draw_mobile, draw_person
from tools.samples.people import Person, sellers_of
from tools.samples.places import CITIES, City, draw_address, draw_city, draw_position
from tools.samples.table import money

DEALER_COUNT = 37
STORE_COUNT = 420
#: Stores signed in the third quarter of 2026, and how many of them were gone three months later.
NEW_STORES = 56
NEW_STORES_LOST = 23
STOCK_WEEKS = 6

_LAUNCH = datetime(2025, 11, 21, 8, 30, tzinfo=BEIJING)
_KINDS = {"ka": 8.0, "supermarket": 22.0, "convenience": 24.0, "community": 20.0, "pharmacy": 26.0}
_AREAS = {
    "ka": (3000, 9000),
    "supermarket": (400, 2200),
    "convenience": (40, 120),
    "community": (30, 100),
    "pharmacy": (60, 260),
}
_REBATES = {"ka": "0.08", "supermarket": "0.06", "convenience": "0.04", "community": "0.05", "pharmacy": "0.06"}
_LEVELS = {
    "ka": {"A": 80.0, "B": 20.0}, "supermarket": {"A": 25.0, "B": 50.0, "C": 25.0}, "convenience": {"B": 30.0, "C": 70.0},
    "community": {"B": 18.0, "C": 82.0}, "pharmacy": {"A": 20.0, "B": 45.0, "C": 35.0},
}  # fmt: skip
_TAGS = ("cold_chain", "parking", "promo_girl", "slow_payer", "flagship")
_PRODUCTS = (
    ("HK-001", "医用外科口罩 50 只装", "protection", "50 只/盒", "box", "12.8", 1095),
    ("HK-002", "N95 防护口罩 20 只装", "protection", "20 只/盒", "box", "39.6", 1095),
    ("HK-003", "儿童防护口罩 30 只装", "protection", "30 只/盒", "box", "15.5", 1095),
    ("HK-004", "医用检查手套", "protection", "100 只/盒", "box", "28", 1095),
    ("HK-011", "防水创口贴 100 片", "wound", "100 片/盒", "box", "9.9", 1095),
    ("HK-012", "透气弹力绷带", "wound", "8cm×4.5m", "piece", "6.2", 1460),
    ("HK-013", "医用纱布敷料", "wound", "10 片/袋", "bag", "4.5", 1095),
    ("HK-014", "碘伏消毒棉棒", "wound", "50 支/盒", "box", "8.6", 730),
    ("HK-015", "疤痕凝胶 15g", "wound", "15g/支", "piece", "46", 1095),
    ("HK-021", "电子血压计", "monitoring", "上臂式", "piece", "168", 1825),
    ("HK-022", "红外额温枪", "monitoring", "非接触式", "piece", "89", 1825),
    ("HK-023", "血糖仪套装", "monitoring", "含 50 条试纸", "box", "128", 730),
    ("HK-024", "指夹式血氧仪", "monitoring", "彩屏", "piece", "79", 1825),
    ("HK-025", "体脂秤", "monitoring", "蓝牙", "piece", "99", 1825),
    ("HK-031", "护腰支撑带", "rehab", "M/L/XL", "piece", "58", 1825),
    ("HK-032", "护膝(一对)", "rehab", "一对", "box", "45", 1825),
    ("HK-033", "颈椎按摩仪", "rehab", "充电款", "piece", "198", 1825),
    ("HK-034", "远红外理疗贴 10 贴", "rehab", "10 贴/盒", "box", "32", 1095),
    ("HK-041", "75% 酒精消毒液", "hygiene", "500ml/瓶", "bottle", "11.5", 730),
    ("HK-042", "免洗洗手液", "hygiene", "300ml/瓶", "bottle", "14.9", 1095),
    ("HK-043", "酒精湿巾 60 片", "hygiene", "60 片/袋", "bag", "7.8", 730),
    ("HK-051", "维生素C泡腾片", "nutrition", "20 片/瓶", "bottle", "19.8", 730),
    ("HK-052", "高钙营养粉", "nutrition", "450g/罐", "bottle", "68", 545),
    ("HK-053", "益生菌固体饮料", "nutrition", "30 条/盒", "box", "88", 545),
)
_FOCUS = ("HK-002", "HK-021", "HK-023", "HK-033", "HK-053", "HK-015", "HK-034", "HK-043")
_NEW = {"HK-053": date(2026, 4, 20), "HK-033": date(2026, 7, 6)}
_SLOW = ("HK-025", "HK-015")


@dataclass
class Dealer:
    """A dealer and its record."""

    id: str
    city: City
    record: dict[str, Any]


@dataclass
class Store:
    """What visits and orders need to know of a store, with its record."""

    id: str
    dealer: Dealer
    owner: Person
    level: str
    rebate_rate: Decimal
    opened_on: date
    lost_on: date | None
    record: dict[str, Any]

    def is_open(self, on: date) -> bool:
        """Whether the store buys on a day."""
        return self.opened_on < on and (self.lost_on is None or on < self.lost_on)


def product_records() -> list[dict[str, Any]]:
    """Return the goods."""
    names = ("code", "name", "category", "spec", "unit", "list_price", "shelf_life_days")
    records = []
    for number, row in enumerate(_PRODUCTS, 1):
        values = dict(zip(names, row, strict=True))
        code, price = str(values["code"]), Decimal(str(values["list_price"]))
        launched = _NEW.get(code)
        records.append(
            {
                "id": code,
                "created_at": datetime.combine(launched, _LAUNCH.timetz()) if launched else _LAUNCH,
                **values,
                "list_price": price,
                "retail_price": (price * Decimal("1.45")).quantize(Decimal("0.1")),
                "barcode": f"2000000{number:06d}",  # 2… is for use inside a company
                "is_focus": code in _FOCUS,
                "status": "new" if launched else "leaving" if code == "HK-025" else "on_sale",
                "launched_on": launched or date(2023, 3, 1),
            }
        )
    return records


def draw_dealers(names: UniqueNames) -> list[Dealer]:
    """Draw the dealers: one in each of the largest cities."""
    chance = Chance("store dealers")
    largest = sorted(CITIES, key=lambda city: -city.weight)[:DEALER_COUNT]
    return [_dealer(chance, names, number, city) for number, city in enumerate(largest, 1)]


def _dealer(chance: Chance, names: UniqueNames, number: int, city: City) -> Dealer:
    target = money(chance.bell(0.5, 1.6) * city.weight * 240_000, 10_000)
    ends = date(2026, 12, 31) if chance.yes(0.7) else date(2027, 6, 30)
    record = {
        "id": f"d{number}",
        "created_at": _LAUNCH + timedelta(seconds=number * 5),
        "number": f"D{number:03d}",
        "name": names.draw(chance, "dealer", city)[0],
        "region": city.region,
        "city": city.name,
        "level": "gold" if city.weight >= 6 else "silver" if city.weight >= 4 else "standard",
        "status": "suspended" if number == DEALER_COUNT else "active",
        "contact_name": draw_person(chance),
        "phone": draw_mobile(chance),
        "email": f"order@jxs{number}.example",
        "owner": chance.pick(("caozhengyang", "panlingling")),
        "contract_start_on": date(ends.year - 1, 1 if ends.month == 12 else 7, 1),
        "contract_end_on": ends,
        "yearly_target": target,
        "credit_limit": money(float(target) / 8, 10_000),
        "points": chance.whole(0, 90) * 50,
    }
    return Dealer(f"d{number}", city, record)


def draw_stores(names: UniqueNames, dealers: list[Dealer]) -> list[Store]:
    """Draw the stores in the order in which they were entered."""
    chance = Chance("store stores")
    quarter = working_days(date(2026, 7, 1), date(2026, 9, 30))
    later = sorted(chance.pick(quarter) for _ in range(NEW_STORES))
    stores = []
    for number in range(1, STORE_COUNT + 1):
        index = number - (STORE_COUNT - NEW_STORES) - 1
        # spread evenly over the new stores, exactly as many as were lost
        lost = index >= 0 and (index + 1) * NEW_STORES_LOST // NEW_STORES > index * NEW_STORES_LOST // NEW_STORES
        stores.append(_store(chance, names, dealers, number, later[index] if index >= 0 else None, lost=lost))
    return stores


def _store(
    chance: Chance, names: UniqueNames, dealers: list[Dealer], number: int, signed_on: date | None, *, lost: bool
) -> Store:
    city, kind = draw_city(chance), chance.weighted(_KINDS)
    level = chance.weighted(_LEVELS[kind])
    owner = chance.pick(sellers_of(city.province))
    dealer = _nearest(dealers, city)
    opened_on = signed_on or date(chance.whole(2021, 2025), chance.whole(1, 10), chance.whole(1, 28))
    gone = lost or (signed_on is None and chance.yes(0.05))
    lost_on = _lost_on(chance, signed_on) if gone else None
    district, address = draw_address(chance, city)
    latitude, longitude = draw_position(chance, city)
    recent = (TODAY - opened_on).days < 90
    record = {
        "id": f"s{number}",
        "created_at": at_work(chance, signed_on) if signed_on else _LAUNCH + timedelta(seconds=number * 6),
        "number": f"S{number:04d}",
        "name": _branch(chance, names, kind, city, district),
        "kind": kind,
        "level": level,
        "dealer": dealer.id,
        "region": city.region,
        "city": city.name,
        "district": district,
        "address": address,
        "latitude": latitude,
        "longitude": longitude,
        "floor_area": Decimal(round(chance.bell(*_AREAS[kind]))),
        "shelf_count": chance.whole(1, 3) if level == "C" else chance.whole(3, 12),
        "contact_name": draw_person(chance),
        "phone": draw_mobile(chance) if chance.yes(0.7) else draw_landline(chance, city),
        "owner": owner.username,
        "status": "lost" if lost_on else "trial" if recent else "active",
        "rebate_rate": Decimal(_REBATES[kind]),
        "opened_on": opened_on,
        "last_visited_at": None,
        "scan_code": f"HZ-S{number:04d}",
        "tags": chance.some(_TAGS, 0, 2),
    }
    return Store(f"s{number}", dealer, owner, level, Decimal(_REBATES[kind]), opened_on, lost_on, record)


def _lost_on(chance: Chance, signed_on: date | None) -> date:
    if signed_on is None:
        return TODAY - timedelta(days=chance.whole(20, 330))
    return min(TODAY, signed_on + timedelta(days=chance.whole(30, 88)))


def _branch(chance: Chance, names: UniqueNames, kind: str, city: City, district: str) -> str:
    full, _ = names.draw(chance, kind, city)
    return f"{full}({district.rstrip('区市')}店)" if kind != "community" else full


def _nearest(dealers: list[Dealer], city: City) -> Dealer:
    def distance(dealer: Dealer) -> tuple[bool, Decimal]:
        apart = abs(Decimal(dealer.city.latitude) - Decimal(city.latitude)) + abs(
            Decimal(dealer.city.longitude) - Decimal(city.longitude)
        )
        return dealer.city.province != city.province, apart

    return min(dealers, key=distance)


def stock_records(dealers: list[Dealer]) -> list[dict[str, Any]]:
    """Return the weekly reports of the dealers on the goods of the season; each week opens where the last one closed."""
    chance = Chance("store stock")
    fridays = [TODAY - timedelta(days=7 * week) for week in reversed(range(STOCK_WEEKS))]
    records: list[dict[str, Any]] = []
    for dealer in dealers:
        for code in _FOCUS:
            pace = dealer.city.weight * chance.bell(2, 11) * (0.12 if code in _SLOW else 1.0)
            stock = round(dealer.city.weight * chance.bell(20, 70))
            for friday in fridays:
                sold = min(stock, round(pace * chance.bell(0.6, 1.4)))
                received = round(pace * 4) if stock - sold < pace * 2 else 0
                closing = stock + received - sold
                records.append(
                    {
                        "created_at": at_work(chance, friday),
                        "dealer": dealer.id,
                        "product": code,
                        "reported_on": friday,
                        "opening": stock,
                        "received": received,
                        "sold": sold,
                        "closing": closing,
                    }
                )
                stock = closing
    return sorted(records, key=lambda record: (record["reported_on"], int(record["dealer"][1:]), record["product"]))
