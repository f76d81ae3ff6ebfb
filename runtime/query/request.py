"""What a caller asked for, as syntax only: no name has been looked up yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from builder.kernel import limits
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem, nearest_hint
from builder.kernel.text import say
from runtime.query.brackets import set_bracket
from runtime.query.problems import invalid

JSON = Any
Count = Literal["none", "exact"]

MEMBERS = ("filter", "sort", "fields", "expand", "limit", "cursor", "count")


@dataclass(frozen=True)
class ListRequest:
    """A question for a list of records."""

    filter: JSON = None
    sort: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    limit: int = limits.PAGE_RECORDS_DEFAULT
    cursor: str | None = None
    count: Count = "none"
    text: bytes = field(default=b"", compare=False)
    """The query string it was read from: what is made of it may be kept by that."""


def read_query_string(pairs: Iterable[tuple[str, str]]) -> ListRequest:
    """Read ``filter=…&sort=-a,b&fields=…&expand=…&limit=…&cursor=…&count=exact``.

    A filter is a formula (``level = "A" AND budget > 5``), a JSON tree (``{"level":{"_eq":"A"}}``), or ``filter[level][_eq]=A``.

    Raises:
        Problem: ``query.invalid`` for an unknown or repeated parameter or a value of the wrong form.
    """
    members: dict[str, JSON] = {}
    brackets: dict[str, JSON] = {}
    for name, value in pairs:
        if name.startswith("filter["):
            set_bracket(brackets, "filter", name, value)
            continue
        if name in members:
            raise invalid(name, say(f"参数“{name}”重复", f'The parameter "{name}" is given twice'))
        members[name] = value
    if brackets:
        if "filter" in members:
            raise invalid("filter", say("filter 与 filter[…] 不能同时使用", "Use either filter or filter[…]"))
        members["filter"] = brackets
    elif isinstance(members.get("filter"), str):
        members["filter"] = read_filter_text(members["filter"])
    for name in ("sort", "fields", "expand"):
        if name in members:
            members[name] = [part.strip() for part in members[name].split(",") if part.strip()]
    if "limit" in members:
        text = members["limit"]
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise _bad_limit()
        members["limit"] = int(text)
    return read_members(members)


def read_members(members: JSON) -> ListRequest:
    """Read the JSON body of ``POST …/query``: the same members as the query string, lists as lists."""
    if not isinstance(members, dict):
        raise Problem("query.invalid", say("查询应是 JSON 对象", "A query is a JSON object"))
    for name in members:
        if name not in MEMBERS:
            hint = nearest_hint(name, MEMBERS)
            raise invalid(name, say(f"没有参数“{name}”{hint.zh}", f'There is no parameter "{name}"{hint.en}'))
    limit = members.get("limit", limits.PAGE_RECORDS_DEFAULT)
    if type(limit) is not int or not 0 <= limit <= limits.PAGE_RECORDS:
        raise _bad_limit()
    count = members.get("count", "none")
    if count not in ("none", "exact"):
        raise invalid("count", say("count 只能是 none 或 exact", "count is none or exact"))
    cursor = members.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise Problem("query.cursor")
    return ListRequest(
        filter=members.get("filter"),
        sort=_names(members, "sort", limits.SORT_KEYS),
        fields=_names(members, "fields", limits.FIELD_PATHS),
        expand=_names(members, "expand", limits.EXPAND_PATHS),
        limit=limit,
        cursor=cursor or None,
        count=count,
    )


def _bad_limit() -> Problem:
    most = limits.PAGE_RECORDS
    return invalid(
        "limit", say(f"limit 是 0 到 {most} 的整数", f"limit is a whole number from 0 to {most}"), maximum=most
    )


def _names(members: JSON, name: str, most: int) -> tuple[str, ...]:
    listed = members.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise invalid(name, say(f"{name} 是名称的列表", f"{name} is a list of names"))
    if len(listed) > most:
        raise invalid(name, say(f"{name} 最多 {most} 项", f"{name} takes at most {most} items"), maximum=most)
    return tuple(listed)


def read_filter_text(text: str) -> JSON:
    """Return a filter tree if the text is JSON, else the text itself: a formula. ``{`` also begins a field's label there."""
    start = text.lstrip()
    is_json = start[:1] == "{" and start[1:].lstrip()[:1] in ('"', "}")
    return parse_json(text) if is_json else text
