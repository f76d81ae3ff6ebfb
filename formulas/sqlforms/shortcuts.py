"""SQLite: what is known of a number besides its exact form, so that it is compared, sorted and stored at less cost.

Numbers are scaled integers of 64 bits. What does not fit them is kept as text and computed in Python, which costs a hundred times as much;
so wherever it can be told cheaply that 64 bits hold a number, its plain integer is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

Element: TypeAlias = sa.ColumnElement[Any]

WITHIN_64_BITS = 9 * 10**18


@dataclass(frozen=True, slots=True)
class Small:
    """A factor read from a column, and the digits that the other factor has at most."""

    factor: Element
    other_digits: int

    def within(self, bound: int) -> Element | None:
        """Enough for the product to be within the bound; None where so few values pass that asking is a waste."""
        most = bound // 10**self.other_digits
        return _between(self.factor, most) if most >= 1_000 else None


@dataclass(frozen=True, slots=True)
class Held:
    """One operation on integers, which is a REAL exactly where it is beyond 64 bits; the number is that, divided by `shrink`."""

    operation: Element
    small: Small | None = None
    shrink: int = 1

    def within(self, bound: int = WITHIN_64_BITS) -> Element:
        """Whether the number is an integer within the bound; it may be false close to the bound."""
        most = min(WITHIN_64_BITS, (bound - 1) * self.shrink)
        enough = None if self.small is None else self.small.within(most)
        exactly = _between(self.operation, most)
        return exactly if enough is None else sa.or_(enough, exactly)


@dataclass(frozen=True, slots=True)
class Steps:
    """A number that is another one divided by a unit (a power of ten) and rounded half away from zero."""

    number: Element
    unit: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """A quotient before it is rounded to its places: `dividend / divisor * 10^-places`, both integers."""

    dividend: Element
    divisor: Element
    places: int


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """All of it for one number."""

    #: The number of a wide value as a scaled integer too, which is a REAL instead where 64 bits do not hold it.
    native: Element | None = None
    #: Where the native number is a REAL, the number is beyond 64 bits for sure: comparing it with less is exact.
    firm: bool = False
    #: How to ask whether the native number is an integer, where that is cheaper than asking for its type.
    held: Held | None = None
    #: Of a number in which a blank counts as 0: the same (native if it is wide) with the blank left in.
    bare: Element | None = None
    steps: Steps | None = None
    ratio: Ratio | None = None


NOTHING_KNOWN = Shortcuts()


def _between(element: Element, most: int) -> Element:
    return element.between(sa.literal_column(str(-most)), sa.literal_column(str(most)))
