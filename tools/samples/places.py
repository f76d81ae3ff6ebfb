"""Cities of the twelve provinces in which the sample company sells, with area code, centre (degrees, WGS 84) and districts."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from tools.samples.chance import Chance

REGIONS = {"east": "华东", "south": "华南", "north": "华北", "central": "华中", "southwest": "西南"}
REGION_OF_PROVINCE = {
    "上海": "east",
    "江苏": "east",
    "浙江": "east",
    "安徽": "east",
    "广东": "south",
    "福建": "south",
    "北京": "north",
    "山东": "north",
    "湖北": "central",
    "湖南": "central",
    "四川": "southwest",
    "重庆": "southwest",
}
MUNICIPALITIES = ("上海", "北京", "重庆")
ROADS = (
    "人民路",
    "建设路",
    "中山路",
    "解放路",
    "文化路",
    "长江路",
    "健康路",
    "新华路",
    "和平路",
    "科技路",
    "兴业路",
    "学院路",
)


class City(NamedTuple):
    """A city; ``weight`` says how much of the business happens there."""

    name: str
    province: str
    area_code: str
    latitude: str
    longitude: str
    weight: int
    districts: tuple[str, ...]

    @property
    def region(self) -> str:
        """The key of the sales region."""
        return REGION_OF_PROVINCE[self.province]


def _city(name: str, province: str, numbers: str, districts: str) -> City:
    area_code, latitude, longitude, weight = numbers.split()
    return City(name, province, area_code, latitude, longitude, int(weight), tuple(districts.split()))


CITIES = (
    _city("上海", "上海", "021 31.23 121.47 10", "浦东新区 徐汇区 闵行区 杨浦区 嘉定区"),
    _city("南京", "江苏", "025 32.06 118.80 6", "鼓楼区 玄武区 江宁区 栖霞区"),
    _city("苏州", "江苏", "0512 31.30 120.58 6", "姑苏区 吴中区 相城区 昆山市"),
    _city("无锡", "江苏", "0510 31.49 120.31 4", "梁溪区 滨湖区 江阴市"),
    _city("常州", "江苏", "0519 31.81 119.97 3", "天宁区 钟楼区 武进区"),
    _city("南通", "江苏", "0513 31.98 120.89 3", "崇川区 通州区 如皋市"),
    _city("扬州", "江苏", "0514 32.39 119.41 2", "广陵区 邗江区"),
    _city("徐州", "江苏", "0516 34.26 117.19 3", "云龙区 泉山区"),
    _city("盐城", "江苏", "0515 33.35 120.16 2", "亭湖区 盐都区"),
    _city("杭州", "浙江", "0571 30.27 120.15 7", "上城区 西湖区 滨江区 萧山区"),
    _city("宁波", "浙江", "0574 29.87 121.55 5", "海曙区 鄞州区 慈溪市"),
    _city("温州", "浙江", "0577 28.00 120.67 4", "鹿城区 瓯海区 乐清市"),
    _city("绍兴", "浙江", "0575 30.03 120.58 3", "越城区 柯桥区"),
    _city("嘉兴", "浙江", "0573 30.75 120.76 3", "南湖区 秀洲区"),
    _city("金华", "浙江", "0579 29.08 119.65 3", "婺城区 义乌市"),
    _city("台州", "浙江", "0576 28.66 121.42 2", "椒江区 路桥区"),
    _city("合肥", "安徽", "0551 31.82 117.23 5", "蜀山区 庐阳区 包河区"),
    _city("芜湖", "安徽", "0553 31.35 118.43 3", "镜湖区 弋江区"),
    _city("蚌埠", "安徽", "0552 32.92 117.39 2", "蚌山区 龙子湖区"),
    _city("安庆", "安徽", "0556 30.54 117.06 2", "迎江区 大观区"),
    _city("广州", "广东", "020 23.13 113.26 7", "天河区 海珠区 番禺区"),
    _city("深圳", "广东", "0755 22.54 114.06 6", "福田区 南山区 龙岗区"),
    _city("佛山", "广东", "0757 23.02 113.12 3", "禅城区 顺德区"),
    _city("东莞", "广东", "0769 23.02 113.75 3", "南城街道 松山湖"),
    _city("惠州", "广东", "0752 23.11 114.42 2", "惠城区 惠阳区"),
    _city("珠海", "广东", "0756 22.27 113.58 2", "香洲区 斗门区"),
    _city("福州", "福建", "0591 26.07 119.30 4", "鼓楼区 仓山区"),
    _city("厦门", "福建", "0592 24.48 118.09 3", "思明区 湖里区"),
    _city("泉州", "福建", "0595 24.87 118.68 3", "丰泽区 晋江市"),
    _city("北京", "北京", "010 39.90 116.41 8", "朝阳区 海淀区 丰台区 大兴区"),
    _city("济南", "山东", "0531 36.65 117.12 4", "历下区 市中区"),
    _city("青岛", "山东", "0532 36.07 120.38 4", "市南区 崂山区 黄岛区"),
    _city("烟台", "山东", "0535 37.46 121.45 2", "芝罘区 莱山区"),
    _city("潍坊", "山东", "0536 36.71 119.16 2", "奎文区 潍城区"),
    _city("临沂", "山东", "0539 35.10 118.36 2", "兰山区 罗庄区"),
    _city("武汉", "湖北", "027 30.59 114.31 7", "武昌区 洪山区 江汉区"),
    _city("宜昌", "湖北", "0717 30.69 111.29 2", "西陵区 伍家岗区"),
    _city("襄阳", "湖北", "0710 32.01 112.12 2", "襄城区 樊城区"),
    _city("长沙", "湖南", "0731 28.23 112.94 5", "岳麓区 芙蓉区 雨花区"),
    _city("株洲", "湖南", "0733 27.83 113.13 2", "天元区 芦淞区"),
    _city("衡阳", "湖南", "0734 26.89 112.57 2", "蒸湘区 雁峰区"),
    _city("成都", "四川", "028 30.57 104.07 7", "武侯区 锦江区 青羊区"),
    _city("绵阳", "四川", "0816 31.47 104.68 2", "涪城区 游仙区"),
    _city("宜宾", "四川", "0831 28.75 104.64 2", "翠屏区 叙州区"),
    _city("南充", "四川", "0817 30.84 106.11 2", "顺庆区 高坪区"),
    _city("重庆", "重庆", "023 29.56 106.55 5", "渝中区 江北区 南岸区 九龙坡区"),
)
CITY_WEIGHTS = {city: float(city.weight) for city in CITIES}


def draw_city(chance: Chance) -> City:
    """Draw a city, large ones more often."""
    return chance.weighted(CITY_WEIGHTS)


def draw_address(chance: Chance, city: City) -> tuple[str, str]:
    """Draw a district of the city and an address in it."""
    district = chance.pick(city.districts)
    head = f"{city.name}市" if city.province in MUNICIPALITIES else f"{city.province}省{city.name}市"
    return district, f"{head}{district}{chance.pick(ROADS)}{chance.whole(1, 699)}号"


def draw_position(chance: Chance, city: City) -> tuple[Decimal, Decimal]:
    """Draw latitude and longitude within some kilometres of the centre, to about ten centimetres."""
    centre = (Decimal(city.latitude), Decimal(city.longitude))
    latitude, longitude = (degrees + Decimal(chance.whole(-55_000, 55_000)).scaleb(-6) for degrees in centre)
    return latitude, longitude
