"""What follows from the rows of a write before it is committed: values computed anew, then the rules that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.store.statement import Unit
from runtime.records.computing import recompute_related
from runtime.records.rules import judge_related

if TYPE_CHECKING:
    from runtime.records.writer import Writing


def spread(w: Writing) -> Unit[None]:
    """Recompute what reads what this write changed, and judge the rules that read it.

    Raises:
        Problem: ``record.invalid``.
    """
    yield from recompute_related(w)
    yield from judge_related(w)
