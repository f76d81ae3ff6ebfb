"""Rows of roles mean the same for Python, of a record that a write has at hand, as for the database."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest

from builder.compiled.app import CompiledEntity
from builder.compiled.computing import viewer_values
from builder.kernel.canonical import dump_json, parse_json
from builder.store.statement import Query, Unit
from formulas.tree import Tree
from runtime.access.grants import read_rows
from runtime.expressions.prepared import zone_only
from runtime.identity.actors import Actor
from runtime.query.variables import viewer
from runtime.records.ahead import Ahead, CannotAhead
from runtime.records.caller import Caller, system_caller
from runtime.records.rights import conditions_statement
from runtime.records.rights_at_hand import holds_at_hand
from runtime.records.writer import Writing, begin
from tests.support.desk import publish_definition
from tests.support.service import START, running

pytestmark = pytest.mark.anyio

JSON = Any
_SYSTEM = system_caller("request", "rest")
_OPTIONS = [{"key": key, "label": f"L{key}"} for key in ("a", "B", "c")]
_TYPES: dict[str, dict[str, str]] = {
    "top": {"name": "text", "owner": "user", "place": "department", "marks": "tags"},
    "middle": {
        "name": "text",
        "owner": "user",
        "place": "department",
        "amount": "money",
        "marks": "tags",
        "at": "datetime",
        "kinds": "multi_select",
        "stage": "select",
        "on": "date",
        "yes": "boolean",
        "made_by": "created_by",
        "span": "duration",
        "top": "reference:top",
    },
    "thing": {
        "name": "text",
        "note": "long_text",
        "count": "integer",
        "amount": "money",
        "yes": "boolean",
        "on": "date",
        "at": "datetime",
        "stage": "select",
        "kinds": "multi_select",
        "marks": "tags",
        "owner": "user",
        "crew": "multi_user",
        "place": "department",
        "made_by": "created_by",
        "turned_on": "updated_at",
        "span": "duration",
        "up": "reference:thing",
        "middle": "reference:middle",
    },
}
_RULES: tuple[JSON, ...] = (
    *("owner = CURRENTUSER()", "NOT(owner = CURRENTUSER())", "INTEAM(owner)", "NOT(INTEAM(owner))", "MANAGES(owner)"),
    *("INDEPT(place)", "NOT(INDEPT(place))", "INDEPT(owner, place)", "INDEPT(middle.place, middle.top.place)"),
    *("INAREAS(name)", "INAREAS(middle.name)", "HASROLE(name)", 'HASROLE("r")', 'HASROLE("q")', "HASROLE(stage)"),
    *("CURRENTDEPARTMENT() = place", "NOT(CURRENTDEPARTMENT() = place)", "CURRENTMANAGER() = owner"),
    *("USERDEPT(owner) = place", "USERDEPT(made_by) = CURRENTDEPARTMENT()", "USERDEPT(MANAGER(owner)) = place"),
    *("MANAGER(owner) = CURRENTUSER()", "ISBLANK(MANAGER(owner))", "INTEAM(MANAGER(owner))", "INDEPT(USERDEPT(owner))"),
    *('STARTSWITH(DEPTPATH(place), "east")', "DEPTPATH(middle.top.place) = DEPTPATH(place)"),
    *("WITHINDEPT(place, CURRENTDEPARTMENT())", "WITHINDEPT(middle.place, middle.top.place)"),
    *("COALESCE(place, CURRENTDEPARTMENT()) = CURRENTDEPARTMENT()", "INTEAM(IF(yes, owner, middle.owner))"),
    *("created_by = CURRENTUSER()", "made_by = CURRENTUSER()", 'made_by = "system"', "middle.made_by = CURRENTUSER()"),
    *("created_at = NOW()", "turned_on >= NOW()", "at > NOW()", "at <= NOW()", "on = TODAY()", "on < middle.at"),
    *("HOUR(at) = 0", "YEAR(on) = 2026", "middle.on >= TODAY()", "at > middle.at", "span > middle.span"),
    *("revision = 1", "up.revision = 1", "id = up", "up.up = id", "up.middle.owner = CURRENTUSER()"),
    *("middle.top.owner = CURRENTUSER()", "NOT(middle.top.owner = CURRENTUSER())", "ISBLANK(middle.top)"),
    *("OR(1 / count > 0, yes)", "NOT(1 / count > 0)", "IFERROR(1 / count > 0, TRUE)", "IF(1 / count > 0, yes, TRUE)"),
    *("NOT(middle.yes)", "amount <= 10.01", "amount + count > 3", "amount > middle.amount", "ISBLANK(yes)"),
    *('name = "x"', 'name <> "x"', 'name > "a"', "name = note", "LEN(name) = 1", 'UPPER(name) = "X"', 'name = ""'),
    *('stage = "B"', 'NOT(stage = "B")', "stage = middle.stage", 'middle.stage <> "B"', "ISBLANK(kinds)"),
    {"kinds": {"_has": "a"}},
    {"middle": {"kinds": {"_eq": ["B", "a"]}}},
    {"middle": {"top": {"marks": {"_has": "X"}}}},
    {"marks": {"_ne": ["x"]}},
    {"crew": {"_has": "$CURRENT_USER"}},
    {"place": {"_eq": "$CURRENT_DEPARTMENT"}},
    {"at": {"_between": ["$NOW(-1 days)", "$NOW(+1 days)"]}},
    {"on": {"_lt": "$TODAY(+1 months)"}},
    {"owner": {"_in": ["$CURRENT_USER"]}},
    {"stage": {"_nin": ["a", "B"]}},
)


def _field(key: str, type_: str) -> JSON:
    type_, _, entity = type_.partition(":")
    options = {"options": _OPTIONS} if "select" in type_ else {"entity": entity} if entity else {}
    return {"key": key, "label": key, "type": type_, **options}


def _package() -> JSON:
    entities = [
        {"key": entity, "label": entity, "fields": [_field(key, type_) for key, type_ in types.items()]}
        for entity, types in _TYPES.items()
    ]
    role = {"key": "r", "label": "r", "grants": [{"entity": "thing"}]}
    return {"app": {"key": "shop", "label": "shop"}, "entities": entities, "roles": [role]}


def _value(chance: random.Random, type_: str, known: dict[str, list[str]]) -> JSON:
    ways: dict[str, list[JSON]] = {
        "text": ["x", "X", "ä", "😀", "r", "a", "张三", None],
        "long_text": ["x", "x y", None],
        "integer": [0, 1, 5, None],
        "money": [0, "10.01", "10.02", 5, None],
        "boolean": [True, False, None],
        "date": ["2026-11-22", "2026-11-23", "1999-01-01", None],
        "datetime": ["2026-11-22T08:00:00.000Z", "2026-11-21T16:00:00.001Z", "2026-11-25T00:00:00Z", None],
        "duration": [0, 3600, 3601, None],
        "select": ["a", "B", None],
        "multi_select": [["a"], ["B", "a"], [], None],
        "tags": [["x"], ["X", "x"], [], None],
        "user": [*known["user"], None],
        "multi_user": [known["user"][:2], [], None],
        "department": [*known["department"], None],
    }
    return chance.choice(ways.get(type_) or [*known[type_.partition(":")[2]], None])


async def test_python_and_the_database_judge_alike(migrated_database_url: str, tmp_path: Any) -> None:
    chance = random.Random(7)
    async with running(migrated_database_url, files_folder=tmp_path) as service:
        records, identity = service.app.services.records, service.identity
        publish_definition(service.app.services.registry, _package())
        east = identity.departments.create_department("east", "east").id
        low = identity.departments.create_department("low", "low", east).id
        ids: list[str] = []
        for home in (east, low, None):
            user = {"username": f"p{len(ids)}", "department_id": home, "manager_id": ids[0] if ids else None}
            ids.append(identity.users.create_user(user).id)
        held = {"shop": frozenset({"r"})}
        actors = [
            Actor(ids[0], "p0", "p0", "member", None, east, roles=held, departments=(east, low), team=(*ids[:2],), reports=(*ids[1:],), areas=("x", "😀")),
            Actor(ids[1], "p1", "p1", "member", None, low, roles={"shop": frozenset({"r", "a", "x"})}, departments=(low,), team=(ids[1],), manager_id=ids[0]),
            Actor(ids[2], "p2", "p2", "member", None, None, roles=held),
        ]  # fmt: skip
        writers = [_SYSTEM, *(Caller(Actor(id_, "p", "p", "admin"), "request") for id_ in ids)]
        known: dict[str, list[str]] = {"user": ids, "department": [east, low], **{entity: [] for entity in _TYPES}}
        for entity, count in (("top", 4), ("middle", 8), ("thing", 25)):
            for _ in range(count):
                given = {k: t for k, t in _TYPES[entity].items() if not t.startswith(("created", "updated"))}
                body = {key: _value(chance, type_, known) for key, type_ in given.items()}
                made = await records.create(chance.choice(writers), "shop", entity, body)
                known[entity].append(str(made.record["id"]))
        published = (await records.current(writers[1], "shop")).whole
        thing = published.app.entities["thing"]
        rules = [read_rows(published.app, thing, rule, frozenset({"r"})) for rule in _RULES]
        for actor in actors:
            w = records.writing(published, Caller(actor, "request"))
            begin(w)
            w.course.ahead = Ahead()
            judged = await service.app.services.database.read(partial(_judge, w, thing, known["thing"], rules))
            assert judged > len(rules) * len(known["thing"]) * 0.8  # the rest is left to the database


def _judge(w: Writing, entity: CompiledEntity, ids: list[str], rules: list[Tree | None]) -> Unit[int]:
    """Judge records both ways; return how many judgements were compared."""
    wanted, judged = tuple((rule,) for rule in rules), 0
    statement = w.statements.kept(
        ("tried",), lambda dialect: conditions_statement(w.app, zone_only(w.app), entity, wanted, dialect)
    )
    moment = viewer_values(viewer(w.app, w.caller.actor, START))
    rows = yield Query(statement, {**moment, "ids": dump_json(ids).decode()})
    for record_id, *flags in rows:
        shown = parse_json((yield Query(w.statements.look(entity), {"id": str(record_id)}))[0][1])
        for text, rule, expected in zip(_RULES, rules, flags, strict=True):
            try:
                found = yield from holds_at_hand(w, entity, (rule,), shown)
            except CannotAhead:
                continue
            judged += 1
            assert found == bool(expected), (text, w.caller.actor, shown)
    return judged
