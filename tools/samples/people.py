"""The 47 people of the sample company and their departments. All names are made up; addresses end in ``.example`` (RFC 2606)."""

from __future__ import annotations

from typing import NamedTuple

from tools.samples.table import write_table

DOMAIN = "hengze.example"


class Department(NamedTuple):
    """A department; regions and provinces say where its people work."""

    key: str
    name: str
    parent: str | None


class Person(NamedTuple):
    """Somebody who works here; ``provinces`` are those a seller looks after."""

    username: str
    name: str
    department: str
    manager: str | None
    position: str
    provinces: tuple[str, ...] = ()

    @property
    def email(self) -> str:
        """The address at work."""
        return f"{self.username}@{DOMAIN}"


DEPARTMENTS = (
    Department("company", "衡泽医疗科技", None),
    Department("sales", "销售中心", "company"),
    Department("sales_east", "华东大区", "sales"),
    Department("sales_east_1", "苏沪组", "sales_east"),
    Department("sales_east_2", "浙皖组", "sales_east"),
    Department("sales_south", "华南大区", "sales"),
    Department("sales_north", "华北大区", "sales"),
    Department("sales_central", "华中大区", "sales"),
    Department("sales_southwest", "西南大区", "sales"),
    Department("channel", "渠道部", "sales"),
    Department("marketing", "市场部", "company"),
    Department("commerce", "商务部", "company"),
    Department("finance", "财务部", "company"),
    Department("delivery", "交付与技术部", "company"),
    Department("legal", "法务部", "company"),
)

PEOPLE = (
    Person("zhouhaitao", "周海涛", "company", None, "总经理"),
    Person("linxiaoyan", "林晓燕", "sales", "zhouhaitao", "销售总监"),
    Person("limin", "李敏", "sales_east", "linxiaoyan", "华东大区总监"),
    Person("huangjianfeng", "黄剑锋", "sales_south", "linxiaoyan", "华南大区总监"),
    Person("songyuning", "宋宇宁", "sales_north", "linxiaoyan", "华北大区总监"),
    Person("pengzhiyuan", "彭志远", "sales_central", "linxiaoyan", "华中大区总监"),
    Person("wanglei", "王磊", "sales_southwest", "linxiaoyan", "西南大区总监"),
    Person("chenzhiqiang", "陈志强", "sales_east_1", "limin", "销售主管"),
    Person("xuwenjing", "徐文静", "sales_east_2", "limin", "销售主管"),
    Person("liangguohua", "梁国华", "sales_south", "huangjianfeng", "销售主管"),
    Person("mengfanrui", "孟凡睿", "sales_north", "songyuning", "销售主管"),
    Person("tangwei", "唐薇", "sales_central", "pengzhiyuan", "销售主管"),
    Person("fuchunlei", "付春雷", "sales_southwest", "wanglei", "销售主管"),
    Person("zhangwei", "张伟", "sales_east_1", "chenzhiqiang", "高级客户经理", ("上海", "江苏")),
    Person("lina", "李娜", "sales_east_1", "chenzhiqiang", "高级客户经理", ("上海",)),
    Person("guyifan", "顾一帆", "sales_east_1", "chenzhiqiang", "客户经理", ("江苏",)),
    Person("shenjiayi", "沈佳怡", "sales_east_1", "chenzhiqiang", "客户经理", ("江苏",)),
    Person("luchen", "陆晨", "sales_east_1", "chenzhiqiang", "客户经理", ("江苏",)),
    Person("fangting", "方婷", "sales_east_2", "xuwenjing", "高级客户经理", ("浙江",)),
    Person("yuhaobo", "俞浩波", "sales_east_2", "xuwenjing", "客户经理", ("浙江",)),
    Person("jinyutong", "金雨桐", "sales_east_2", "xuwenjing", "客户经理", ("浙江",)),
    Person("wudapeng", "吴大鹏", "sales_east_2", "xuwenjing", "客户经理", ("安徽",)),
    Person("zhengkai", "郑凯", "sales_south", "liangguohua", "高级客户经理", ("广东",)),
    Person("luosihan", "罗思涵", "sales_south", "liangguohua", "客户经理", ("广东",)),
    Person("liaojunjie", "廖俊杰", "sales_south", "liangguohua", "客户经理", ("广东",)),
    Person("linzhenyu", "林振宇", "sales_south", "liangguohua", "客户经理", ("福建",)),
    Person("zhaomingyue", "赵明月", "sales_north", "mengfanrui", "高级客户经理", ("北京",)),
    Person("sunlei", "孙磊", "sales_north", "mengfanrui", "客户经理", ("山东",)),
    Person("gaoyuan", "高远", "sales_north", "mengfanrui", "客户经理", ("山东",)),
    Person("xiongzhi", "熊智", "sales_central", "tangwei", "高级客户经理", ("湖北",)),
    Person("yexinyi", "叶欣怡", "sales_central", "tangwei", "客户经理", ("湖北",)),
    Person("yijianguo", "易建国", "sales_central", "tangwei", "客户经理", ("湖南",)),
    Person("jiangxue", "蒋雪", "sales_southwest", "fuchunlei", "高级客户经理", ("四川",)),
    Person("duyang", "杜洋", "sales_southwest", "fuchunlei", "客户经理", ("四川",)),
    Person("ranmengqi", "冉梦琪", "sales_southwest", "fuchunlei", "客户经理", ("重庆",)),
    Person("caozhengyang", "曹正阳", "channel", "linxiaoyan", "渠道经理"),
    Person("panlingling", "潘玲玲", "channel", "caozhengyang", "渠道专员"),
    Person("hanxueqin", "韩雪琴", "marketing", "zhouhaitao", "市场总监"),
    Person("donghaoran", "董浩然", "marketing", "hanxueqin", "内容运营"),
    Person("weisijia", "魏思佳", "marketing", "hanxueqin", "活动策划"),
    Person("yuanli", "袁丽", "commerce", "zhouhaitao", "商务主管"),
    Person("hemeilan", "何美兰", "finance", "zhouhaitao", "财务经理"),
    Person("tianhui", "田慧", "finance", "hemeilan", "应收会计"),
    Person("shiwenbin", "石文斌", "finance", "hemeilan", "出纳"),
    Person("renzhigang", "任志刚", "delivery", "zhouhaitao", "交付经理"),
    Person("qiuyutao", "邱宇涛", "delivery", "renzhigang", "应用工程师"),
    Person("xiaoruolin", "萧若琳", "legal", "zhouhaitao", "法务专员"),
)

SELLERS = tuple(person for person in PEOPLE if person.provinces)
BY_USERNAME = {person.username: person for person in PEOPLE}


def sellers_of(province: str) -> list[Person]:
    """Return the sellers who look after a province."""
    return [person for person in SELLERS if province in person.provinces]


def people_files() -> dict[str, str]:
    """Return the files every template shares."""
    users = (
        {
            "username": person.username,
            "name": person.name,
            "email": person.email,
            "department": person.department,
            "manager": person.manager,
            "position": person.position,
        }
        for person in PEOPLE
    )
    return {
        "_departments": write_table(department._asdict() for department in DEPARTMENTS),
        "_users": write_table(users),
    }
