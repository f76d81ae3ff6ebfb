"""Rights in words: what a role may do, which of its grants let something be done, in Chinese and English."""

from __future__ import annotations

import re
from typing import Any

from builder.compiled.app import CompiledApp
from builder.definition.role import Grant, Role
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from formulas.checker import check_condition
from formulas.errors import FormulaErrors
from formulas.filters import parse_filter
from formulas.writer import write
from runtime.access.grants import ReadyGrant, ready_grants

JSON = Any

DEEDS = ("read", "create", "update", "delete", "export", "import", "bulk")
_PHRASES: tuple[tuple[str, str, str], ...] = (
    (r"CURRENTUSER\(\)", "本人", "the person themselves"),
    (r"CURRENTDEPARTMENT\(\)", "本人的部门", "their department"),
    (r"CURRENTMANAGER\(\)", "本人的上级", "their manager"),
    (r"WITHINDEPT\(USERDEPT\(([^(),]*)\), ([^()]*)\)", r"\1 在\2或其下级部门", r"\1 is in \2 or below it"),
    (r"WITHINDEPT\(([^(),]*), ([^()]*)\)", r"\1 是\2或其下级部门", r"\1 is \2 or below it"),
    (r"\bINDEPT\(([^()]*)\)", r"\1 是本部门或下级部门", r"\1 is their department or one below it"),
    (r"INTEAM\(([^()]*)\)", r"\1 在本部门或下级部门", r"\1 is in their department or one below it"),
    (r"MANAGES\(([^()]*)\)", r"\1 是本人的下属", r"\1 reports to them"),
    (r"INAREAS\(([^()]*)\)", r"\1 是本人负责的区域", r"\1 is one of their areas"),
)


def rows_text(app: CompiledApp, grant: Grant) -> Text:
    """Say which records a grant is about: its own words, else the formula with labels for names."""
    if grant.words is not None:
        return label_text(grant.words)
    if grant.rows is None or grant.rows == {}:
        return say("所有记录", "all records")
    try:
        given = grant.rows
        tree = (
            check_condition(given, app, grant.entity)
            if isinstance(given, str)
            else parse_filter(given, app, grant.entity)
        )
    except FormulaErrors:
        return say(str(grant.rows), str(grant.rows))
    zh = en = write(tree, app, grant.entity, labels=True)
    for pattern, chinese, english in _PHRASES:
        zh, en = re.sub(pattern, chinese, zh), re.sub(pattern, english, en)
    return say(zh, en)


def grant_text(app: CompiledApp, role: Role, grant: Grant, deed: str) -> Text:
    """Say what a grant lets do: role “Seller” lets read Customer: owner = the person themselves."""
    verbs = {
        "read": ("查看", "read"),
        "create": ("新建", "create"),
        "update": ("修改", "change"),
        "delete": ("删除", "delete"),
        "export": ("导出", "export"),
        "import": ("导入", "import"),
        "bulk": ("批量处理", "work in bulk on"),
    }
    zh, en = verbs[deed]
    name, entity, rows = label_text(role.label), app.entities[grant.entity].label(), rows_text(app, grant)
    return say(
        f"角色“{name.zh}”可以{zh}“{entity.zh}”:{rows.zh}", f'The role "{name.en}" lets {en} {entity.en}: {rows.en}'
    )


def role_matrix(app: CompiledApp, role: Role, language: Any) -> dict[str, JSON]:
    """Return what a role may do: per grant the deeds, the rows in words, fields shown, shown in part, and writable."""
    ready = ready_grants(app, {role.key})
    listed = [each for grants in ready.values() for each in grants]
    return {
        "key": role.key,
        "label": label_text(role.label).pick(language),
        "grants": [_grant_json(app, each, language) for each in sorted(listed, key=lambda each: each.number)],
    }


def _grant_json(app: CompiledApp, ready: ReadyGrant, language: Any) -> dict[str, JSON]:
    grant, entity = ready.grant, app.entities[ready.grant.entity]
    order = list(entity.fields)
    return {
        "entity": entity.key,
        "label": entity.label().pick(language),
        "rows": rows_text(app, grant).pick(language),
        "may": [deed for deed in DEEDS if deed in grant.may],
        "fields": [key for key in order if key in ready.plain],
        "masked": [key for key in order if key in ready.masks],
        "hidden": [key for key in order if key not in ready.shown] if ready.may("read") else [],
        "writable": [key for key in order if key in ready.writable],
        "transitions": grant.transitions if isinstance(grant.transitions, str) else list(grant.transitions),
        "approvals": grant.approvals if isinstance(grant.approvals, str) else list(grant.approvals),
    }
