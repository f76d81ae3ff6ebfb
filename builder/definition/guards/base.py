"""What the kinds of guards share: when they apply, and what people are told."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StringConstraints

from builder.definition.actions.base import FieldPath, FormulaText, OwnPath
from builder.fields.base import BothLanguages, Formula, Key, Model, Refers

__all__ = ["Condition", "FieldPath", "FormulaText", "GuardModel", "OwnField", "OwnPath", "Sentence"]

Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500)] | BothLanguages
Condition = Annotated[FormulaText | dict[str, Any], Formula(of="/entity", gives="boolean")]
"""A formula or a JSON filter over the record that moves."""
OwnField = Annotated[Key, Refers("field", of="/entity")]


class GuardModel(Model):
    """A condition that has to be met before a record may move."""

    message: Sentence | None = None
    """What people read when it is not met: what is missing and how to mend it. Made from the guard if left out."""
    when: Condition | None = None
    """The guard is asked only of records that meet this."""
