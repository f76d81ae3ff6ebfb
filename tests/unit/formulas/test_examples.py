"""The examples in the help of every function are true on every back end."""

from __future__ import annotations

from typing import Any

import pytest

from formulas.functions import FAMILIES, known_function, list_functions
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


#: What managers know from spreadsheets and from products like this one: the least that the language has.
PROMISED = [
    "ABS",
    "ACOS",
    "AGE",
    "ALL",
    "AND",
    "ASIN",
    "ATAN",
    "ATAN2",
    "AUTONUMBER",
    "AVERAGE",
    "AVERAGEIFS",
    "BASE",
    "BETWEEN",
    "BLANK",
    "CEILING",
    "CEILING.MATH",
    "CHAR",
    "CHOOSE",
    "CLAMP",
    "CLEAN",
    "COALESCE",
    "CODE",
    "COMBIN",
    "COMPACT",
    "CONCAT",
    "CONCATENATE",
    "CONTAINS",
    "COS",
    "COUNT",
    "COUNTA",
    "COUNTIFS",
    "COUNTUNIQUE",
    "CREATEDBY",
    "CREATEDTIME",
    "CURRENTUSER",
    "DATE",
    "DATEADD",
    "DATEDIF",
    "DATETIME",
    "DATETIMEDIFF",
    "DATEVALUE",
    "DAY",
    "DAYS",
    "DAYS360",
    "DECIMAL",
    "DEGREES",
    "DEPTPATH",
    "EDATE",
    "ENCODEURL",
    "ENDOF",
    "ENDSWITH",
    "EOMONTH",
    "EVEN",
    "EXACT",
    "EXCEPT",
    "EXISTS",
    "EXP",
    "FACT",
    "FALSE",
    "FIND",
    "FIRST",
    "FIXED",
    "FLOOR",
    "FLOOR.MATH",
    "FROMUNIX",
    "FV",
    "GCD",
    "GEODISTANCE",
    "GEOMEAN",
    "GEOPOINT",
    "GEOWITHIN",
    "HAS",
    "HASALL",
    "HASANY",
    "HASNONE",
    "HASROLE",
    "HOUR",
    "IF",
    "IFBLANK",
    "IFERROR",
    "IFNA",
    "IFS",
    "IN",
    "INDEPT",
    "INDEX",
    "INT",
    "INTERSECT",
    "INZONE",
    "ISBETWEEN",
    "ISBLANK",
    "ISCHANGED",
    "ISERROR",
    "ISEVEN",
    "ISNEW",
    "ISNUMBER",
    "ISODD",
    "ISOWEEKNUM",
    "ISTEXT",
    "ISWORKDAY",
    "JACCARD",
    "JOIN",
    "JSONGET",
    "LARGE",
    "LAST",
    "LAT",
    "LCM",
    "LEFT",
    "LEN",
    "LISTCOUNT",
    "LN",
    "LNG",
    "LOG",
    "LOG10",
    "LOOKUP",
    "LOWER",
    "MANAGER",
    "MASK",
    "MAX",
    "MAXIFS",
    "MEDIAN",
    "MID",
    "MIN",
    "MINIFS",
    "MINUTE",
    "MOD",
    "MODE",
    "MODIFIEDBY",
    "MODIFIEDTIME",
    "MONTH",
    "MROUND",
    "N",
    "NETWORKDAYS",
    "NETWORKDAYS.INTL",
    "NOT",
    "NOW",
    "NPER",
    "NPV",
    "NUMBERVALUE",
    "ODD",
    "OR",
    "OVERLAP",
    "PADEND",
    "PADSTART",
    "PERCENT",
    "PERCENTOF",
    "PERMUT",
    "PI",
    "PINYIN",
    "PINYININITIALS",
    "PMT",
    "POWER",
    "PRIORVALUE",
    "PRODUCT",
    "PROPER",
    "PV",
    "QUARTER",
    "QUOTIENT",
    "RADIANS",
    "RANK",
    "RECORDID",
    "REGEXEXTRACT",
    "REGEXMATCH",
    "REGEXREPLACE",
    "REGEXTEST",
    "REPLACE",
    "REPT",
    "REVERSE",
    "RIGHT",
    "RMBUPPER",
    "ROUND",
    "ROUNDDOWN",
    "ROUNDUP",
    "SEARCH",
    "SECOND",
    "SIGN",
    "SIN",
    "SLICE",
    "SLN",
    "SMALL",
    "SORT",
    "SPLIT",
    "SQRT",
    "STARTOF",
    "STARTSWITH",
    "STDEV.P",
    "STDEV.S",
    "SUBSTITUTE",
    "SUM",
    "SUMIFS",
    "SWITCH",
    "T",
    "TAN",
    "TEXT",
    "TEXTAFTER",
    "TEXTBEFORE",
    "TEXTJOIN",
    "TIME",
    "TIMEVALUE",
    "TOBOOL",
    "TODAY",
    "TOUNIX",
    "TRIM",
    "TRUE",
    "TRUNC",
    "UNICHAR",
    "UNICODE",
    "UNION",
    "UNIQUE",
    "UPPER",
    "UPPERMONEY",
    "USERDEPT",
    "VALUE",
    "VAR.P",
    "VAR.S",
    "WEEKDAY",
    "WEEKNUM",
    "WORKDAY",
    "WORKDAY.INTL",
    "XOR",
    "YEAR",
    "YEARFRAC",
]


def test_no_promised_function_is_missing_and_all_answer_to_chinese_names() -> None:
    assert [name for name in PROMISED if known_function(name) is None] == []
    for function in list_functions():
        assert any("\u4e00" <= sign <= "\u9fff" for sign in function.zh_name), function.name
        assert known_function(function.zh_name) is function


def test_names_are_unique() -> None:
    names = [name for function in list_functions() for name in (function.name, function.zh_name, *function.aliases)]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_sixty_functions_are_core() -> None:
    core = [function.name for family in FAMILIES for function in family.functions if function.core]
    assert len(core) >= 55
