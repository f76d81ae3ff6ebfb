"""``…/batch`` and writes by filter: bodies to orders, outcomes to answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, get_args

from builder.compiled.app import CompiledEntity
from builder.kernel.canonical import dump_json
from builder.kernel.limits import BATCH_RECORDS
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import Language, say
from builder.registry.registry import PublishedApp
from runtime.api.http import parse_query, request_language
from runtime.api.problems import problem_document
from runtime.api.writes import MINIMAL, carry, read_dry_run
from runtime.query.request import read_query_string
from runtime.records.batches import Mode, Row
from runtime.records.caller import Reply
from runtime.records.orders import Order, Verb, unique_set
from runtime.records.targets import target_entity

if TYPE_CHECKING:
    from runtime.api.records import Exchange

JSON = Any
_MEMBERS: Mapping[str, type] = {"create": list, "update": list, "upsert": dict, "delete": list, "mode": str}
_ITEM: Mapping[Verb, frozenset[str]] = {
    "create": frozenset({"verb", "entity", "name", "record"}),
    "update": frozenset({"verb", "entity", "name", "id", "record", "if_match"}),
    "upsert": frozenset({"verb", "entity", "name", "by", "record"}),
    "delete": frozenset({"verb", "entity", "id", "if_match"}),
}
_NAME_LENGTH = 100


class _Plan(NamedTuple):
    """An order whose entity has not been looked up."""

    verb: Verb
    entity: str
    pointer: str
    body: JSON = None
    id: JSON = None
    if_match: int | None = None
    by: tuple[str, ...] = ()
    name: str | None = None


async def batch_of_entity(x: Exchange) -> None:
    """``POST …/records/{entity}/batch``."""
    dry_run, _ = read_dry_run(x)
    plans, mode = _read_entity_batch(x.entity, await x.json())
    await _carry_out(x, plans, mode, dry_run=dry_run)


async def batch(x: Exchange) -> None:
    """``POST /api/{app}/batch``: items of any entity that may refer to each other."""
    dry_run, _ = read_dry_run(x)
    plans, mode = _read_items(await x.json())
    await _carry_out(x, plans, mode, dry_run=dry_run)


async def update_where(x: Exchange) -> None:
    """``PATCH …/records/{entity}?filter=…&max_affected=…``."""
    body = await x.json()
    if not isinstance(body, dict):
        raise _malformed("", say("修改应是 JSON 对象", "A change is a JSON object"))
    await _carry_out_where(x, "update", body)


async def delete_where(x: Exchange) -> None:
    """``DELETE …/records/{entity}?filter=…&max_affected=…``."""
    await _carry_out_where(x, "delete", None)


async def _carry_out(x: Exchange, plans: Sequence[_Plan], mode: Mode, *, dry_run: bool) -> None:
    def orders(published: PublishedApp) -> list[Order]:
        return _orders(published, plans)

    created = bool(plans) and all(plan.verb == "create" for plan in plans) and mode == "all"
    await carry(
        x,
        lambda caller: x.api.batches.carry_out(caller, x.app, orders, mode, brief=x.wants_nothing_back()),
        lambda rows: _reply(x, rows, 201 if created else 200),
        dry_run=dry_run,
        door="batch",
    )


async def _carry_out_where(x: Exchange, verb: Verb, body: JSON) -> None:
    pairs = parse_query(x.scope)
    own = {name: value for name, value in pairs if name in ("max_affected", "mode", "dry_run")}
    asked = read_query_string([(name, value) for name, value in pairs if name not in own])
    if asked.given - {"filter"}:
        raise Problem("query.invalid", say("按筛选写入只接受 filter", "A write by filter takes only filter"))
    if asked.filter is None or asked.filter == {}:
        text = say(
            "请给出 filter;要处理全部记录,请写恒真的条件",
            "Give a filter; to reach all records, one that is always true",
        )
        raise Problem("query.invalid", text)
    mode, at_most = _mode(own.get("mode", "all")), _at_most(own.get("max_affected"))
    if own.get("dry_run", "false") not in ("true", "false"):
        raise Problem("query.invalid", say("dry_run 只能是 true 或 false", "dry_run is true or false"))
    await carry(
        x,
        lambda caller: x.api.batches.carry_out_where(
            caller, x.app, x.entity, asked.filter, body, verb=verb, at_most=at_most, mode=mode
        ),
        lambda rows: _reply(x, rows, 200),
        dry_run=own.get("dry_run") == "true",
        door="batch",
    )


def _at_most(text: str | None) -> int:
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= BATCH_RECORDS):
        words = say(
            f"max_affected 必填,1 到 {BATCH_RECORDS}:最多允许影响多少条记录",
            f"max_affected is required, 1 to {BATCH_RECORDS}: how many records may be affected at most",
        )
        raise Problem("query.invalid", words)
    return int(text)


# -- bodies ---------------------------------------------------------------------------------------------------------------


def _read_entity_batch(entity: str, body: JSON) -> tuple[list[_Plan], Mode]:
    if not isinstance(body, dict) or not body:
        shape = '{"create": [{…}], "update": [{"id": …, …}], "upsert": {"by": […], "records": […]}, "delete": [id], "mode": "all"}'
        raise _malformed("", say(f"批量请求应形如 {shape}", f"A batch is {shape}"))
    for key, value in body.items():
        if key not in _MEMBERS:
            hint = nearest_hint(str(key)[:_NAME_LENGTH], _MEMBERS)
            raise _malformed("", say(f"批量请求没有“{key[:100]}”{hint.zh}", f'A batch has no "{key[:100]}"{hint.en}'))
        if not isinstance(value, _MEMBERS[key]):
            raise _malformed(f"/{key}", say("类型不对", "This has the wrong type"))
    plans = [_Plan("create", entity, f"/create/{n}", row) for n, row in enumerate(body.get("create", ()))]
    plans += [_update_plan(entity, row, f"/update/{n}") for n, row in enumerate(body.get("update", ()))]
    upsert = body.get("upsert")
    if upsert is not None:
        if set(upsert) != {"by", "records"} or not isinstance(upsert["records"], list):
            raise _malformed("/upsert", say("应有 by 和 records", "This has by and records"))
        by = _keys(upsert["by"], "/upsert/by")
        plans += [
            _Plan("upsert", entity, f"/upsert/records/{n}", row, by=by) for n, row in enumerate(upsert["records"])
        ]
    plans += [_delete_plan(entity, row, f"/delete/{n}") for n, row in enumerate(body.get("delete", ()))]
    return plans, _mode(body.get("mode", "all"))


def _update_plan(entity: str, row: JSON, pointer: str) -> _Plan:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise _malformed(pointer, say("应是带 id 的 JSON 对象", "This is a JSON object with an id"))
    fields = {key: value for key, value in row.items() if key != "if_match"}
    return _Plan("update", entity, pointer, fields, row["id"], _revision(row.get("if_match"), pointer))


def _delete_plan(entity: str, row: JSON, pointer: str) -> _Plan:
    if isinstance(row, dict) and "id" in row and set(row) <= {"id", "if_match"}:
        return _Plan("delete", entity, pointer, None, row["id"], _revision(row.get("if_match"), pointer))
    if not isinstance(row, str):
        raise _malformed(
            pointer,
            say(
                '应是记录编号,或 {"id": …, "if_match": 修订号}',
                'This is the id of a record, or {"id": …, "if_match": revision}',
            ),
        )
    return _Plan("delete", entity, pointer, None, row)


def _read_items(body: JSON) -> tuple[list[_Plan], Mode]:
    if not isinstance(body, dict) or not set(body) <= {"items", "mode"} or not isinstance(body.get("items"), list):
        shape = '{"items": [{"verb": "create", "entity": …, "record": {…}}], "mode": "all"}'
        raise _malformed("", say(f"批量请求应形如 {shape}", f"A batch is {shape}"))
    plans: list[_Plan] = []
    names: set[str] = set()
    for place, item in enumerate(body["items"]):
        plan = _read_item(item, f"/items/{place}")
        if plan.name is not None and plan.name in names:
            raise _malformed(f"/items/{place}/name", say("名称重复", "This name is used twice"))
        if plan.name is not None:
            names.add(plan.name)
        plans.append(plan)
    return plans, _mode(body.get("mode", "all"))


def _read_item(item: JSON, pointer: str) -> _Plan:
    verb = item.get("verb") if isinstance(item, dict) else None
    if not isinstance(verb, str) or verb not in get_args(Verb):
        words = ", ".join(get_args(Verb))
        raise _malformed(f"{pointer}/verb", say(f"verb 应是其中之一:{words}", f"verb is one of: {words}"))
    known = _ITEM[cast("Verb", verb)]
    for key in item:
        if key not in known:
            words = ", ".join(sorted(known))
            raise _malformed(pointer, say(f"{verb} 只有:{words}", f"{verb} has only: {words}"))
    entity, name = item.get("entity"), item.get("name")
    if not isinstance(entity, str):
        raise _malformed(f"{pointer}/entity", say("缺少实体", "The entity is missing"))
    if name is not None and not (isinstance(name, str) and 0 < len(name) <= _NAME_LENGTH):
        raise _malformed(f"{pointer}/name", say("名称应是文本", "A name is text"))
    if verb != "delete" and not isinstance(item.get("record"), dict):
        raise _malformed(f"{pointer}/record", say("应是 JSON 对象", "This is a JSON object"))
    if verb in ("update", "delete") and item.get("id") is None:
        raise _malformed(f"{pointer}/id", say("缺少记录编号", "The id of the record is missing"))
    return _Plan(
        cast("Verb", verb),
        entity,
        f"{pointer}/record" if verb != "delete" else pointer,
        item.get("record"),
        item.get("id"),
        _revision(item.get("if_match"), pointer),
        _keys(item.get("by"), f"{pointer}/by") if verb == "upsert" else (),
        name,
    )


def _keys(given: JSON, pointer: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not all(isinstance(key, str) for key in given):
        raise _malformed(pointer, say("应是字段键的列表", "This is a list of field keys"))
    return tuple(given)


def _revision(given: JSON, pointer: str) -> int | None:
    if given is not None and type(given) is not int:
        raise _malformed(f"{pointer}/if_match", say("应是修订号", "This is a revision"))
    return given


def _mode(given: JSON) -> Mode:
    if not isinstance(given, str) or given not in get_args(Mode):
        raise _malformed("/mode", say("mode 只能是 all 或 partial", "mode is all or partial"))
    return cast("Mode", given)


def _malformed(pointer: str, message: Any) -> Problem:
    return Problem("request.malformed", message, violations=[Violation("type", pointer, message)] if pointer else ())


def _orders(published: PublishedApp, plans: Sequence[_Plan]) -> list[Order]:
    entities = {key: target_entity(published, key) for key in dict.fromkeys(plan.entity for plan in plans)}
    return [_order(published, entities[plan.entity], plan) for plan in plans]


def _order(published: PublishedApp, entity: CompiledEntity, plan: _Plan) -> Order:
    by = unique_set(published, entity, plan.by) if plan.by else ()
    # what others refer to is given an id
    body = dict(plan.body) if plan.name is not None and isinstance(plan.body, dict) else plan.body
    return Order(plan.verb, entity, plan.pointer, body, plan.id, plan.if_match, by, plan.name)


# -- answers --------------------------------------------------------------------------------------------------------------

_COUNTED: tuple[Literal["created", "updated", "unchanged", "deleted", "refused"], ...] = (
    "created",
    "updated",
    "unchanged",
    "deleted",
    "refused",
)


def _reply(x: Exchange, rows: Sequence[Row], status: int) -> Reply:
    language = request_language(x.scope, x.api.language)
    meta = dict.fromkeys((f"{deed}_count" for deed in _COUNTED), 0)
    shown: list[bytes] = []
    brief = x.wants_nothing_back()
    for place, row in enumerate(rows):
        deed = "refused" if isinstance(row.outcome, Problem) else row.outcome.deed
        meta[f"{deed}_count"] += 1
        if not brief or deed == "refused":
            shown.append(_row(x, place, row, language))
    headers = (("content-type", "application/json"), ("vary", "Accept-Language"), *((MINIMAL,) if brief else ()))
    return Reply(status, headers, b'{"data":[' + b",".join(shown) + b'],"meta":' + dump_json(meta) + b"}")


def _row(x: Exchange, place: int, row: Row, language: Language) -> bytes:
    outcome = row.outcome
    if isinstance(outcome, Problem):
        document = problem_document(outcome, language, x.caller.request_id)
        return dump_json({"place": place, "deed": "refused", "problem": document})
    known = {"place": place, "deed": outcome.deed, "entity": outcome.entity.key, "id": outcome.record_id}
    if row.written is None:
        return dump_json(known)
    known["revision"] = row.written.revision
    return dump_json(known)[:-1] + b',"record":' + row.written.body + b"}"
