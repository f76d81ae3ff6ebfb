"""Made-up names of people and companies; telephone numbers with 0000 or 5550 in the middle, so that nobody is called by mistake."""

from __future__ import annotations

from tools.samples.chance import Chance
from tools.samples.places import City


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SURNAMES = {
    "王": 72, "李": 71, "张": 68, "刘": 54, "陈": 45, "杨": 31, "黄": 22, "赵": 21, "吴": 20, "周": 19, "徐": 15, "孙": 15,
    "马": 13, "朱": 13, "胡": 13, "郭": 12, "何": 12, "林": 11, "高": 10, "罗": 10, "郑": 9, "梁": 8, "谢": 7, "宋": 7, "唐": 6,
    "许": 6, "邓": 6, "韩": 6, "冯": 6, "曹": 6, "彭": 5, "曾": 5, "肖": 5, "田": 5, "董": 5, "潘": 5, "袁": 5, "蔡": 5, "蒋": 5,
    "余": 5, "于": 4, "杜": 4, "叶": 4, "程": 4, "魏": 4, "苏": 4, "吕": 4, "丁": 4, "任": 4, "卢": 4, "姚": 4, "沈": 3, "钟": 3,
    "姜": 3, "崔": 3, "谭": 3, "陆": 3, "范": 3, "汪": 3, "廖": 3, "石": 3, "金": 3, "贾": 3, "夏": 3, "傅": 3, "方": 3, "邹": 3,
}  # fmt: skip
_SURNAME_WEIGHTS = {name: float(weight) for name, weight in _SURNAMES.items()}
_MALE = _words(
    "伟 强 磊 军 勇 涛 明 超 刚 平 辉 鹏 华 飞 斌 波 宇 浩 凯 健 俊 建国 志强 文博 海涛 国栋 永胜 志远 子豪 家明 振华 晓东 立新 绍辉"
)
_FEMALE = _words(
    "芳 娜 敏 静 丽 艳 娟 霞 燕 玲 倩 雪 琳 婷 颖 洁 萍 慧 莹 丹 秀英 桂芳 晓燕 雅琴 佳慧 思雨 雨桐 淑珍 美玲 文静 海燕 晓梅"
)
_WORDS = _words(
    "安和 康宁 同德 博济 明德 惠民 仁安 崇康 益康 恒安 瑞康 德康 和顺 康泰 永康 华康 启明 嘉禾 长宁 新安 宁和 济安 天佑 福康 广济 百康 润康 健民 弘康 佳康 "
    "善德 普惠 瑞和 正和 康华 泰和 慈安 怡康 盛康 天和 锦康 友谊 康乐 乐康 恩泽 众康 安康 民安"
)
_TRADES = _words(
    "恒源 瑞丰 博远 华诚 鼎盛 中联 永信 汇达 宏图 金泰 天成 联创 众合 启航 嘉信 正源 德邦 新锐 万通 致远 卓越 宏达 信德 三友 "
    "科瑞 凯德 立诚 东方 远景 德盛"
)
_MOBILE_BLOCKS = (
    "130",
    "131",
    "135",
    "136",
    "137",
    "138",
    "139",
    "150",
    "158",
    "159",
    "176",
    "186",
    "187",
    "188",
    "189",
)


def draw_person(chance: Chance) -> str:
    """Draw a Chinese name."""
    return chance.weighted(_SURNAME_WEIGHTS) + chance.pick(_MALE if chance.yes(0.5) else _FEMALE)


def draw_mobile(chance: Chance) -> str:
    """Draw a mobile number with 0000 where an exchange would stand."""
    return f"{chance.pick(_MOBILE_BLOCKS)}0000{chance.whole(0, 9999):04d}"


def draw_landline(chance: Chance, city: City) -> str:
    """Draw a landline number of a city that begins with 5550."""
    return f"{city.area_code}-5550{chance.whole(0, 9999):04d}"


_ENDINGS: dict[str, dict[str, float]] = {
    "hospital": {
        "医院": 30,
        "中医院": 18,
        "骨科医院": 14,
        "妇幼保健院": 10,
        "康复医院": 8,
        "中西医结合医院": 12,
        "中心医院": 8,
    },
    "private_hospital": {"医院": 24, "骨科医院": 30, "康复医院": 26, "外科医院": 20},
    "dealer": {"医疗器械有限公司": 50, "医疗科技有限公司": 30, "商贸有限公司": 20},
    "manufacturer": {"精密机械有限公司": 30, "自动化设备有限公司": 26, "医用制品有限公司": 28, "电子有限公司": 16},
    "lab": {"医学检验所": 60, "检测技术有限公司": 40},
    "elder_care": {"康养中心": 60, "护理院": 40},
    "pharmacy": {"大药房": 70, "药房连锁": 30},
    "supermarket": {"超市": 60, "生活超市": 40},
    "convenience": {"便利店": 100},
    "ka": {"购物广场": 60, "仓储会员店": 40},
    "community": {"社区健康小店": 50, "社区便民店": 50},
}
_MEDICAL = ("hospital", "private_hospital", "lab", "elder_care", "pharmacy")


def draw_company(chance: Chance, kind: str, city: City) -> tuple[str, str]:
    """Draw the full and the short name of a company of a kind."""
    word = chance.pick(_WORDS if kind in _MEDICAL else _TRADES)
    ending = chance.weighted(_ENDINGS[kind])
    return f"{city.name}{word}{ending}", f"{word}{ending[:2] if ending.endswith('公司') else ending}"


class UniqueNames:
    """Draws company names of which none comes twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def draw(self, chance: Chance, kind: str, city: City) -> tuple[str, str]:
        """Draw a company name nobody has yet; the district tells namesakes apart."""
        for _ in range(40):
            full, short = draw_company(chance, kind, city)
            if full in self._taken:
                full = full.replace(city.name, city.name + chance.pick(city.districts)[:-1], 1)
            if full not in self._taken:
                self._taken.add(full)
                return full, short
        raise ValueError(f"no {kind} name left in {city.name}")
