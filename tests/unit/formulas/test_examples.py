"""The examples in the help of every function are true on every back end."""

from __future__ import annotations

from typing import Any

import pytest

from formulas.functions import FAMILIES, list_functions
from tests.unit.formulas.world_batch import BACKENDS, answer, open_batch, same

EXAMPLES = [(function.name, text, expected) for function in list_functions() for text, expected in function.examples]
#: What depends on the moment, on the person or on related rows has its own tests.
WITHOUT_EXAMPLES = {
    *("TODAY", "NOW", "AGE", "CURRENTUSER", "CURRENTDEPARTMENT"),
    *("EXISTS", "ALL", "AUTONUMBER", "RECORDID", "CREATEDBY", "CREATEDTIME", "MODIFIEDBY", "MODIFIEDTIME"),
    *("ISNEW", "ISCHANGED", "PRIORVALUE"),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_examples(backend: str) -> None:
    batch = open_batch(backend)
    found = [(text, expected, answer(batch, text)) for _, text, expected in EXAMPLES]
    batch.close()
    wrong: list[tuple[str, Any, Any]] = [case for case in found if not same(case[2], case[1])]
    assert wrong == []


def test_every_function_has_examples_and_help_in_both_languages() -> None:
    shown = {name for name, _, _ in EXAMPLES}
    assert {function.name for function in list_functions()} - shown - WITHOUT_EXAMPLES == set()
    for function in list_functions():
        assert function.zh_name
        assert function.help.zh != function.zh_name, function.name
        assert function.help.en.endswith((".", "。")), function.name


def test_names_are_unique() -> None:
    names = [name for function in list_functions() for name in (function.name, function.zh_name, *function.aliases)]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_sixty_functions_are_core() -> None:
    core = [function.name for family in FAMILIES for function in family.functions if function.core]
    assert len(core) >= 55
