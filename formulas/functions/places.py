"""Positions on the earth: pairs of latitude and longitude in degrees."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from formulas.errors import CellError
from formulas.functions.declare import Family
from formulas.numbers import Number, absolute, round_to
from formulas.types import BOOLEAN, GEO, decimal
from formulas.values import NUM

PLACES = Family("places")
EARTH_METRES = 6_371_008.8
DEGREES = decimal(6, 9)


@PLACES.add(
    "GEOPOINT",
    "n, n",
    GEO,
    "位置：由纬度、经度组成",
    "A position from latitude and longitude.",
    ("LAT(GEOPOINT(31.23, 121.47))", 31.23),
    ("LAT(GEOPOINT(91, 0))", "#NUM"),
    fails=True,
)
def _point(latitude: Number, longitude: Number) -> tuple[Decimal, Decimal] | CellError:
    if absolute(latitude) > 90 or absolute(longitude) > 180:
        return NUM
    return round_to(latitude, 6), round_to(longitude, 6)


@PLACES.add("LAT", "g", DEGREES, "纬度：位置的纬度", "The latitude.", ("LAT(GEOPOINT(31.23, 121.47))", 31.23))
def _lat(point: tuple[Any, Any]) -> Any:
    return point[0]


@PLACES.add("LNG", "g", DEGREES, "经度：位置的经度", "The longitude.", ("LNG(GEOPOINT(31.23, 121.47))", 121.47))
def _lng(point: tuple[Any, Any]) -> Any:
    return point[1]


def distance(first: tuple[Any, Any], second: tuple[Any, Any]) -> float:
    """Metres on a sphere."""
    lat1, lng1, lat2, lng2 = (math.radians(float(value)) for value in (*first, *second))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lng2 - lng1) / 2) ** 2
    return 2 * EARTH_METRES * math.asin(math.sqrt(min(1.0, half)))


@PLACES.add(
    "GEODISTANCE",
    "g, g",
    decimal(1, 9),
    "距离：两位置的距离（米）",
    "Metres between two positions.",
    ("ROUND(GEODISTANCE(GEOPOINT(31.2304, 121.4737), GEOPOINT(39.9042, 116.4074)) / 1000, 0)", 1067),
)
def _distance(first: tuple[Any, Any], second: tuple[Any, Any]) -> Decimal:
    return round_to(Decimal(repr(distance(first, second))), 1)


@PLACES.add(
    "GEOWITHIN",
    "g, g, n",
    BOOLEAN,
    "范围内：两位置距离是否不超过若干米",
    "Whether two positions are within so many metres.",
    ("GEOWITHIN(GEOPOINT(31.23, 121.47), GEOPOINT(31.23, 121.48), 1000)", True),
)
def _within(first: tuple[Any, Any], second: tuple[Any, Any], metres: Number) -> bool:
    return round_to(Decimal(repr(distance(first, second))), 1) <= metres
