"""Every function with awkward arguments of the kinds it takes: all back ends give the same value or the same error, none breaks off.

``DOUGONG_ARGUMENTS=seed,count`` runs another or a longer series by hand; the tests run two calls of each function.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

from formulas.functions import list_functions
from formulas.functions.declare import Function, Parameter
from tests.unit.formulas.world_batch import BACKENDS, answer, open_batch, same

SEED, COUNT = (int(part) for part in os.environ.get("DOUGONG_ARGUMENTS", "1,600").split(","))

_DATES = ("DATE(2024,2,29)", "DATE(1,1,1)", "DATE(9999,12,31)", "DATE(1900,1,1)", "BLANK()")
_MOMENTS = ("FROMUNIX(0)", "FROMUNIX(10^11)", "NOW()", "FROMUNIX(-62135596800)", "FROMUNIX(253402300799)", "BLANK()")
_TIMES = ("TIME(1,2,3)", "TIME(23,59,59)", 'TIMEVALUE("8:30")')
_SPANS = ("NOW()-FROMUNIX(0)", "FROMUNIX(0)-NOW()", "BLANK()")
_NUMBERS = (
    "0",
    "1",
    "-1",
    "2.5",
    "-0.5",
    "10^20",
    "10^300",
    "-10^300",
    "0.0000001",
    "BLANK()",
    "1/0",
    "0.1",
    "100",
    "1e9",
)
_WHOLE = ("0", "1", "-1", "2", "3.7", "10^20", "-10^20", "BLANK()", "100000", "5", "16", "-5", "255", "9999")
_TEXTS = (
    *('""', '"a"', '"张三"', '"😀b"', '"12"', '"-"', '"%"', '"2024-02-29"', 'REPT("ab",16000)', "BLANK()", '"YM"', '"day"', '"month"'),
    *('"."', '","', '"0.00"', '"yyyy"', '"[h]"', '"1111111"', '"0000011"', '"Asia/Shanghai"', '"(a)"', '"$.a"', '"{""a"":[1,2]}"'),
    *("\"'\"", '"\\"', '"FF"', '"true"'),
)  # fmt: skip
_SETS = (
    '["a","b"]',
    "[1,2,3]",
    "[1]",
    "[0,0]",
    "[-1,2.5]",
    "[DATE(2024,1,1)]",
    "BLANK()",
    "[TRUE]",
    'SPLIT("","")',
    "[1e20,1]",
)
_CONDITIONS = ("TRUE", "FALSE", "BLANK()", "1>BLANK()")
POOLS: dict[str, tuple[str, ...]] = {
    "n": _NUMBERS,
    "i": _WHOLE,
    "t": _TEXTS,
    "b": _CONDITIONS,
    "d": _DATES,
    "m": _MOMENTS,
    "x": (*_DATES, *_MOMENTS),
    "y": (*_DATES, *_MOMENTS, *_TIMES),
    "h": (*_DATES, *_MOMENTS, *_TIMES, *_SPANS),
    "s": _SPANS,
    "c": _TIMES,
    "L": _SETS,
    "S": _SETS,
    "K": ("[1,2,3]", "[1]", "[0,0]", "[-1,2.5]", "[1e20,1]", "BLANK()", "[-100,50,70]"),
    "D": ("[DATE(2024,1,1)]", "[DATE(2024,1,1),DATE(2025,1,1)]", "BLANK()"),
    "N": (*_NUMBERS, "[1,2,3]", "[0]", "[-1,5]"),
    "g": ("GEOPOINT(1,2)", "GEOPOINT(90,180)", "GEOPOINT(-90,-180)", "BLANK()"),
    "p": ("CURRENTUSER()", "BLANK()"),
    "q": ("CURRENTDEPARTMENT()", "BLANK()", "USERDEPT(CURRENTUSER())"),
    "w": ("CURRENTDEPARTMENT()", "CURRENTUSER()", "MANAGER(CURRENTUSER())", "BLANK()"),
    "j": ('"{}"', '"[1,{""a"":2}]"', '"x"', '""'),
    "V": (*_NUMBERS, *_TEXTS, *_CONDITIONS, *_DATES, *_SETS),
    "A": (*_NUMBERS, *_TEXTS, *_CONDITIONS, *_DATES, *_MOMENTS, *_TIMES, *_SPANS, *_SETS, "GEOPOINT(1,2)"),
}


def calls(chance: random.Random, count: int) -> Iterator[str]:
    functions = list(list_functions())
    for place in range(count):
        function = functions[place % len(functions)]
        yield f"{function.name}({','.join(_arguments(chance, function))})"


def _arguments(chance: random.Random, function: Function) -> Iterator[str]:
    kind = chance.choice("ntbdmL")  # of all arguments that have to agree
    for parameter in function.parameters:
        if parameter.optional and chance.random() < 0.4:
            return
        for _ in range(chance.choice((1, 1, 2, 3)) if parameter.repeated else 1):
            yield chance.choice(POOLS[_letter(parameter, kind)])


def _letter(parameter: Parameter, kind: str) -> str:
    return kind if parameter.letter in "TUO" else parameter.letter


def test_every_letter_of_a_signature_is_tried() -> None:
    letters = {parameter.letter for function in list_functions() for parameter in function.parameters}
    assert letters - set(POOLS) <= set("TUO")


def test_every_function_agrees_on_all_back_ends() -> None:
    formulas = list(calls(random.Random(SEED), COUNT))
    found = []
    for backend in BACKENDS:
        batch = open_batch(backend)
        found.append([answer(batch, formula) for formula in formulas])
        batch.close()
    assert sum(str(value) not in ("#TYPE", "#PARSE") for value in found[0]) > COUNT * 0.8
    for formula, first, *others in zip(formulas, *found, strict=True):
        assert all(same(other, str(first) if _is_number(first) else first) for other in others), (
            formula,
            first,
            others,
        )


def _is_number(value: object) -> bool:
    return not isinstance(value, bool | str | list | dict) and value is not None
