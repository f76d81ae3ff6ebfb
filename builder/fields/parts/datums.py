"""WGS-84 and GCJ-02: the datum of satellites and the one that maps in China use, some hundred metres apart.

The law of 2002 asks for GCJ-02; its formula was never published. This is the form that the open libraries (eviltransform, coordtransform)
share; map makers' own conversion differs from it by less than a metre.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

_AXIS = 6378245.0  # Krasovsky 1940
_ECCENTRICITY = 0.00669342162296594323
_ROUNDS = 10
_NOTHING = 1e-9  # degrees; a tenth of a millimetre, and what the next round would add is a hundredth of that


def to_gcj02(latitude: float, longitude: float) -> tuple[float, float]:
    """Turn WGS-84 degrees into GCJ-02; outside China both are the same."""
    if not _in_china(latitude, longitude):
        return latitude, longitude
    north, east = _shift(latitude, longitude)
    return latitude + north, longitude + east


@lru_cache(maxsize=4_096)  # shops and customers stand where they stand: a visit asks for the same place again
def to_wgs84(latitude: float, longitude: float) -> tuple[float, float]:
    """Turn GCJ-02 degrees into WGS-84, by approaching the point that ``to_gcj02`` brings here."""
    lat, lng = latitude, longitude
    for _ in range(_ROUNDS):
        there_lat, there_lng = to_gcj02(lat, lng)
        north, east = latitude - there_lat, longitude - there_lng
        lat, lng = lat + north, lng + east
        if abs(north) < _NOTHING and abs(east) < _NOTHING:
            break
    return lat, lng


CONVERSIONS: dict[tuple[str, str], Callable[[float, float], tuple[float, float]]] = {
    ("WGS84", "GCJ02"): to_gcj02,
    ("GCJ02", "WGS84"): to_wgs84,
}


def _in_china(latitude: float, longitude: float) -> bool:
    return 0.8293 <= latitude <= 55.8271 and 72.004 <= longitude <= 137.8347


def _shift(latitude: float, longitude: float) -> tuple[float, float]:
    x, y = longitude - 105.0, latitude - 35.0
    north, east = _waves(x, y)
    radians = math.radians(latitude)
    magic = 1 - _ECCENTRICITY * math.sin(radians) ** 2
    meridian = _AXIS * (1 - _ECCENTRICITY) / (magic * math.sqrt(magic))
    parallel = _AXIS / math.sqrt(magic) * math.cos(radians)
    return math.degrees(north / meridian), math.degrees(east / parallel)


def _waves(x: float, y: float) -> tuple[float, float]:
    root, pi = math.sqrt(abs(x)), math.pi
    common = (20 * math.sin(6 * x * pi) + 20 * math.sin(2 * x * pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + common
    north += (20 * math.sin(y * pi) + 40 * math.sin(y / 3 * pi)) * 2 / 3
    north += (160 * math.sin(y / 12 * pi) + 320 * math.sin(y * pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + common
    east += (20 * math.sin(x * pi) + 40 * math.sin(x / 3 * pi)) * 2 / 3
    east += (150 * math.sin(x / 12 * pi) + 300 * math.sin(x / 30 * pi)) * 2 / 3
    return north, east
