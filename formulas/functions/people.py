"""The person who looks, and the record itself. All of these depend on the context of the evaluation."""

from __future__ import annotations

from typing import Any

from formulas.functions.declare import Family
from formulas.schema import Context
from formulas.types import BOOLEAN, DEPARTMENT, PERSON

PEOPLE = Family("people", portable=False)


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
    needs_context=True,
    volatility="volatile",
)
def _has_role(context: Context, role: str) -> bool:
    return role in context.roles
