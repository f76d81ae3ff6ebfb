"""Sets: multiple choices, people, tags. A blank set is the empty set."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from formulas.errors import CellError
from formulas.functions.declare import Family, element_of, same, unified
from formulas.functions.texts import joined
from formulas.numbers import divide
from formulas.sqlforms import sets as forms
from formulas.types import BOOLEAN, TEXT, decimal, integer
from formulas.values import NUM, display

SETS = Family("sets")
COUNT = integer(9)


def _test(
    name: str, signature: str, zh: str, en: str, run: Any, *examples: tuple[str, Any], core: bool = False
) -> None:
    SETS.add(
        name,
        signature,
        BOOLEAN,
        zh,
        en,
        *examples,
        nulls="N",
        core=core,
        postgresql=forms.FORMS[name],
        sqlite=forms.FORMS[name],
        condition=forms.CONDITIONS[name],
    )(run)


_test(
    "HAS",
    "L, T",
    "含有：集合中是否有该值",
    "Whether the set has the value.",
    lambda held, value: value is not None and value in (held or ()),
    ('HAS(["a", "b"], "a")', True),
    core=True,
)
_test(
    "HASANY",
    "L, L",
    "含任一：两集合是否有共同值",
    "Whether the sets share a value.",
    lambda a, b: not set(a or ()).isdisjoint(b or ()),
    ("HASANY([1, 2], [2, 3])", True),
    core=True,
)
_test(
    "HASALL",
    "L, L",
    "含全部：第一个集合是否包含第二个的所有值",
    "Whether the first set has every value of the second.",
    lambda a, b: set(a or ()).issuperset(b or ()),
    ("HASALL([1, 2], [1])", True),
    ("HASALL([1], BLANK())", True),
)
_test(
    "HASNONE",
    "L, L",
    "不含：两集合是否没有共同值",
    "Whether the sets share nothing.",
    lambda a, b: set(a or ()).isdisjoint(b or ()),
    ("HASNONE([1], [2])", True),
)


def unique(values: Any) -> tuple[Any, ...]:
    """Each value once, in order of first occurrence."""
    return tuple(dict.fromkeys(values or ()))


@SETS.add(
    "INTERSECT",
    "L, L",
    unified(),
    "交集：两集合共有的值",
    "What both sets have.",
    ("INTERSECT([1, 2, 3], [3, 2])", [2, 3]),
    nulls="N",
    core=True,
)
def _intersect(left: Any, right: Any) -> tuple[Any, ...]:
    held = set(right or ())
    return tuple(value for value in unique(left) if value in held)


@SETS.add(
    "UNION",
    "L, L",
    unified(),
    "并集：两集合的所有值",
    "What either set has.",
    ("UNION([1, 2], [2, 3])", [1, 2, 3]),
    nulls="N",
    fails=True,
)
def _union(left: Any, right: Any) -> tuple[Any, ...]:
    return unique((*(left or ()), *(right or ())))


@SETS.add(
    "EXCEPT",
    "L, L",
    same(),
    "差集：只在第一个集合中的值",
    "What the first set has and the second has not.",
    ("EXCEPT([1, 2], [2])", [1]),
    nulls="N",
)
def _except(left: Any, right: Any) -> tuple[Any, ...]:
    held = set(right or ())
    return tuple(value for value in unique(left) if value not in held)


@SETS.add(
    "LISTCOUNT",
    "L",
    COUNT,
    "个数：集合中值的个数",
    "How many values a set has.",
    ("LISTCOUNT([1, 2])", 2),
    ("LISTCOUNT(BLANK())", 0),
    nulls="N",
    core=True,
    postgresql=forms.count,
)
def _count(values: Any) -> int:
    return len(values or ())


@SETS.add(
    "OVERLAP",
    "L, L",
    COUNT,
    "重合数：两集合共有值的个数",
    "How many values both sets have.",
    ("OVERLAP([1, 2, 3], [2, 3, 4])", 2),
    nulls="N",
    postgresql=forms.overlap,
)
def _overlap(left: Any, right: Any) -> int:
    return len(set(left or ()) & set(right or ()))


@SETS.add(
    "JACCARD",
    "L, L",
    decimal(10, 11),
    "相似度：共有值占全部值的比例，都为空则为空",
    "Shared values as a share of all; blank when both sets are empty.",
    ("JACCARD([1, 2], [2, 3])", 0.3333333333),
    ("JACCARD(BLANK(), BLANK())", None),
    nulls="N",
    gives_blank=True,
)
def _jaccard(left: Any, right: Any) -> Decimal | None:
    first, second = set(left or ()), set(right or ())
    return divide(len(first & second), len(first | second)) if first or second else None


@SETS.add(
    "UNIQUE",
    "L",
    same(),
    "去重：每个值只留一次",
    "Each value once.",
    ("UNIQUE([2, 1, 2])", [2, 1]),
    nulls="N",
    rollup=True,
)
def _unique(values: Any) -> tuple[Any, ...]:
    return unique(values)


@SETS.add(
    "SORT",
    "L, b?",
    same(),
    "排序：升序，第二个参数为真时降序",
    "In order, descending if the second argument is true.",
    ("SORT([3, 1, 2])", [1, 2, 3]),
    ("SORT([1, 2], TRUE)", [2, 1]),
    nulls="N",
)
def _sort(values: Any, descending: bool | None = False) -> tuple[Any, ...]:
    return tuple(sorted((value for value in values or () if value is not None), reverse=bool(descending)))


@SETS.add(
    "FIRST",
    "L",
    element_of(),
    "首个：集合的第一个值",
    "The first value of a set.",
    ("FIRST([3, 1])", 3),
    nulls="N",
    gives_blank=True,
    rollup=True,
)
def _first(values: Any) -> Any:
    return values[0] if values else None


@SETS.add(
    "LAST",
    "L",
    element_of(),
    "末个：集合的最后一个值",
    "The last value of a set.",
    ("LAST([3, 1])", 1),
    nulls="N",
    gives_blank=True,
    rollup=True,
)
def _last(values: Any) -> Any:
    return values[-1] if values else None


@SETS.add(
    "INDEX",
    "L, i",
    element_of(),
    "第几个：集合中某位置的值",
    "The value at a place, counted from 1.",
    ('INDEX(["a", "b"], 2)', "b"),
    ("INDEX([1], 2)", "#NUM"),
    fails=True,
)
def _index(values: tuple[Any, ...], place: int) -> Any | CellError:
    return values[place - 1] if 1 <= place <= len(values) else NUM


@SETS.add(
    "SLICE",
    "L, i, i?",
    same(),
    "截取：从某位置起的若干个值",
    "Some values from a place on.",
    ("SLICE([1, 2, 3], 2)", [2, 3]),
    ("SLICE([1, 2, 3], 1, 2)", [1, 2]),
    fails=True,
)
def _slice(values: tuple[Any, ...], start: int, count: int | None = None) -> tuple[Any, ...] | CellError:
    if start < 1 or (count is not None and count < 0):
        return NUM
    return values[start - 1 :] if count is None else values[start - 1 : start - 1 + count]


@SETS.add("COMPACT", "L", same(), "去空：去掉空值", "Without blanks.", ('COMPACT(["a", ""])', ["a"]), nulls="N")
def _compact(values: Any) -> tuple[Any, ...]:
    return tuple(value for value in values or () if value not in (None, ""))


@SETS.add(
    "JOIN",
    "L, t?",
    TEXT,
    "拼接：用分隔符连接集合",
    "The values of a set as one text.",
    ('JOIN([1, 2], "-")', "1-2"),
    ("JOIN(BLANK())", ""),
    nulls="N",
    fails=True,
)
def _join(values: Any, separator: str | None = ", ") -> str | CellError:
    return joined(separator or "", list(map(display, values or ())))
