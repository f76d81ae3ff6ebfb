"""The person who looks, and the record itself. All of these depend on the context of the evaluation."""

from __future__ import annotations

from typing import Any

from formulas.functions.declare import Family
from formulas.schema import Context
from formulas.types import BOOLEAN, DEPARTMENT, PERSON, TEXT, Type

PEOPLE = Family("people", portable=False)

#: What the directory is asked besides the functions: the ids from the topmost department down to one, joined with a slash.
DEPARTMENT_IDS = "DEPTIDS"


@PEOPLE.add(
    "CURRENTUSER",
    "",
    PERSON,
    "当前用户：正在操作的人",
    "The person who looks or acts.",
    nulls="N",
    needs_context=True,
    volatility="volatile",
    core=True,
    gives_blank=True,
)
def _current_user(context: Context) -> Any:
    return context.user


@PEOPLE.add(
    "CURRENTDEPARTMENT",
    "",
    DEPARTMENT,
    "当前部门：当前用户的部门",
    "The department of the current user.",
    nulls="N",
    needs_context=True,
    volatility="volatile",
    gives_blank=True,
)
def _current_department(context: Context) -> Any:
    return context.department


@PEOPLE.add(
    "HASROLE",
    "t",
    BOOLEAN,
    "有角色：当前用户是否有该角色",
    "Whether the current user has a role.",
    ('HASROLE("nobody")', False),
    nulls="N",
    needs_context=True,
    volatility="volatile",
)
def _has_role(context: Context, role: str) -> bool:
    return role in context.roles


@PEOPLE.add(
    "CURRENTMANAGER",
    "",
    PERSON,
    "当前上级：当前用户的上级",
    "Who the current user reports to.",
    ("ISBLANK(CURRENTMANAGER())", True),
    nulls="N",
    needs_context=True,
    volatility="volatile",
    gives_blank=True,
)
def _current_manager(context: Context) -> Any:
    return context.manager


@PEOPLE.add(
    "INDEPT",
    "w, q?",
    BOOLEAN,
    "属本部门：该部门（或人员所在部门）是否为当前用户的部门或其下级；给出第二个参数时，是否为那个部门或其下级",
    "Whether a department, or a person's, is the current user's or one below it; with a second argument, that department or one below it.",
    ("INDEPT(BLANK())", False),
    ("INDEPT(BLANK(), BLANK())", False),
    nulls="N",
    needs_context=True,
    volatility="volatile",
)
def _in_department(context: Context, department: str | None) -> bool:
    return department in context.departments


@PEOPLE.add(
    "INTEAM",
    "p",
    BOOLEAN,
    "属本团队：该人员是否在当前用户的部门或其下级",
    "Whether a person is in the current user's department or one below it.",
    ("INTEAM(BLANK())", False),
    nulls="N",
    needs_context=True,
    volatility="volatile",
)
def _in_team(context: Context, person: str | None) -> bool:
    return person in context.team


@PEOPLE.add(
    "MANAGES",
    "p",
    BOOLEAN,
    "属下：该人员是否直接或间接向当前用户汇报",
    "Whether a person reports to the current user, directly or over others.",
    ("MANAGES(BLANK())", False),
    nulls="N",
    needs_context=True,
    volatility="volatile",
)
def _manages(context: Context, person: str | None) -> bool:
    return person in context.reports


def _asking(
    name: str, letter: str, result: Type, zh: str, en: str, *examples: tuple[str, Any], aliases: tuple[str, ...]
) -> None:
    def ask(context: Context, subject: str) -> str | None:
        return context.directory.answer(name, subject)

    PEOPLE.add(
        name,
        letter,
        result,
        zh,
        en,
        *examples,
        needs_context=True,
        volatility="volatile",
        gives_blank=True,
        asks=True,
        aliases=aliases,
    )(ask)


_asking(
    "USERDEPT",
    "p",
    DEPARTMENT,
    "人员部门：该人员所在的部门，如 USERDEPT(owner)",
    "The department a person is in, as in USERDEPT(owner).",
    ("ISBLANK(USERDEPT(BLANK()))", True),
    aliases=("所在部门",),
)
_asking(
    "MANAGER",
    "p",
    PERSON,
    "直接上级：该人员向谁汇报，如 MANAGER(owner)",
    "Who a person reports to, as in MANAGER(owner).",
    ("ISBLANK(MANAGER(BLANK()))", True),
    aliases=("上级", "USERMANAGER"),
)
_asking(
    "DEPTPATH",
    "q",
    TEXT,
    "部门路径：从最上级到该部门的名称，以“/”相连",
    "The names of the departments from the topmost down to this one, joined with a slash.",
    ("ISBLANK(DEPTPATH(BLANK()))", True),
    aliases=("部门全路径",),
)


@PEOPLE.add(
    "WITHINDEPT",
    "q, q",
    BOOLEAN,
    "属部门：第一个部门是否为第二个部门或其下级",
    "Whether the first department is the second or one below it.",
    ("WITHINDEPT(BLANK(), BLANK())", False),
    nulls="N",
    needs_context=True,
    volatility="volatile",
    asks=True,
)
def _within(context: Context, department: str | None, above: str | None) -> bool:
    if department is None or above is None:
        return False
    return f"/{above}/" in f"/{context.directory.answer(DEPARTMENT_IDS, department) or department}/"


@PEOPLE.add(
    "INAREAS",
    "t",
    BOOLEAN,
    "属负责区域：该文本是否为当前用户负责的区域之一",
    "Whether a text is one of the areas the current user works in.",
    ('INAREAS("nowhere")', False),
    nulls="N",
    needs_context=True,
    volatility="volatile",
)
def _in_areas(context: Context, area: str | None) -> bool:
    return area in context.areas
