"""Choices, blanks and errors."""

from __future__ import annotations

from typing import Any

from formulas.errors import CellError
from formulas.functions.declare import Family, unified, unify
from formulas.types import BLANK, BOOLEAN
from formulas.values import NA, VALUE

LOGIC = Family("logic")


@LOGIC.add(
    "IF",
    "b, T, T?",
    unified(1),
    "如果：条件成立取第二个值，否则取第三个值；条件为空按不成立",
    "The second value if the condition holds, else the third (blank if left out). A blank condition does not hold.",
    ('IF(2 > 1, "大", "小")', "大"),
    ("IF(BLANK() > 1, 1, 2)", 2),
    ("IF(1 > 2, 5)", None),
    nulls="L",
    catches=True,
    core=True,
)
def choose_if(condition: Any, then: Any, otherwise: Any = None) -> Any:
    """Both branches have been computed; an error in the one not taken does not count."""
    if condition.__class__ is CellError:
        return condition
    return then if condition is True else otherwise


@LOGIC.add(
    "IFS",
    "b, T, b?...",
    lambda types, _: unify(types[1::2]) or BLANK,
    "多条件：取第一个成立的条件后面的值，都不成立为 NA",
    "The value after the first condition that holds; NA if none does.",
    ('IFS(1 > 2, "a", 2 > 1, "b")', "b"),
    ("IFS(FALSE, 1)", "#NA"),
    nulls="L",
    catches=True,
    core=True,
)
@LOGIC.add(
    "SWITCH",
    "T, T, U, T?...",
    lambda types, _: unify([*types[2::2], *(types[-1:] if len(types) % 2 == 0 else ())]) or BLANK,
    "对照：取与第一个值相等的那一项后面的结果，最后可给默认值",
    "The result after the first match of the value; the last argument alone is the default, else NA.",
    ('SWITCH("B", "A", 1, "B", 2)', 2),
    ('SWITCH(3, 1, "x", "other")', "other"),
    ("SWITCH(3, 1, 2)", "#NA"),
    nulls="L",
    catches=True,
    core=True,
)
def _never_run(*_args: Any) -> Any:
    """IFS and SWITCH are written as IF before they run (`tree.desugared`)."""
    raise AssertionError


@LOGIC.add(
    "AND",
    "b, b...",
    BOOLEAN,
    "并且：所有条件都成立",
    "True if all conditions hold; a blank one leaves it open.",
    ("AND(1 < 2, 2 < 3)", True),
    ("AND(TRUE, 1 > 2)", False),
    nulls="N",
    catches=True,
    core=True,
)
@LOGIC.add(
    "OR",
    "b, b...",
    BOOLEAN,
    "或者：任一条件成立",
    "True if any condition holds.",
    ("OR(1 > 2, 2 < 3)", True),
    ("OR(FALSE, FALSE)", False),
    nulls="N",
    catches=True,
    core=True,
)
@LOGIC.add(
    "NOT",
    "b",
    BOOLEAN,
    "非：条件不成立",
    "The opposite of a condition.",
    ("NOT(1 > 2)", True),
    ("NOT TRUE", False),
    catches=True,
    core=True,
)
def _written_as_operator(*_args: Any) -> Any:
    """AND, OR and NOT become the operators and, or and not."""
    raise AssertionError


@LOGIC.add(
    "XOR",
    "b, b...",
    BOOLEAN,
    "异或：成立的条件个数为奇数",
    "True if an odd number of conditions hold.",
    ("XOR(TRUE, FALSE)", True),
    ("XOR(TRUE, TRUE)", False),
)
def _xor(*conditions: bool) -> bool:
    return sum(conditions) % 2 == 1


def is_blank(value: Any) -> bool:
    """A blank, an empty text or an empty set."""
    return value is None or value in ("", ())


@LOGIC.add(
    "ISBLANK",
    "A",
    BOOLEAN,
    "为空：值为空、空文本或空集合",
    "True for a blank, an empty text and an empty set.",
    ("ISBLANK(BLANK())", True),
    ('ISBLANK("")', True),
    ("ISBLANK(0)", False),
    nulls="N",
    catches=True,
    core=True,
)
def _is_blank(value: Any) -> bool:
    return value.__class__ is not CellError and is_blank(value)


@LOGIC.add(
    "COALESCE",
    "T, T...",
    unified(),
    "取非空：第一个不为空的值",
    "The first value that is not blank.",
    ("COALESCE(BLANK(), 3)", 3),
    ('COALESCE("", "x")', "x"),
    nulls="S",
    catches=True,
    core=True,
    aliases=("IFBLANK",),
    gives_blank=True,
)
def _coalesce(*values: Any) -> Any:
    """An error before the first value that is not blank is the result."""
    return next((value for value in values if value.__class__ is CellError or not is_blank(value)), None)


@LOGIC.add(
    "IFERROR",
    "T, T",
    unified(),
    "出错时：第一个值出错时取第二个值",
    "The second value if the first is an error.",
    ("IFERROR(1 / 0, 0)", 0),
    ("IFERROR(6 / 3, 0)", 2),
    nulls="L",
    catches=True,
    core=True,
)
def _if_error(value: Any, otherwise: Any) -> Any:
    return otherwise if value.__class__ is CellError else value


@LOGIC.add(
    "IFNA",
    "T, T",
    unified(),
    "无匹配时：第一个值为 NA 时取第二个值",
    "The second value if the first is NA.",
    ("IFNA(NA(), 7)", 7),
    ("IFNA(1, 7)", 1),
    nulls="L",
    portable=False,
    catches=True,
)
def _if_na(value: Any, otherwise: Any) -> Any:
    return otherwise if value is NA else value


@LOGIC.add(
    "ISERROR",
    "A",
    BOOLEAN,
    "为错误：值是否为错误",
    "True for an error.",
    ("ISERROR(1 / 0)", True),
    ("ISERROR(1)", False),
    nulls="N",
    catches=True,
)
def _is_error(value: Any) -> bool:
    return value.__class__ is CellError


@LOGIC.add(
    "ISNA",
    "A",
    BOOLEAN,
    "为无匹配：值是否为错误 NA",
    "True for the error NA.",
    ("ISNA(NA())", True),
    ("ISNA(1 / 0)", False),
    nulls="N",
    portable=False,
    catches=True,
)
def _is_na(value: Any) -> bool:
    return value.__class__ is CellError and value.kind == NA.kind


@LOGIC.add(
    "ISERR",
    "A",
    BOOLEAN,
    "为其他错误：值是否为 NA 以外的错误",
    "True for an error other than NA.",
    ("ISERR(1 / 0)", True),
    ("ISERR(NA())", False),
    nulls="N",
    portable=False,
    catches=True,
)
def _is_other_error(value: Any) -> bool:
    return value.__class__ is CellError and value.kind != NA.kind


@LOGIC.add("NA", "", BLANK, "无匹配：错误值 NA", "The error value NA.", ("ISERROR(NA())", True), nulls="N", fails=True)
def _na() -> CellError:
    return NA


@LOGIC.add("BLANK", "", BLANK, "空值：空", "The blank value.", ("ISBLANK(BLANK())", True), nulls="N", gives_blank=True)
def _blank() -> None:
    return None


@LOGIC.add("TRUE", "", BOOLEAN, "真：成立", "True.", ("TRUE()", True), nulls="N")
def _true() -> bool:
    return True


@LOGIC.add("FALSE", "", BOOLEAN, "假：不成立", "False.", ("FALSE()", False), nulls="N")
def _false() -> bool:
    return False


@LOGIC.add(
    "BETWEEN",
    "O, O, O",
    BOOLEAN,
    "介于：值在两个界限之间（含）",
    "True if the value lies between the bounds, both included.",
    ("BETWEEN(5, 1, 5)", True),
    ("BETWEEN(0, 1, 5)", False),
    aliases=("ISBETWEEN",),
)
def _between(value: Any, low: Any, high: Any) -> bool:
    return bool(low <= value <= high)


@LOGIC.add(
    "IN",
    "T, T, T...",
    BOOLEAN,
    "属于：等于其中任一个值",
    "True if the value equals one of the others.",
    ('IN("A", "A", "B")', True),
    ("IN(3, 1, 2)", False),
    nulls="N",
    core=True,
)
def _in(value: Any, *choices: Any) -> bool:
    """A blank equals a blank."""
    return (None if value == "" else value) in [None if choice == "" else choice for choice in choices]


@LOGIC.add(
    "CHOOSE",
    "i, T, T...",
    unified(1),
    "选择：按序号取值",
    "The value at a place, counted from 1.",
    ('CHOOSE(2, "a", "b")', "b"),
    ("CHOOSE(3, 1, 2)", "#VALUE"),
    nulls="L",
    fails=True,
)
def _choose(place: int | None, *values: Any) -> Any:
    if place is None:
        return None
    return values[place - 1] if 1 <= place <= len(values) else VALUE


@LOGIC.add(
    "ISNUMBER",
    "A",
    BOOLEAN,
    "是数字：值是否为数字",
    "True for a number.",
    ("ISNUMBER(1.5)", True),
    ('ISNUMBER("1")', False),
    nulls="N",
)
def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and hasattr(value, "as_integer_ratio")


@LOGIC.add(
    "ISTEXT",
    "A",
    BOOLEAN,
    "是文本：值是否为文本",
    "True for a text.",
    ('ISTEXT("1")', True),
    ("ISTEXT(1)", False),
    nulls="N",
)
def _is_text(value: Any) -> bool:
    return isinstance(value, str)
