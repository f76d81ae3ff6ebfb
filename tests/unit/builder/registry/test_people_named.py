"""A draft that names people, departments or roles in vain is told so, with the key that was meant; a role that nobody has, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from builder.definition.parse import parse_definition
from builder.registry.apps import create_app, put_draft
from builder.registry.publishing import check_draft, plan_draft
from builder.registry.registry import Registry
from builder.store import tables
from tests.support.builder import entity, field, open_registry, package

JSON = Any
ROLES = [
    {"key": "director", "label": {"zh": "总监", "en": "Director"}, "grants": [{"entity": "ticket"}]},
    {"key": "engineer", "label": {"zh": "工程师", "en": "Engineer"}, "grants": [{"entity": "ticket"}]},
]


def app(*who: JSON, **button: Any) -> JSON:
    trigger = {"type": "button", "label": "按", **button}
    tell = {"type": "notify", "to": list(who) or [{"field": "owner"}], "subject": "x"}
    rule = {"key": "a", "label": "A", "entity": "ticket", "trigger": trigger, "actions": [tell]}
    return {**package(entity("ticket", field("title"), field("owner", "user"))), "roles": ROLES, "automations": [rule]}


@pytest.fixture
def registry(migrated_database_url: str) -> Iterator[Registry]:
    with open_registry(migrated_database_url) as made:
        create_app(made, parse_definition(app()), None)
        with made.database.transaction() as connection:
            zhang, left = made.ids.record_id(), made.ids.record_id()
            person = {"role": "member", "created_at": made.clock.now(), "revision": 1}
            people = [
                {**person, "id": zhang, "username": "zhangwei", "name": "张伟", "active": True},
                {**person, "id": left, "username": "left", "name": "老王", "active": False},
            ]
            connection.execute(sa.insert(tables.user), people)
            connection.execute(
                sa.insert(tables.department), {"id": made.ids.record_id(), "key": "field", "name": "外勤组"}
            )
            grant = {"app": "shop", "kind": "user", "subject": zhang, "created_at": made.clock.now()}
            connection.execute(sa.insert(tables.grant), {**grant, "id": made.ids.record_id(), "role": "engineer"})
        yield made


def warned(registry: Registry, document: JSON) -> list[tuple[str, str, str]]:
    put_draft(registry, parse_definition(document), None)
    found = plan_draft(registry, "shop").warnings
    assert all(finding.code == "people.missing" and finding.severity == "warning" for finding in found)
    assert [f for f in check_draft(registry, "shop") if f.code == "people.missing"] == list(found)
    return [(finding.pointer, finding.message.zh, finding.message.en) for finding in found]


def test_nothing_is_said_of_whom_there_is(registry: Registry) -> None:
    who = [{"user": "ZhangWei"}, {"department": "field"}, {"role": "engineer"}, {"role": "admin"}, {"field": "owner"}]
    assert warned(registry, app(*who, roles=["engineer", "director", "builder"])) == []


@pytest.mark.parametrize(
    "who, zh, en",
    [
        (
            {"user": "张伟"},
            "没有在用的用户“张伟”:这里写键“zhangwei”,不写名称",
            'There is no active user "张伟": write "zhangwei", not the name',
        ),
        (
            {"user": "zhangwey"},
            "没有在用的用户“zhangwey”，是否想写“zhangwei”？",
            'There is no active user "zhangwey"; did you mean "zhangwei"?',
        ),
        ({"user": "left"}, "没有在用的用户“left”", 'There is no active user "left"'),
        (
            {"department": "feld"},
            "没有部门“feld”，是否想写“field”？",
            'There is no department "feld"; did you mean "field"?',
        ),
        (
            {"role": "工程师"},
            "没有角色“工程师”:这里写键“engineer”,不写名称",
            'There is no role "工程师": write "engineer", not the name',
        ),
        (
            {"role": "director"},
            "角色“总监”(director)还没有成员,这里找不到人;请管理员授予此角色",
            'Nobody has the role Director ("director") yet, so nobody is found here; an admin has to give it to somebody',
        ),
    ],
)
def test_who_is_not_there_is_told(registry: Registry, who: JSON, zh: str, en: str) -> None:
    ((pointer, *told),) = warned(registry, app(who))
    assert pointer == f"/actions/0/to/0/{next(iter(who))}"
    assert told == [zh, en]


def test_a_role_that_may_press_a_button_has_to_exist(registry: Registry) -> None:
    assert warned(registry, app(roles=["engineer", "manager"])) == [
        ("/trigger/roles/1", "没有角色“manager”", 'There is no role "manager"')
    ]
