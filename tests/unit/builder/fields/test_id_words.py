"""Who writes a name where an id has to stand is told what kind of id, and where to find it."""

from __future__ import annotations

from typing import Any

import pytest

from builder.fields.base import Invalid
from builder.fields.department import DepartmentField
from builder.fields.multi_user import MultiUserField
from builder.fields.parts.choices import SelectOption
from builder.fields.reference import ReferenceField
from builder.fields.select import SelectField
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


FEW: Any = (
    {"key": "green", "label": {"zh": "合格", "en": "Fine"}},
    {"key": "red", "label": "red"},
    {"key": "old", "label": "旧", "hidden": True},
)
MANY: Any = tuple({"key": f"k{number}", "label": f"L{number}"} for number in range(9))


@pytest.mark.parametrize(
    "options, zh, en",
    [(FEW, ";可选:合格(green)、red", "; there are Fine (green), red"), (MANY, "", "")],
)
def test_who_writes_an_option_that_nothing_is_near_to_is_told_which_there_are(options: Any, zh: str, en: str):
    with pytest.raises(Invalid) as invalid:
        SelectField(**ONE, options=tuple(SelectOption(**option) for option in options)).coerce("绿")
    assert invalid.value.message == (f"没有选项“绿”{zh}", f'There is no option "绿"{en}')
