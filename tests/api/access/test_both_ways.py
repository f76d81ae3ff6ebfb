"""What people with roles write ahead of a transaction is refused, followed and told as in one: cases in which it was not."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from builder.fields import BY_TYPE
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem
from runtime.records import service
from runtime.records.ahead import Attempts
from runtime.records.alone import write_ahead
from runtime.records.caller import Caller, StaleIdentity, system_caller
from tests.support import every_field
from tests.support.desk import publish_definition
from tests.support.service import Service, running

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("dialect", ["postgresql"])]

JSON = Any
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EVERYTHING = ["read", "create", "update"]
_SYSTEM = system_caller("request", "rest")


class _Desk:
    """An instance with people, and what they were told."""

    def __init__(self, app: Service) -> None:
        self.app = app
        self.records = app.app.services.records
        self.people: dict[str, Caller] = {}
        self.told: list[str] = []

    async def fill(self, people: Mapping[str, str]) -> None:
        """Make people, each with a role."""
        users = {name: self.app.add_user(name) for name in people}
        for name, role in people.items():
            self.app.identity.grants.give("shop", role, "user", users[name].id)
        for name, user in users.items():
            known = await self.app.app.services.authenticator.see_as(user.id)
            assert known is not None
            self.people[name] = Caller(known.actor, "request", "rest", known.epoch)

    def id_of(self, name: str) -> str:
        return str(self.people[name].actor_id)

    async def make(self, entity: str, **body: JSON) -> str:
        """Create a record as the system."""
        return str((await self.records.create(_SYSTEM, "shop", entity, body)).record["id"])

    async def create(self, name: str, entity: str, /, **body: JSON) -> None:
        await self._tell(name, entity, self.records.create(self.people[name], "shop", entity, body))

    async def update(self, name: str, entity: str, record_id: str, /, **body: JSON) -> None:
        await self._tell(name, entity, self.records.update(self.people[name], "shop", entity, record_id, body, None))

    def named(self) -> list[str]:
        """What was told, with names in place of ids."""
        names = {self.id_of(name): name for name in self.people}
        return [_ID.sub(lambda found: names.setdefault(found[0], f"id{len(names)}"), each) for each in self.told]

    async def _tell(self, name: str, entity: str, write: Awaitable[Any]) -> None:
        try:
            written = await write
        except Problem as problem:
            self.told.append(problem.code)
            return
        self.told.append(dump_json(parse_json(written.body)).decode())  # PostgreSQL spaces objects
        if len(written.record) > len(("id", "revision")):
            read = await self.records.get(self.people[name], "shop", entity, str(written.record["id"]))
            assert parse_json(written.body) == parse_json(read.body)
        self.told.append((await self.records.get(_SYSTEM, "shop", entity, str(written.record["id"]))).body.decode())


def _field(key: str, type_: str = "text", **more: JSON) -> JSON:
    return {"key": key, "type": type_, "label": key, **more}


def _package(entities: Mapping[str, list[JSON]], grants: Mapping[str, list[JSON]], *automations: JSON) -> JSON:
    return {
        "app": {"key": "shop", "label": "shop"},
        "entities": [{"key": key, "label": key, "fields": fields} for key, fields in entities.items()],
        "roles": [{"key": key, "label": key, "grants": listed} for key, listed in grants.items()],
        "automations": [{"label": each["key"], **each} for each in automations],
    }


def _sets(key: str, trigger: JSON, name: str, **more: JSON) -> JSON:
    setting = {"type": "set_fields", "set": [{"field": name, "value": key}]}
    return {"key": key, "entity": "deal", "trigger": trigger, "actions": [setting], **more}


@pytest.fixture
def play(migrated_database_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Play something ahead, and then in transactions: what everybody is told is the same. Returns that, with names for ids, and how often it was ahead."""
    ahead: list[bool] = []

    async def counting(*given: Any) -> Any:
        written = await write_ahead(*given)
        ahead.append(written is not None)
        return written

    async def run(
        package: JSON, people: Mapping[str, str], story: Callable[[_Desk], Awaitable[None]]
    ) -> tuple[list[str], int]:
        monkeypatch.setattr(service, "write_ahead", counting)
        monkeypatch.setattr("runtime.records.ahead.PAUSE", 0)
        told: list[list[str]] = []
        async with running(migrated_database_url, files_folder=tmp_path) as app:
            publish_definition(app.app.services.registry, package)
            desk = _Desk(app)
            await desk.fill(people)
            for way in ("ahead", "long"):
                if way == "long":
                    monkeypatch.setattr(Attempts, "worth", lambda *_: False)
                desk.told = []
                await story(desk)
                told.append(desk.named())
        assert told[0] == told[1]
        return told[0], sum(ahead)

    return run


async def test_nobody_gives_themselves_a_right_by_the_very_change_that_needs_it(play: Any) -> None:
    """Defaults that look something up see a record as it will be; a right is judged by the one that points to itself as it is."""
    deal = [
        _field("name"),
        _field("owner", "user"),
        _field("amount", "integer"),
        _field("up", "reference", entity="deal"),
    ]
    deal.append(_field("above", default_formula="up.name"))
    changes = {"entity": "deal", "rows": "up.owner = CURRENTUSER()", "after": "amount > 0", "may": ["update"]}
    package = _package({"deal": deal}, {"seller": [{"entity": "deal"}, {**changes, "writable": ["owner", "name"]}]})

    async def story(desk: _Desk) -> None:
        one = await desk.make("deal", name="a", amount=5, owner=desk.id_of("bob"))
        await desk.records.update(_SYSTEM, "shop", "deal", one, {"up": one}, None)
        await desk.update("ann", "deal", one, owner=desk.id_of("ann"))

    told, _ = await play(package, {"ann": "seller", "bob": "seller"}, story)
    assert told == ["access.denied"]


async def test_rows_of_children_are_judged_by_their_parent_as_it_is(play: Any) -> None:
    order = [_field("owner", "user"), _field("lines", "children", entity="line", via="order")]
    line = [
        _field("text"),
        _field("order", "reference", entity="order"),
        _field("who", "user", default_formula="order.owner"),
    ]
    changes = {"entity": "line", "rows": "order.owner = CURRENTUSER()", "after": 'text <> "no"', "may": ["update"]}
    grants = [{"entity": "order", "may": _EVERYTHING}, {"entity": "line"}, {**changes, "writable": ["text"]}]

    async def story(desk: _Desk) -> None:
        one = await desk.make("order", owner=desk.id_of("bob"))
        child = await desk.make("line", text="x", order=one)
        await desk.update("ann", "order", one, owner=desk.id_of("ann"), lines=[{"id": child, "text": "y"}])

    told, _ = await play(
        _package({"order": order, "line": line}, {"seller": grants}), {"ann": "seller", "bob": "seller"}, story
    )
    assert told == ["access.denied"]


async def test_an_automation_in_somebody_s_name_reaches_only_what_they_see(play: Any) -> None:
    deal = [_field("name"), _field("owner", "user"), _field("done"), _field("amount", "integer")]
    owner = [{"entity": "deal", "rows": "amount > 100"}, {"entity": "deal", "may": ["update"], "writable": ["done"]}]
    renamed = {"type": "changed", "changes": [{"field": "name"}]}
    package = _package(
        {"deal": deal},
        {"seller": [{"entity": "deal", "may": _EVERYTHING}], "owner": owner},
        _sets("made", {"type": "created"}, "done", run_as="owner", owner="owner"),
        _sets("renamed", renamed, "done", run_as="owner", owner="owner"),
    )

    async def story(desk: _Desk) -> None:
        for amount in (500, 5):
            await desk.create("ann", "deal", amount=amount, owner=desk.id_of("bob"))
        one = await desk.make("deal", amount=5)
        await desk.update("ann", "deal", one, owner=desk.id_of("bob"), name="new")

    told, ahead = await play(package, {"ann": "seller", "bob": "owner"}, story)
    assert [one.partition('"done":')[2].partition(",")[0] for one in told[::2]] == ['"made"', "null", '"made"']
    assert ahead


async def test_fields_that_show_who_changed_a_record_and_when_are_told(play: Any) -> None:
    deal = [
        _field("name"),
        _field("by", "created_by"),
        _field("on", "updated_at"),
        _field("who", "updated_by"),
        _field("done"),
    ]
    seller = [{"entity": "deal", "may": _EVERYTHING, "rows": 'name <> "c"', "after": "TRUE"}]
    seller.append({"entity": "deal", "fields": ["name", "on"]})
    package = _package(
        {"deal": deal},
        {"seller": seller},
        _sets("made", {"type": "created"}, "done"),
        _sets("renamed", {"type": "changed", "changes": [{"field": "name"}]}, "done", condition='name = "b"'),
    )

    async def story(desk: _Desk) -> None:
        await desk.create("ann", "deal", name="a")
        one = await desk.make("deal", name="a")
        desk.app.clock.advance(timedelta(minutes=1))
        await desk.update("ann", "deal", one, name="b")
        await desk.update("ann", "deal", one, name="c")
        desk.told = [re.sub(r"\d{4}-[-0-9T:.]+Z", "then", each) for each in desk.told]

    told, ahead = await play(package, {"ann": "seller"}, story)
    assert ahead == 4  # with those of the system
    assert '"by":"ann","on":"then","who":"system","done":"made"' in told[0]
    assert '"by":"system","on":"then","who":"system","done":"renamed"' in told[2]
    assert '"by":null,"on":"then","who":null,"done":null' in told[4]


@pytest.mark.parametrize(
    "rule", ["place = CURRENTDEPARTMENT()", "chief = CURRENTMANAGER()", "USERDEPT(owner) = CURRENTDEPARTMENT()"]
)
async def test_whoever_has_no_department_and_no_manager_is_no_equal_of_what_has_none(play: Any, rule: str) -> None:
    deal = [_field("name"), _field("owner", "user"), _field("place", "department"), _field("chief", "user")]
    package = _package({"deal": deal}, {"seller": [{"entity": "deal", "rows": rule, "may": _EVERYTHING}]})

    async def story(desk: _Desk) -> None:
        await desk.create("ann", "deal", name="a")
        await desk.update("ann", "deal", await desk.make("deal"), name="b")

    told, _ = await play(package, {"ann": "seller"}, story)
    assert told == ["access.denied", "record.not_found"]


async def test_a_value_that_no_rule_takes_any_more_is_no_blank(play: Any) -> None:
    deal = [_field("name"), _field("limit", "integer")]
    grants = [
        {"entity": "deal", "rows": "ISBLANK(limit)", "may": _EVERYTHING, "hidden": ["limit"]},
        {"entity": "deal", "fields": ["name"]},
    ]
    loose = _package({"deal": deal}, {"seller": grants})

    async def story(desk: _Desk) -> None:
        registry = desk.app.app.services.registry
        publish_definition(registry, loose)
        one = await desk.make("deal", limit=500)
        publish_definition(
            registry, _package({"deal": [_field("name"), _field("limit", "integer", maximum=100)]}, {"seller": grants})
        )
        await desk.update("ann", "deal", one, name="b")

    told, _ = await play(loose, {"ann": "seller"}, story)
    assert told == ["access.denied"]


@pytest.mark.parametrize("change", ["role", "department", "record"])
async def test_what_changes_between_the_look_and_the_write_counts(
    migrated_database_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    deal = [_field("name"), _field("owner", "user"), _field("place", "department")]
    rows = "owner = CURRENTUSER() OR INDEPT(place)"
    package = _package({"deal": deal}, {"seller": [{"entity": "deal", "rows": rows, "may": _EVERYTHING}]})
    async with running(migrated_database_url, files_folder=tmp_path) as app:
        publish_definition(app.app.services.registry, package)
        desk, identity, database = _Desk(app), app.identity, app.app.services.database
        await desk.fill({"ann": "seller"})
        east = identity.departments.create_department("east", "east").id
        ann = desk.id_of("ann")
        identity.users.update_user(ann, {"department_id": east})
        known = await app.app.services.authenticator.see_as(ann)
        assert known is not None
        caller = Caller(known.actor, "request", "rest", known.epoch)
        one = await desk.make("deal", name="a", **({"place": east} if change == "department" else {"owner": ann}))
        plain = database.write_alone
        tries: list[str] = []

        async def late(query: Any) -> Any:
            tries.append(query.statement.sql[:20])
            if len(tries) == 1:
                if change == "role":
                    for grant in identity.grants.list_grants("shop"):
                        identity.grants.take("shop", grant.id)
                elif change == "department":
                    identity.users.update_user(ann, {"department_id": None})
                else:
                    await desk.records.update(_SYSTEM, "shop", "deal", one, {"owner": None}, None)
            return await plain(query)

        monkeypatch.setattr(database, "write_alone", late)
        with pytest.raises((Problem, StaleIdentity)):
            await desk.records.update(caller, "shop", "deal", one, {"name": "b"}, None)
        assert tries
        assert (await desk.records.get(_SYSTEM, "shop", "deal", one)).body.count(b'"name":"a"') == 1


_LAST = "9999-12-31T20:00:00Z"


@pytest.mark.parametrize(
    "rule, at, is_taken",
    [
        ("IFERROR(YEAR(at) < 2027, TRUE)", _LAST, False),
        ("NOT(IFERROR(YEAR(at) > 2027, FALSE))", _LAST, False),
        ('IFERROR(HOUR(DATEADD(at, 24, "hour")) = 9, TRUE)', "9999-12-30T20:00:00Z", False),
        ("IFERROR(on >= at, TRUE)", "2026-11-22T08:00:00Z", False),
        ("ISERROR(on >= at)", "2026-11-22T08:00:00Z", False),
        ("YEAR(at) = 2026", _LAST, False),
        ("YEAR(at) > 2026", _LAST, True),
    ],
)
async def test_the_ends_of_the_calendar_are_no_way_through(play: Any, rule: str, at: str, is_taken: bool) -> None:
    """Where UTC is within the last day there is, a zone's clock may be beyond it: an error for Python, a moment for PostgreSQL."""
    deal = [_field("name"), _field("at", "datetime"), _field("on", "date")]
    package = _package({"deal": deal}, {"seller": [{"entity": "deal", "rows": rule, "may": _EVERYTHING}]})

    async def story(desk: _Desk) -> None:
        await desk.create("ann", "deal", name="a", at=at, on="0001-01-01")

    told, _ = await play(package, {"ann": "seller"}, story)
    assert (told == ["access.denied"]) is not is_taken


async def test_what_is_shown_at_the_ends_of_the_calendar_is_what_a_read_shows(play: Any) -> None:
    deal = [_field("name"), _field("at", "datetime"), _field("phone")]
    grants = [
        {"entity": "deal", "may": _EVERYTHING, "masks": [{"field": "phone", "start": 1, "end": 0}], "after": "TRUE"},
        {"entity": "deal", "rows": "YEAR(at) > 2026"},
    ]

    async def story(desk: _Desk) -> None:
        one = await desk.make("deal", at=_LAST, phone="13812345678")
        await desk.update("ann", "deal", one, name="b")

    told, _ = await play(_package({"deal": deal}, {"seller": grants}), {"ann": "seller"}, story)
    assert '"phone":"13812345678"' in told[0]


async def test_values_of_every_type_are_judged_and_shown_as_the_database_does(play: Any) -> None:
    """Somebody sees a field once it has a value, somebody else writes it as long as it has none."""
    document = every_field.definition()
    document["app"]["key"] = "shop"
    whole = document["entities"][0]
    long = ("auto_number", "children", "lookup", "multi_reference", "rollup")  # what is counted or asked is never ahead
    whole["fields"] = [item for item in whole["fields"] if item["type"] not in long]
    fields = {item["key"]: BY_TYPE[item["type"]] for item in whole["fields"][1:]}
    given = [key for key, type_ in fields.items() if type_.samples]
    shown = [{"entity": "whole", "rows": f"NOT(ISBLANK({key}))", "fields": ["name", key]} for key in fields]
    filled = [
        {"entity": "whole", "rows": f"ISBLANK({key})", "may": ["update"], "after": "TRUE", "writable": [key, "name"]}
        for key in given
    ]
    others = [{"entity": "other"}, {"entity": "child"}]
    sees = {"entity": "whole", "may": _EVERYTHING, "fields": ["name"], "writable": [*given, "name"]}
    document["roles"] = [
        {"key": key, "label": key, "grants": [*grants, *others]}
        for key, grants in (("sees", [sees, *shown]), ("fills", [{"entity": "whole"}, *filled]))
    ]

    async def story(desk: _Desk) -> None:
        for key in given:
            one = await desk.make("whole", name="x")
            for value, _ in fields[key].samples[0].accepted:
                await desk.create("ann", "whole", name="x", **{key: value})
                await desk.update("bob", "whole", one, **{key: value})
                await desk.update("ann", "whole", one, **{key: value})
            await desk.update("bob", "whole", one, **{key: None})
            await desk.update("ann", "whole", one, **{key: None})

    told, ahead = await play(document, {"ann": "sees", "bob": "fills"}, story)
    assert ahead > 200
    assert told.count("access.denied") > len(given)
