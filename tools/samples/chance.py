"""Chance that can be repeated: every file draws from a stream of its own, so a change in one leaves the others alone."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A stream of draws. Uses only ``Random.random``, whose sequence Python promises to keep for a seed."""

    def __init__(self, name: str) -> None:
        self._random = random.Random(f"dougong sample {name}")  # noqa: S311 - nothing secret is drawn

    def share(self) -> float:
        """Draw from 0 up to, not including, 1."""
        return self._random.random()

    def yes(self, probability: float) -> bool:
        """Draw yes with a probability."""
        return self.share() < probability

    def whole(self, least: int, most: int) -> int:
        """Draw a whole number between both bounds."""
        return least + int(self.share() * (most - least + 1))

    def pick(self, items: Sequence[T]) -> T:
        """Draw one item."""
        return items[int(self.share() * len(items))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """Draw a key; the higher its weight, the likelier."""
        at = self.share() * sum(weights.values())
        for item, weight in weights.items():
            at -= weight
            if at < 0:
                return item
        return list(weights)[-1]  # only rounding leads here

    def some(self, items: Sequence[T], least: int, most: int) -> list[T]:
        """Draw several different items, in the order in which they are listed."""
        left = list(range(len(items)))
        chosen = [left.pop(int(self.share() * len(left))) for _ in range(min(len(items), self.whole(least, most)))]
        return [items[index] for index in sorted(chosen)]

    def bell(self, least: float, most: float) -> float:
        """Draw a number that is likelier in the middle."""
        return least + (most - least) * (self.share() + self.share() + self.share()) / 3
