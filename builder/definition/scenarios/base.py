"""What acts and expectations share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints

from builder.fields.base import BothLanguages, Key, Model, ShortText, wrong_option

JSON = Any
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""Names a person, record or file of the story; ``@name`` in values means its id."""
FieldKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Values = dict[FieldKey, Any]
"""Field -> value as the API takes it; a text ``@name`` means an id of the story."""
Problem = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z_]+$")]
"""A code of the table of problems."""
FormulaText = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]


def _check_moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise wrong_option(f"没有时间 {text}", f"There is no moment {text}") from None
    return text


LocalMoment = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$"),
    AfterValidator(_check_moment),
]
"""A moment by the app's clock: ``2026-03-02T09:00``."""


class Act(Model):
    """Something that happens in a story."""

    label: ShortText | BothLanguages | None = None


class PersonalAct(Act):
    """Something that a person does, through the API as they would."""

    by: Name
    """A user of the scenario."""
    refused: Problem | None = None
    """The code with which it has to be refused; it has to succeed if left out."""


class Expectation(Model):
    """Something that has to be so."""

    label: ShortText | None = None


__all__ = [
    "Act",
    "Expectation",
    "FieldKey",
    "FormulaText",
    "Key",
    "LocalMoment",
    "Name",
    "PersonalAct",
    "Problem",
    "Values",
]
