"""Holidays and make-up days of China, from the notices of the State Council as the package ``chinesecalendar`` keeps them.

The package raises for years it does not know, so it cannot be silently wrong; here such years are simply not in ``KNOWN_YEARS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from chinese_calendar import constants

DAYS: Mapping[date, bool] = MappingProxyType(
    {**dict.fromkeys(constants.holidays, False), **dict.fromkeys(constants.workdays, True)}
)
"""Day -> is it worked?"""

KNOWN_YEARS: frozenset[int] = frozenset(day.year for day in constants.holidays)
