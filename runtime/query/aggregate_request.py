"""What a caller wants summed up, as syntax only: no name has been looked up yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from builder.fields.base import is_key
from builder.kernel import limits
from builder.kernel.canonical import as_integer, parse_json
from builder.kernel.problems import Problem, nearest_hint
from builder.kernel.text import say
from runtime.query.brackets import set_bracket
from runtime.query.problems import invalid, unknown_member
from runtime.query.request import read_filter_text

JSON = Any

MEMBERS = ("filter", "group_by", "measures", "having", "sort", "limit", "totals", "labels")
BUCKETS = ("day", "week", "month", "quarter", "year")
FUNCTIONS = ("count", "count_distinct", "sum", "avg", "min", "max", "median", "share")
EVERY_RECORD = "*"
_TREES = ("filter", "having", "measures")


@dataclass(frozen=True)
class Group:
    """One key of the groups."""

    path: str
    bucket: str | None
    name: str
    """The member of an answer that holds it."""
    pointer: str


@dataclass(frozen=True)
class Measure:
    """One number asked of each group."""

    name: str
    function: str
    of: str
    """A field path, ``*``, or for a share the name of another measure."""

    @property
    def pointer(self) -> str:
        """Where it stands in the request."""
        return f"/measures/{self.name}/{self.function}"


@dataclass(frozen=True)
class AggregateRequest:
    """A question for groups of records and their measures."""

    filter: JSON = None
    group_by: tuple[Group, ...] = ()
    measures: tuple[Measure, ...] = ()
    having: JSON = None
    sort: tuple[str, ...] = ()
    limit: int = limits.GROUPS_DEFAULT
    totals: bool = False
    labels: bool = False


def read_aggregate_string(pairs: Iterable[tuple[str, str]]) -> AggregateRequest:
    """Read ``group_by=region,created_at:month&measures[total][sum]=budget&sort=-total&totals=true``.

    Raises:
        Problem: ``query.invalid`` for an unknown or repeated parameter or a value of the wrong form.
    """
    members: dict[str, JSON] = {}
    for name, value in pairs:
        member = name.partition("[")[0]
        if member != name and member in _TREES:
            tree = members.setdefault(member, {})
            if not isinstance(tree, dict):
                raise invalid(
                    member, say(f"{member} 与 {member}[…] 不能同时使用", f"Use either {member} or {member}[…]")
                )
            set_bracket(tree, member, name, value)
            continue
        if name in members:
            raise invalid(name[:100], say(f"参数“{name[:100]}”重复", f'The parameter "{name[:100]}" is given twice'))
        members[name] = _read_text(name, value)
    return read_aggregate(members)


def _read_text(name: str, value: str) -> JSON:
    if name == "filter":
        return read_filter_text(value)
    if name in _TREES:
        if value.lstrip()[:1] != "{":
            raise invalid(name, say(f"{name} 是 JSON 对象", f"{name} is a JSON object"))
        return parse_json(value)
    if name in ("group_by", "sort"):
        return [part.strip() for part in value.split(",") if part.strip()]
    if name == "limit" and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if name in ("totals", "labels") and value in ("true", "false"):
        return value == "true"
    return value


def read_aggregate(members: JSON) -> AggregateRequest:
    """Read the JSON body of ``POST …/aggregate``.

    Raises:
        Problem: ``query.invalid``.
    """
    if not isinstance(members, dict):
        raise Problem("query.invalid", say("汇总请求应是 JSON 对象", "A request for aggregates is a JSON object"))
    for name in members:
        if name not in MEMBERS:
            raise unknown_member(name, MEMBERS)
    limit = as_integer(members.get("limit", limits.GROUPS_DEFAULT))
    if type(limit) is not int or not 0 <= limit <= limits.GROUPS:
        most = limits.GROUPS
        text = say(f"limit 是 0 到 {most} 的整数", f"limit is a whole number from 0 to {most}")
        raise invalid("limit", text, maximum=most)
    for name in ("totals", "labels"):
        if not isinstance(members.get(name, False), bool):
            raise invalid(name, say(f"{name} 是 true 或 false", f"{name} is true or false"))
    groups = _read_groups(members.get("group_by", []))
    measures = _read_measures(members.get("measures", {}))
    _refuse_same_names(groups, measures)
    return AggregateRequest(
        filter=members.get("filter"),
        group_by=groups,
        measures=measures,
        having=members.get("having"),
        sort=_read_sort(members.get("sort", [])),
        limit=limit,
        totals=members.get("totals", False),
        labels=members.get("labels", False),
    )


def _read_sort(given: JSON) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise invalid("sort", say("sort 是名称的列表", "sort is a list of names"))
    if len(given) > limits.SORT_KEYS:
        most = limits.SORT_KEYS
        raise invalid("sort", say(f"sort 最多 {most} 项", f"sort takes at most {most} items"), maximum=most)
    return tuple(given)


def _read_groups(given: JSON) -> tuple[Group, ...]:
    if not isinstance(given, list):
        raise invalid("group_by", say("group_by 是列表", "group_by is a list"))
    if len(given) > limits.GROUP_KEYS:
        most = limits.GROUP_KEYS
        raise invalid("group_by", say(f"group_by 最多 {most} 项", f"group_by takes at most {most} items"), maximum=most)
    return tuple(_read_group(item, place) for place, item in enumerate(given))


def _read_group(item: JSON, place: int) -> Group:
    where = f"group_by/{place}"
    if isinstance(item, str):
        path, colon, bucket = item.partition(":")
        return Group(path, _bucket(bucket, where) if colon else None, item, f"/{where}")
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        form = '"customer.region" / {"path": "created_at", "bucket": "month"}'
        raise invalid(where, say(f"分组写成 {form}", f"Write a group as {form}"))
    for name in item:
        if name not in ("path", "bucket", "as"):
            raise unknown_member(name, ("path", "bucket", "as"), f"{where}/")
    kind = None if item.get("bucket") is None else _bucket(item["bucket"], f"{where}/bucket")
    name = item.get("as", f"{item['path']}:{kind}" if kind else item["path"])
    if not isinstance(name, str) or ("as" in item and not is_key(name)):
        raise _no_key(f"{where}/as")
    return Group(item["path"], kind, name, f"/{where}/path")


def _bucket(given: JSON, where: str) -> str:
    if isinstance(given, str) and given in BUCKETS:
        return given
    listed = ", ".join(BUCKETS)
    hint = nearest_hint(str(given)[:100], BUCKETS)
    raise invalid(where, say(f"bucket 应是其中之一:{listed}{hint.zh}", f"bucket is one of: {listed}{hint.en}"))


def _read_measures(given: JSON) -> tuple[Measure, ...]:
    if not isinstance(given, dict):
        form = '{"total": {"sum": "budget"}}'
        raise invalid("measures", say(f"measures 写成 {form}", f"Write measures as {form}"))
    if len(given) > limits.MEASURES:
        most = limits.MEASURES
        raise invalid("measures", say(f"最多 {most} 个度量", f"At most {most} measures"), maximum=most)
    return tuple(_read_measure(name, measure) for name, measure in given.items())


def _read_measure(name: str, measure: JSON) -> Measure:
    if not is_key(name):
        raise _no_key("measures")
    if not isinstance(measure, dict) or len(measure) != 1:
        form = '{"sum": "budget"}'
        raise invalid(f"measures/{name}", say(f"度量写成 {form}", f"Write a measure as {form}"))
    function, of = next(iter(measure.items()))
    if function not in FUNCTIONS:
        shown, hint = function[:100], nearest_hint(function, FUNCTIONS)
        text = say(f"没有度量“{shown}”{hint.zh}", f'There is no measure "{shown}"{hint.en}')
        raise invalid(f"measures/{name}", text)
    if not isinstance(of, str) or not of:
        text = say("这里应是字段路径", "Expected the path of a field")
        raise invalid(f"measures/{name}/{function}", text)
    return Measure(name, function, of)


def _no_key(where: str) -> Problem:
    text = say(
        "名称由小写字母开头,只含小写字母、数字和下划线,最多 40 个字符",
        "A name starts with a small letter and has small letters, digits and underscores, 40 at most",
    )
    return invalid(where, text)


def _refuse_same_names(groups: tuple[Group, ...], measures: tuple[Measure, ...]) -> None:
    names: set[str] = set()
    for name in (*(group.name for group in groups), *(measure.name for measure in measures)):
        if name in names:
            shown = name[:100]
            raise invalid("group_by", say(f"名称“{shown}”出现两次", f'The name "{shown}" is given twice'))
        names.add(name)
