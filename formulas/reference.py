"""The reference of all functions, made from their declarations: JSON for editors, Markdown for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from formulas.functions import list_functions
from formulas.functions.declare import LETTER_NAMES, Function, Parameter
from formulas.sql import Dialect, has_sql_form
from formulas.tree import Call
from formulas.types import BLANK

FAMILY_NAMES: dict[str, tuple[str, str]] = {
    "logic": ("逻辑", "Logic"),
    "numbers": ("数字", "Numbers"),
    "finance": ("财务", "Finance"),
    "aggregates": ("汇总与统计", "Sums and statistics"),
    "text": ("文本", "Text"),
    "regex": ("正则表达式", "Regular expressions"),
    "dates": ("日期与时间", "Dates and times"),
    "sets": ("集合", "Sets"),
    "conversion": ("转换与格式", "Conversion and formats"),
    "places": ("位置", "Positions"),
    "people": ("人员", "People"),
    "record": ("本记录", "The record itself"),
}
DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgresql")
_REWRITTEN = frozenset(("AND", "OR", "NOT", "IFS", "SWITCH", "EXISTS", "ALL"))
NULL_RULES: dict[str, tuple[str, str]] = {
    "P": ("任一参数为空则结果为空", "blank if any argument is blank"),
    "S": ("空值不计", "blanks are skipped"),
    "L": ("只看取到的分支", "only the branch taken counts"),
    "N": ("空值按普通值处理", "a blank is a value like others"),
    "Z": ("空值按空文本处理", "a blank is the empty text"),
}


def reference() -> list[dict[str, Any]]:
    """Every function as a JSON object: what an editor needs to offer, complete and explain it."""
    return [describe(function) for function in list_functions()]


def describe(function: Function) -> dict[str, Any]:
    """One function as JSON."""
    zh_rule, en_rule = NULL_RULES[function.nulls]
    return {
        "name": function.name,
        "label": {"zh": function.zh_name, "en": function.name},
        "aliases": list(function.aliases),
        "family": function.family,
        "signature": {"zh": signature(function, "zh"), "en": signature(function, "en")},
        "parameters": [_parameter(parameter) for parameter in function.parameters],
        "help": {"zh": function.help.zh, "en": function.help.en},
        "blanks": {"zh": zh_rule, "en": en_rule},
        "volatile": function.volatility == "volatile",
        "core": function.core,
        "over_relations": function.rollup,
        "sql": {dialect: _has_form(function, dialect) for dialect in DIALECTS},
        "examples": [{"formula": text, "result": result} for text, result in function.examples],
    }


def _has_form(function: Function, dialect: Dialect) -> bool:
    """Logic, choices and EXISTS are written as operators and rollups before they reach a database."""
    return function.name in _REWRITTEN or has_sql_form(Call(function.name, (), BLANK), dialect)


def _parameter(parameter: Parameter) -> dict[str, Any]:
    name = LETTER_NAMES[parameter.letter]
    return {
        "label": {"zh": name.zh, "en": name.en},
        "optional": parameter.optional,
        "repeated": parameter.repeated,
        "constant": parameter.constant,
    }


def signature(function: Function, language: str) -> str:
    """`ROUND(number, [integer])` in a language."""
    return f"{function.name}({', '.join(_shown(parameter, language) for parameter in function.parameters)})"


def _shown(parameter: Parameter, language: str) -> str:
    name = getattr(LETTER_NAMES[parameter.letter], language)
    shown = f"[{name}]" if parameter.optional else str(name)
    return f"{shown}…" if parameter.repeated else shown


def markdown(language: str = "en") -> str:
    """The reference page in a language, by family."""
    title = "函数参考" if language == "zh" else "Functions"
    lines = [f"# {title}", ""]
    for family, names in FAMILY_NAMES.items():
        lines += [f"## {names[language != 'zh']}", "", *_table(family, language), ""]
    return "\n".join(lines)


def _table(family: str, language: str) -> Iterable[str]:
    heads = ("函数", "说明", "空值", "示例") if language == "zh" else ("Function", "What it gives", "Blanks", "Example")
    yield f"| {' | '.join(heads)} |"
    yield "| --- | --- | --- | --- |"
    for function in list_functions():
        if function.family == family:
            yield _row(function, language)


def _row(function: Function, language: str) -> str:
    example = ""
    if function.examples:
        text, result = function.examples[0]
        example = f"`{text}` = `{_result(result)}`"
    help_text = getattr(function.help, language)
    named = f"（{function.zh_name}）" if language == "zh" else ""
    rule = NULL_RULES[function.nulls][language != "zh"]
    cells = (f"`{signature(function, language)}`{named}", help_text, rule, example)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _result(result: Any) -> str:
    if isinstance(result, dict):
        return str(next(iter(result.values())))
    return "" if result is None else str(result)
