"""``nothing_else``: no expectation so far has left anything out."""

from __future__ import annotations

from typing import Literal

from builder.definition.scenarios.base import Expectation


class NothingElse(Expectation):
    """Nobody was told, and no other system asked, anything that no expectation has named; no step of a reminder has failed.

    What it finds counts as named from then on: it is told once.
    """

    type: Literal["nothing_else"] = "nothing_else"
