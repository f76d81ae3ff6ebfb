"""Visits, orders and marketing material of the template ``store_sales``."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tools.samples.chance import Chance
from tools.samples.days import NOW, TODAY, after, at_work, month_days, months, working_days
from tools.samples.people import BY_USERNAME, SELLERS
from tools.samples.series import Series
from tools.samples.store_places import Store
from tools.samples.table import cents

VISITS = (44, 152, 136, 88, 158, 166, 150, 162, 156, 162, 170, 174, 122)
ORDERS = (40, 140, 150, 78, 134, 138, 132, 134, 128, 130, 148, 154, 104)
#: The same words again and again, from one seller: what a rule against made-up records has to find.
COPIED = "沟通产品优势，客户表示认可"
COPIER = "liaojunjie"
COPIED_COUNT = 17
COPIED_FROM = date(2026, 3, 1)

_GOALS = {"connect": 18.0, "advance": 30.0, "close": 18.0, "objection": 14.0, "feedback": 20.0}
_SUMMARIES = {
    "connect": ("首次见到{who}，介绍了主推品和返点政策", "拜访新店，{who}愿意先试销两个品", "递交产品册，{who}让月底再来", "了解了进货渠道和现有品牌"),
    "advance": ("和{who}谈了端架陈列方案，基本同意", "核对库存后建议补货，{who}同意下单", "演示了新品，{who}想看同类店的动销数据", "商定周末促销的堆头位置"),
    "close": ("{who}确认本季陈列协议，等盖章", "谈妥首批订货和返点比例", "续签年度协议，要求增加促销员支持", "新品进场费已谈定"),
    "objection": ("{who}反映竞品买赠力度大，要求跟进", "对到货破损有意见，已拍照登记", "认为返点到账慢，解释了财务流程", "担心临期，要求可退换"),
    "feedback": ("收集{who}对新包装的意见，总体正面", "顾客反映价格偏高，建议做小规格", "{who}说血压计退货率下降", "了解竞品最近的促销活动"),
}  # fmt: skip
_NEXT = {
    "connect": ("发送报价单", "送样品", "再次拜访", "确认进场资料"),
    "advance": ("提交陈列方案", "安排补货", "提供动销数据", "落实促销物料"),
    "close": ("取回盖章协议", "安排首批发货", "提交返点申请", "跟进签收"),
    "objection": ("申请促销支持", "处理破损换货", "核对返点到账时间", "协调退换货"),
    "feedback": ("汇总意见给市场部", "下月回访", "跟进小规格建议", "提交竞品情况"),
}
_FINDINGS = ("out_of_stock", "bad_display", "rival_promo", "expiring", "price_off")
_PACE = {"A": 1.0, "B": 0.5, "C": 0.22}
_QUANTITIES = {"A": (24, 140), "B": (10, 60), "C": (4, 24)}
_SEASON = {"protection": (11, 12, 1, 2), "nutrition": (12, 1, 9, 10), "hygiene": (5, 6, 7, 8)}
_CHANNELS = {"visit": 52.0, "phone": 20.0, "mini_program": 28.0}
_MATERIALS = (
    ("{product}卖点一页通", "sheet"), ("{product}陈列标准海报", "poster"), ("{product}店员培训视频", "video"), ("{product}常见问题话术", "script"),
)  # fmt: skip
_SCENES = ("first_visit", "promotion", "new_product", "display", "objection", "training")
_SCENES_OF = {
    "sheet": ("objection", "new_product"),
    "poster": ("display", "promotion"),
    "video": ("training", "new_product"),
    "script": ("first_visit", "objection"),
}


def _moments(chance: Chance, counts: tuple[int, ...]) -> list[datetime]:
    found = []
    for month, count in zip(months(), counts, strict=True):
        days = month_days(month)
        found += sorted(at_work(chance, chance.pick(days)) for _ in range(count))
    return found


def _draw_store(chance: Chance, stores: list[Store], on: date) -> Store:
    while True:
        store = chance.pick(stores)
        if store.is_open(on) and chance.yes(_PACE[store.level]):
            return store


def visit_records(stores: list[Store]) -> list[dict[str, Any]]:
    """Return the visits in the order of time and note the last one on each store."""
    chance = Chance("store visits")
    copied = 0
    records = []
    for number, at in enumerate(_moments(chance, VISITS), 1):
        store = _draw_store(chance, stores, at.date())
        copies = store.owner.username == COPIER and at.date() >= COPIED_FROM and copied < COPIED_COUNT
        copied += copies
        records.append(_visit(chance, f"v{number}", store, at, copies=copies))
        store.record["last_visited_at"] = at
    return records


def _visit(chance: Chance, identity: str, store: Store, at: datetime, *, copies: bool) -> dict[str, Any]:
    goal = chance.weighted(_GOALS)
    spread = 900 if copies else 9  # a copied record was not made at the store: kilometres away instead of metres
    confirmed_at = at + timedelta(minutes=chance.whole(20, 1400) if chance.yes(0.85) else chance.whole(3000, 6000))
    confirmed = chance.yes(0.9) and confirmed_at < NOW
    boss = BY_USERNAME[store.owner.username].manager
    return {
        "id": identity,
        "created_at": at + timedelta(minutes=chance.whole(2, 40)) if at < NOW - timedelta(hours=1) else at,
        "store": store.id,
        "goal": goal,
        "summary": COPIED if copies else chance.pick(_SUMMARIES[goal]).format(who=_called(store)),
        "next_action": chance.pick(_NEXT[goal]),
        "next_action_on": after(at.date(), chance.whole(2, 21)),
        "alert": goal == "objection" and chance.yes(0.35),
        "visited_at": at,
        "minutes": chance.whole(1, 3) if copies else chance.whole(8, 55),
        "latitude": store.record["latitude"] + Decimal(chance.whole(-99, 99) * spread).scaleb(-6),
        "longitude": store.record["longitude"] + Decimal(chance.whole(-99, 99) * spread).scaleb(-6),
        "owner": store.owner.username,
        "supervisor": boss if confirmed else None,
        "confirmed_at": confirmed_at if confirmed else None,
        "findings": [] if copies or not chance.yes(0.4) else chance.some(_FINDINGS, 1, 2),
    }


def _called(store: Store) -> str:
    return f"{str(store.record['contact_name'])[0]}店长"


def order_records(
    stores: list[Store], products: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return orders and their lines; an order's amount is the sum of its lines."""
    chance = Chance("store orders")
    series = Series("SO", 4)
    records, lines = [], []
    for number, at in enumerate(_moments(chance, ORDERS), 1):
        store = _draw_store(chance, stores, at.date())
        own = _order_lines(chance, f"o{number}", store, at.date(), products)
        amount = sum((line["amount"] for line in own), Decimal(0))
        records.append(
            {
                "id": f"o{number}",
                "created_at": at,
                "number": series.next(at.date()),
                "store": store.id,
                "dealer": store.dealer.id,
                "ordered_on": at.date(),
                "deliver_on": after(at.date(), chance.whole(1, 5)),
                "status": _status(chance, at.date()),
                "channel": chance.weighted(_CHANNELS),
                "amount": amount,
                "rebate_rate": store.rebate_rate,
                "rebate": cents(amount * store.rebate_rate),
                "owner": store.owner.username,
            }
        )
        lines += own
    return records, lines


def _order_lines(
    chance: Chance, order: str, store: Store, on: date, products: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    known = [product for product in products if product["launched_on"] <= on]
    wished = [product for product in known if on.month in _SEASON.get(product["category"], ()) or chance.yes(0.45)]
    least, most = _QUANTITIES[store.level]
    found = []
    for index, product in enumerate(chance.some(wished or known, 1, 4), 1):
        quantity = chance.whole(least, most) if product["list_price"] < 60 else max(1, chance.whole(least, most) // 5)
        found.append(
            {
                "id": f"{order}_{index}",
                "order": order,
                "product": product["id"],
                "quantity": quantity,
                "price": product["list_price"],
                "amount": product["list_price"] * quantity,
            }
        )
    return found


def _status(chance: Chance, on: date) -> str:
    age = (TODAY - on).days
    if chance.yes(0.03):
        return "cancelled"
    if age > 9:
        return "received"
    return "shipped" if age > 4 else "confirmed" if age > 0 else "draft"


def material_records(
    products: list[dict[str, Any]], stores: list[Store]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return marketing material and every use of it; the use count of a material counts its uses."""
    chance = Chance("store material")
    focus = [product for product in products if product["is_focus"]]
    planned = [(product, form, kind) for product in focus for form, kind in _MATERIALS]
    days = working_days(date(2025, 11, 21), date(2026, 9, 30))
    records = []
    for number, (product, form, kind) in enumerate(planned, 1):
        published_on = max(chance.pick(days), product["launched_on"])
        scenes = [scene for scene in _SCENES if scene in _SCENES_OF[kind]]
        name = form.format(product=str(product["name"]).split(" ")[0])
        record = {"id": f"w{number}", "created_at": at_work(chance, published_on), "name": name, "kind": kind}
        more = {"scenes": scenes, "product": product["id"], "link": f"https://files.hengze.example/w{number}"}
        owner = chance.pick(("donghaoran", "weisijia"))
        dates = {"published_on": published_on, "expires_on": date(2026, 12, 31) if kind == "poster" else None}
        records.append({**record, **more, "version": chance.whole(1, 3), "owner": owner, **dates, "use_count": 0})
    uses = [_use(chance, records, stores) for _ in range(420)]
    uses.sort(key=lambda use: use["used_at"])
    for record in records:
        record["use_count"] = sum(use["material"] == record["id"] for use in uses)
    return records, uses


def _use(chance: Chance, materials: list[dict[str, Any]], stores: list[Store]) -> dict[str, Any]:
    material = materials[min(chance.whole(0, len(materials) - 1), chance.whole(0, len(materials) - 1))]
    at = at_work(chance, chance.pick(working_days(material["published_on"] + timedelta(days=1), TODAY)))
    store = chance.pick(stores) if chance.yes(0.6) else None
    user = store.owner if store else chance.pick(SELLERS)
    return {
        "created_at": at,
        "material": material["id"],
        "used_by": user.username,
        "used_at": at,
        "scene": chance.pick(material["scenes"]),
        "store": store.id if store else None,
    }
