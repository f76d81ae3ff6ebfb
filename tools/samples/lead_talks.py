"""Communications of the template ``lead``: what was said on the way of each lead, as options and one sentence."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tools.samples.chance import Chance
from tools.samples.days import NOW, after, at_work, is_working
from tools.samples.lead_leads import Lead
from tools.samples.people import SELLERS

_KINDS = {
    "assigned": {"call": 70.0, "wechat": 20.0, "email": 10.0},
    "first_visit": {"visit": 86.0, "video": 9.0, "expo": 5.0},
    "need_confirmed": {"visit": 55.0, "video": 25.0, "call": 20.0},
    "proposal": {"visit": 46.0, "video": 28.0, "email": 26.0},
    "to_sign": {"visit": 62.0, "call": 38.0},
    "between": {"wechat": 48.0, "call": 44.0, "email": 8.0},
}
#: How often a step of the way leaves a record.
_RECORDED = {"assigned": 0.26, "first_visit": 0.9, "need_confirmed": 0.63, "proposal": 0.7, "to_sign": 0.6}
_MINUTES = {
    "visit": (30, 120),
    "call": (3, 25),
    "wechat": (2, 15),
    "video": (20, 70),
    "email": (5, 20),
    "expo": (5, 25),
}
_NOTES = {
    "assigned": ("电话接通，对方确认有采购意向", "加微信发送产品手册", "约定本周到访", "对方在会议中，改日再联系", "核实了需求和大致预算", "转给设备科对接"),
    "first_visit": ("见到科室主任，看了现场", "参观手术室，了解现用品牌", "首访完成，对样品感兴趣", "了解到年底前有预算",
        "现场测量了安装位置", "与采购科长交换意见"),
    "need_confirmed": ("需求清单已双方确认", "科室给出参数要求", "明确了数量和交付时间", "需求诊断表已填完", "技术负责人提出两点疑问", "要求先做临床试用"),
    "proposal": ("方案和报价已提交", "演示方案，反馈较好", "对比了历史成交价", "要求补充售后承诺", "价格还需内部讨论", "希望分批交付"),
    "to_sign": ("合同文本已发，等对方盖章", "付款条款基本谈妥", "院办会议下周讨论", "等待分管领导签字", "确认交付计划", "法务提出一处修改"),
    "between": ("例行回访，暂无变化", "发送同类客户案例", "提醒对方反馈试用情况", "约下次拜访时间", "解答收费编码问题",
        "分享集采政策解读", "对方出差，下周再谈"),
    "lost": ("对方告知本次不再推进", "项目暂停，列入长期培育", "已确认选择其他厂家", "多次未接通，暂时关闭"),
    "won": ("合同已签，转交付", "已下单，安排首批发货"),
}  # fmt: skip
_NEEDS = ("capacity", "cost", "delivery", "technology", "compliance")
_NEED_OF_PAIN = {
    "capacity": "capacity", "cost": "cost", "delivery": "delivery", "precision": "technology",
    "compliance": "compliance", "service": "delivery", "traceability": "compliance", "staffing": "capacity",
}  # fmt: skip
_OBJECTIONS = ("over_budget", "competitor_in", "complex_process", "mismatch", "no_plan")
_OBJECTION_OF_LOSS = {
    "price": "over_budget", "competitor": "competitor_in", "no_plan": "no_plan", "mismatch": "mismatch", "frozen": "complex_process",
}  # fmt: skip
_ISSUES = {"precision": "precision", "delivery": "delivery", "service": "service"}
_PRICES = ("above_brand_a", "short_terms", "no_volume_discount")
_BARRIERS = ("boss", "third_party_test", "budget_frozen")
_PROMISES = {
    "assigned": ("发送产品手册和注册证", "约首访时间", "提供同级医院用户名单"),
    "first_visit": ("提供样品两套", "发送参数对比表", "安排工程师现场勘查", "发PLC接口协议"),
    "need_confirmed": ("提交正式方案", "提供临床试用报告", "发送第三方检测报告", "给出分期付款方案"),
    "proposal": ("更新报价单", "补充售后服务承诺书", "安排样板客户参观", "提供批量折扣方案"),
    "to_sign": ("寄送盖章合同", "提供授权书原件", "确认交货计划", "提供开票信息"),
    "between": ("发送案例资料", "约下次拜访", "反馈试用情况"),
}


class Talk(NamedTuple):
    """One conversation: where on the way it happened, and when."""

    step: str
    at: datetime


def draw_talks(leads: list[Lead]) -> list[dict[str, Any]]:
    """Draw the communications of all leads, in the order of time; fill in when customers and contacts were last reached."""
    chance = Chance("lead communications")
    care = {
        seller.username: 0.5 if seller.username in ("liaojunjie", "gaoyuan") else chance.bell(0.72, 1.0)
        for seller in SELLERS
    }
    drawn = [(talk.at, lead, talk) for lead in leads for talk in _talks(chance, lead)]
    records = []
    for number, (at, lead, talk) in enumerate(sorted(drawn, key=lambda item: (item[0], int(item[1].id[1:]))), 1):
        records.append(_record(chance, f"m{number}", lead, talk, care[lead.owner.username]))
        if lead.customer:
            lead.customer.record["last_contacted_at"] = at
        if lead.contact:
            lead.contact.record["last_contacted_at"] = at
    return records


def _talks(chance: Chance, lead: Lead) -> list[Talk]:
    found: list[Talk] = []
    for step, at in lead.way.items():
        if not chance.yes(_RECORDED.get(step, 0.0)):
            continue
        found.append(Talk(step, at if step != "assigned" else at + timedelta(minutes=chance.whole(10, 240))))
        if chance.yes(0.1):
            found.append(Talk("between", at_work(chance, after(at.date(), chance.whole(2, 6)))))
    if lead.closed_at and lead.outcome in ("won", "lost") and chance.yes(0.4):
        found.append(Talk(lead.outcome, lead.closed_at))
    end = lead.closed_at or NOW
    return [talk for talk in found if talk.at <= end and is_working(talk.at.date())]


def _record(chance: Chance, identity: str, lead: Lead, talk: Talk, care: float) -> dict[str, Any]:
    kind = chance.weighted(_KINDS.get(talk.step, _KINDS["between"]))
    promises = _PROMISES.get(talk.step)
    promised = promises is not None and chance.yes(0.7 * care)
    late = timedelta(minutes=chance.whole(5, 90) if chance.yes(0.8) else chance.whole(300, 1200))
    return {
        "id": identity,
        "created_at": min(talk.at + late, NOW),
        "lead": lead.id,
        "customer": lead.customer.id if lead.customer else None,
        "contact": lead.contact.id if lead.contact else None,
        "kind": kind,
        "core_need": _need(chance, lead) if chance.yes(care) else None,
        "objections": _objections(chance, lead, talk.step),
        "commitment_on": after(talk.at.date(), chance.whole(2, 9)) if promised else None,
        "commitment_text": chance.pick(promises) if promised and promises else None,
        "technical_issue": _issue(chance, lead) if chance.yes(care * 0.6) else None,
        "price_concerns": chance.some(_PRICES, 1, 2)
        if talk.step in ("proposal", "to_sign") and chance.yes(care * 0.5)
        else [],
        "decision_barrier": chance.pick(_BARRIERS)
        if talk.step in ("proposal", "to_sign") and chance.yes(care * 0.45)
        else None,
        "note": chance.pick(_NOTES[talk.step]),
        "happened_at": talk.at,
        "minutes": chance.whole(*_MINUTES[kind]),
        "owner": lead.owner.username,
    }


def _need(chance: Chance, lead: Lead) -> str:
    pains: list[str] = lead.record["pains"]
    return _NEED_OF_PAIN[chance.pick(pains)] if pains and chance.yes(0.85) else chance.pick(_NEEDS)


def _issue(chance: Chance, lead: Lead) -> str | None:
    felt = [_ISSUES[pain] for pain in lead.record["pains"] if pain in _ISSUES]
    return chance.pick(felt) if felt else None


def _objections(chance: Chance, lead: Lead, step: str) -> list[str]:
    if step == "lost" and lead.lost_reason in _OBJECTION_OF_LOSS:
        return [_OBJECTION_OF_LOSS[lead.lost_reason]]
    if step in ("won", "between") or not chance.yes(0.4):
        return []
    return chance.some(_OBJECTIONS, 1, 2)
