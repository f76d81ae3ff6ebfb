"""What a caller asked for, as syntax only: no name has been looked up yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from builder.kernel import limits
from builder.kernel.canonical import as_integer, parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.query.brackets import lists_of, set_bracket
from runtime.query.problems import invalid, repeated, unknown_member

JSON = Any
Count = Literal["none", "exact", "estimated"]

EXPAND_MEMBERS = ("path", "filter", "sort", "limit", "fields", "expand")
MEMBERS = ("filter", "sort", "fields", "expand", "limit", "cursor", "page", "count", "search", "view")


@dataclass(frozen=True)
class ExpandRequest:
    """A relation to show, with what is asked of its records."""

    path: str
    pointer: str
    filter: JSON = None
    sort: tuple[str, ...] = ()
    limit: int | None = None
    fields: tuple[str, ...] = ()
    expand: tuple[ExpandRequest, ...] = ()


@dataclass(frozen=True)
class ListRequest:
    """A question for a list of records."""

    filter: JSON = None
    sort: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    rows: tuple[ExpandRequest, ...] = ()
    """The members of ``expand`` that say more than a path."""
    limit: int = limits.PAGE_RECORDS_DEFAULT
    cursor: str | None = None
    page: int | None = None
    """The number of the page, from 1; instead of a cursor."""
    count: Count = "none"
    search: str | None = None
    """Words that the texts of a record hold."""
    view: str | None = None
    """The view that says what the request does not."""
    given: frozenset[str] = field(default=frozenset(), compare=False)
    """The members that the request itself has."""
    text: bytes = field(default=b"", compare=False)
    """The query string it was read from: what is made of it may be kept by that."""


def read_query_string(pairs: Iterable[tuple[str, str]]) -> ListRequest:
    """Read ``filter=…&sort=-a,b&fields=…&expand=…&limit=…&cursor=…&page=…&count=exact``.

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
            raise repeated(name)
        members[name] = value
    if brackets:
        if "filter" in members:
            raise invalid("filter", say("filter 与 filter[…] 不能同时使用", "Use either filter or filter[…]"))
        members["filter"] = lists_of(brackets)
    elif isinstance(members.get("filter"), str):
        members["filter"] = read_filter_text(members["filter"])
    for name in ("sort", "fields", "expand"):
        if name in members:
            members[name] = [part.strip() for part in members[name].split(",") if part.strip()]
    for name, bad in (("limit", _bad_limit), ("page", _bad_page)):
        if name in members:
            text = members[name]
            if not (text.isascii() and text.isdigit() and len(text) < 10):
                raise bad()
            members[name] = int(text)
    return read_members(members)


def read_members(members: JSON) -> ListRequest:
    """Read the JSON body of ``POST …/query``: the same members as the query string, lists as lists."""
    if not isinstance(members, dict):
        raise Problem("query.invalid", say("查询应是 JSON 对象", "A query is a JSON object"))
    for name in members:
        if name not in MEMBERS:
            raise unknown_member(name, MEMBERS)
    limit = as_integer(members.get("limit", limits.PAGE_RECORDS_DEFAULT))
    if type(limit) is not int or not 0 <= limit <= limits.PAGE_RECORDS:
        raise _bad_limit()
    count = members.get("count", "none")
    if not isinstance(count, str) or count not in get_args(Count):
        words = "none, exact, estimated"
        raise invalid("count", say(f"count 应是其中之一:{words}", f"count is one of: {words}"))
    cursor = members.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise Problem("query.cursor")
    page = as_integer(members.get("page"))
    if page is not None and (type(page) is not int or page < 1):
        raise _bad_page()
    if page is not None and cursor:
        raise invalid("page", say("page 与 cursor 不能同时使用", "Use either page or cursor"))
    search = members.get("search")
    if search is not None and not isinstance(search, str):
        raise invalid("search", say("search 是文本", "search is text"))
    view = members.get("view")
    if view is not None and not isinstance(view, str):
        raise invalid("view", say("view 是视图的键或编号", "view is the key or id of a view"))
    rows = _read_rows(members.get("expand"), "expand", 0)
    return ListRequest(
        filter=members.get("filter"),
        sort=_names(members, "sort", limits.SORT_KEYS),
        fields=_names(members, "fields", limits.FIELD_PATHS),
        expand=() if rows else _names(members, "expand", limits.EXPAND_PATHS),
        rows=rows,
        limit=limit,
        cursor=cursor or None,
        page=page,
        count=cast("Count", count),
        search=search,
        view=view,
        given=frozenset(members),
    )


def read_parameters(pairs: Iterable[tuple[str, str]], known: Collection[str]) -> dict[str, str]:
    """Read plain parameters, each at most once.

    Raises:
        Problem: ``query.invalid`` for an unknown or repeated one.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise unknown_member(name, known)
        if name in found:
            raise repeated(name)
        found[name] = value
    return found


def _bad_limit() -> Problem:
    most = limits.PAGE_RECORDS
    return invalid(
        "limit", say(f"limit 是 0 到 {most} 的整数", f"limit is a whole number from 0 to {most}"), maximum=most
    )


def _bad_page() -> Problem:
    return invalid("page", say("page 是从 1 开始的整数", "page is a whole number from 1"))


def _names(members: JSON, name: str, most: int, where: str = "") -> tuple[str, ...]:
    listed = members.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise invalid(f"{where}{name}", say(f"{name} 是名称的列表", f"{name} is a list of names"))
    if len(listed) > most:
        raise invalid(
            f"{where}{name}", say(f"{name} 最多 {most} 项", f"{name} takes at most {most} items"), maximum=most
        )
    return tuple(listed)


def _read_rows(given: JSON, where: str, depth: int) -> tuple[ExpandRequest, ...]:
    """Read ``expand`` where any of it is an object; nothing if it is only paths."""
    if not isinstance(given, list) or not (depth or any(isinstance(item, dict) for item in given)):
        return ()
    if len(given) > limits.EXPAND_PATHS or depth > limits.EXPAND_DEPTH:
        most = limits.EXPAND_PATHS if depth <= limits.EXPAND_DEPTH else limits.EXPAND_DEPTH
        text = say(
            f"expand 最多 {limits.EXPAND_PATHS} 项、{limits.EXPAND_DEPTH} 层",
            f"expand takes at most {limits.EXPAND_PATHS} items, {limits.EXPAND_DEPTH} deep",
        )
        raise invalid(where, text, maximum=most)
    return tuple(_read_expand(item, f"{where}/{place}", depth) for place, item in enumerate(given))


def _read_expand(item: JSON, where: str, depth: int) -> ExpandRequest:
    if isinstance(item, str):
        return ExpandRequest(item, f"/{where}")
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        form = '"customer" / {"path": "payments", "limit": 5}'
        raise invalid(where, say(f"展开写成 {form}", f"Write what to expand as {form}"))
    for name in item:
        if name not in EXPAND_MEMBERS:
            raise unknown_member(name, EXPAND_MEMBERS, f"{where}/")
    limit = item.get("limit")
    if limit is not None and (type(limit) is not int or not 0 <= limit <= limits.CHILD_RECORDS):
        most = limits.CHILD_RECORDS
        text = say(f"limit 是 0 到 {most} 的整数", f"limit is a whole number from 0 to {most}")
        raise invalid(f"{where}/limit", text, maximum=most)
    inner = item.get("expand", [])
    if not isinstance(inner, list):
        raise invalid(f"{where}/expand", say("expand 是列表", "expand is a list"))
    return ExpandRequest(
        item["path"],
        f"/{where}",
        item.get("filter"),
        _names(item, "sort", limits.SORT_KEYS, f"{where}/"),
        limit,
        _names(item, "fields", limits.FIELD_PATHS, f"{where}/"),
        _read_rows(inner, f"{where}/expand", depth + 1) if inner else (),
    )


def read_filter_text(text: str) -> JSON:
    """Return a filter tree if the text is JSON, else the text itself: a formula. ``{`` also begins a field's label there."""
    start = text.lstrip()
    is_json = start[:1] == "{" and start[1:].lstrip()[:1] in ('"', "}")
    return parse_json(text) if is_json else text
