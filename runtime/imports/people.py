"""People in a sheet: columns by their Chinese or English names, departments as paths (销售部/华东区)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from builder.kernel.problems import Problem, Violation, nearest_hint
from runtime.identity.directory import ListedDepartment, ListedUser, Listing, Mode
from runtime.imports.sheets import Sheet, wrong_cell

SOURCE = "file"

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "username": ("用户名", "账号", "工号", "login", "user name"),
    "name": ("姓名", "名字", "full name"),
    "email": ("邮箱", "电子邮箱", "邮件", "e-mail", "mail"),
    "phone": ("手机", "手机号", "电话", "mobile"),
    "department": ("部门", "dept"),
    "manager": ("上级", "直属上级", "主管", "经理", "supervisor"),
    "position": ("职位", "岗位", "职务", "title"),
    "areas": ("区域", "负责区域", "大区", "area", "regions"),
    "active": ("在职", "启用", "状态", "enabled"),
}
"""Column -> what else it may be called."""

_NEEDED = ("username",)
_LEVELS = re.compile(r"\s*[/／>]\s*")
_SEVERAL = re.compile(r"\s*[,，、;；|]\s*")
_NO = frozenset({"否", "离职", "停用", "no", "false", "0", "n", "off"})
_YES = frozenset({"", "是", "在职", "启用", "yes", "true", "1", "y", "on"})


def people_of(sheet: Sheet, mode: Mode) -> Listing:
    """Turn a sheet into a listing; departments that its paths name are part of it.

    Raises:
        Problem: ``import.invalid`` with every wrong column and cell; ``params`` hold line and column.
    """
    violations: list[Violation] = []
    columns = _columns(sheet.header, violations)
    users: list[ListedUser] = []
    departments: dict[str, ListedDepartment] = {}
    for row in sheet.rows if not violations else ():
        cells = {name: row.cells[place] for name, place in columns.items()}
        path = _department_path(cells.get("department", ""), departments)
        username = cells["username"]
        if not username:
            violations.append(wrong_cell(row.line, "username", "required", "不能为空", "Must not be blank"))
        active = cells.get("active", "").casefold()
        if active not in _YES | _NO:
            violations.append(wrong_cell(row.line, "active", "option", "请填“是”或“否”", 'Say "yes" or "no"'))
        said: dict[str, Any] = {name: cells[name] or None for name in ("email", "phone", "position") if name in cells}
        if cells.get("name"):
            said["name"] = cells["name"]
        if "department" in cells:
            said["department"] = path
        if "manager" in cells:
            said["manager"] = cells["manager"].casefold() or None
        if "areas" in cells:
            said["areas"] = tuple(filter(None, _SEVERAL.split(cells["areas"])))
        users.append(ListedUser(username.casefold(), username, active=active not in _NO, **said))
    if violations:
        raise Problem("import.invalid", violations=violations)
    return Listing(SOURCE, mode, tuple(departments.values()), tuple(users))


def _columns(header: tuple[str, ...], violations: list[Violation]) -> dict[str, int]:
    names = {other.casefold(): name for name, others in COLUMNS.items() for other in (name, *others)}
    found: dict[str, int] = {}
    for place, title in enumerate(header):
        name = names.get(title.casefold())
        if name is None:
            hint = nearest_hint(title, names)
            violations.append(
                wrong_cell(1, title, "unknown", f"不认识这一列{hint.zh}", f"This column is not known{hint.en}")
            )
        elif name in found:
            violations.append(wrong_cell(1, title, "duplicate", "这一列出现两次", "This column occurs twice"))
        else:
            found[name] = place
    for name in _NEEDED:
        if name not in found:
            title = COLUMNS[name][0]
            violations.append(wrong_cell(1, name, "required", f"缺少列“{title}”", f'The column "{name}" is missing'))
    return found


def _department_path(text: str, departments: dict[str, ListedDepartment]) -> str | None:
    """Note every department on a path; return the id of the last."""
    parent: str | None = None
    for name in filter(None, _LEVELS.split(text.strip())):
        path = name if parent is None else f"{parent}/{name}"
        departments.setdefault(path, ListedDepartment(path, name, parent))
        parent = path
    return parent
