"""The administrative divisions of China, county level and above. Source: GB/T 2260 as kept by the Ministry of Civil Affairs (decision 0005)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

Level = Literal["province", "city", "district"]

_FILE = Path(__file__).with_name("regions.txt")
_GIVEN_UP = "-"


class Region(NamedTuple):
    """A division. ``code`` has six digits: two of the province, two of the city, two of the district."""

    code: str
    name: str
    current: bool

    @property
    def level(self) -> Level:
        """Its level by its code; a county without a city above it is a district too."""
        if self.code.endswith("0000"):
            return "province"
        return "city" if self.code.endswith("00") else "district"


@cache
def regions() -> dict[str, Region]:
    """Return every division by code, in order. Read once, 3,212 lines."""
    found: dict[str, Region] = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        code, _, rest = line.partition(" ")
        if code.isdigit():
            name, _, mark = rest.partition(" ")
            found[code] = Region(code, name, mark != _GIVEN_UP)
    return found


def path_of(code: str) -> Iterator[Region]:
    """Yield province, city and district of a known code, as far as there are such: Beijing and Jiyuan have no city above."""
    for above in dict.fromkeys((f"{code[:2]}0000", f"{code[:4]}00", code)):
        if above in regions():
            yield regions()[above]


def has_below(code: str) -> bool:
    """Tell whether a division is divided further in the table."""
    return code in _divided()


@cache
def _divided() -> frozenset[str]:
    return frozenset(
        above.code
        for code, region in regions().items()
        if region.current
        for above in path_of(code)
        if above.code != code
    )


@cache
def codes_by_path() -> dict[str, str]:
    """Return the code of each current division by its full name: 江苏省苏州市昆山市 -> 320583."""
    return {"".join(part.name for part in path_of(code)): code for code, region in regions().items() if region.current}


def find_in_text(text: str) -> tuple[str, str] | None:
    """Return the code of the longest full name that a text begins with, and the rest; None if it begins with none."""
    names = codes_by_path()
    for length in range(min(len(text), max(map(len, names))), 1, -1):
        code = names.get(text[:length])
        if code is not None:
            return code, text[length:]
    return None
