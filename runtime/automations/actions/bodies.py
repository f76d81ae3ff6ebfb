"""Bodies that leave the house: JSON made of members with dotted names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builder.definition.actions.base import Member
from builder.kernel.text import say
from builder.store.statement import Unit
from formulas.errors import CellError
from formulas.literals import write_value
from runtime.automations.actions.base import ActionFailed, Occasion, value_all

JSON = Any


def members_json(o: Occasion, members: Sequence[Member]) -> Unit[dict[str, JSON]]:
    """Return the object of these members: ``customer.name`` stands in an object ``customer``.

    Raises:
        ActionFailed: a formula gave an error, or a name stands both for a value and for an object.
    """
    found: dict[str, JSON] = {}
    for one in (yield from value_all(o, members)):
        name = one.given.name
        if isinstance(one.value, CellError):
            message = one.value.message
            text = say(f"“{name}”的公式出错:{message.zh}", f'The formula of "{name}" failed: {message.en}')
            raise ActionFailed(text)
        *steps, last = name.split(".")
        holder = found
        for step in steps:
            inner = holder.setdefault(step, {})
            if not isinstance(inner, dict):
                raise ActionFailed(say(f"“{step}”既是值又是对象", f'"{step}" is both a value and an object'))
            holder = inner
        holder[last] = one.value if one.is_constant else write_value(one.value)
    return found
