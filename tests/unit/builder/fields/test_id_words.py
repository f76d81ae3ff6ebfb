"""Who writes a name where an id has to stand is told what kind of id, and where to find it."""

from __future__ import annotations

from typing import Any

import pytest

from builder.fields.base import Invalid
from builder.fields.department import DepartmentField
from builder.fields.multi_user import MultiUserField
from builder.fields.reference import ReferenceField
from builder.fields.user import UserField

ONE: Any = {"key": "x", "label": "X"}


@pytest.mark.parametrize(
    "field, value, words",
    [
        (UserField(**ONE), "张伟", "/api/people?search="),
        (MultiUserField(**ONE), ["张伟"], "/api/people?search="),
        (DepartmentField(**ONE), "外勤组", "/api/departments"),
        (ReferenceField(**ONE, entity="customer"), "江南机械", "UUID"),
    ],
)
def test_words(field, value, words):
    with pytest.raises(Invalid) as invalid:
        field.coerce(value)
    assert all(words in text for text in invalid.value.message)
