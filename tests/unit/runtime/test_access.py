"""The gate: who may do what, decided in one place."""

from __future__ import annotations

import pytest

from builder.kernel.problems import Problem
from runtime.access.gate import FieldMap, gate, require_person, require_role
from runtime.identity.actors import SYSTEM, Actor
from runtime.identity.scopes import is_scope


def actor(role: str = "member", *scopes: str) -> Actor:
    return Actor("id", "name", "Name", role, frozenset(scopes) if scopes else None)  # type: ignore[arg-type]


READING = FieldMap({("lead", "name", "select"), ("lead", "level", "filter")})
WRITING = FieldMap({("lead", "name", "write")})
CREATING = FieldMap({("lead", "", "create"), ("lead", "name", "select")})


def refused(code: str, *arguments: object) -> None:
    with pytest.raises(Problem) as caught:
        gate(*arguments)  # type: ignore[arg-type]
    assert caught.value.code == code


@pytest.mark.parametrize("role", ["member", "builder", "admin"])
@pytest.mark.parametrize("uses", [READING, WRITING, CREATING, FieldMap()])
def test_people_may_read_and_write_records_of_all_apps(role, uses):
    gate(actor(role), "lead", uses)
    gate(SYSTEM, "lead", uses)


@pytest.mark.parametrize("uses", [READING, WRITING, FieldMap()])
def test_nobody_may_do_nothing_CVE_2026_81335(uses):
    refused("auth.required", None, "lead", uses)


def test_a_token_may_do_what_its_scopes_name():
    gate(actor("member", "records:read"), "lead", READING)
    gate(actor("member", "records:write"), "lead", WRITING)
    gate(actor("member", "records:write", "records:read"), "lead", CREATING)
    refused("access.denied", actor("admin", "records:read"), "lead", WRITING)
    refused("access.denied", actor("admin", "records:write"), "lead", READING)
    refused("access.denied", actor("admin", "records:write"), "lead", CREATING)
    refused("access.denied", actor("admin", "builder", "admin"), "lead", READING)


def test_an_empty_map_still_needs_reading():
    refused("access.denied", actor("member", "records:write"), "lead", FieldMap())


@pytest.mark.parametrize("use", ["select", "filter", "sort", "expand", "history", "export"])
def test_every_way_of_looking_needs_reading(use):
    refused("access.denied", actor("admin", "records:write"), "lead", FieldMap({("lead", "name", use)}))


@pytest.mark.parametrize("use", ["write", "link", "create", "delete"])
def test_every_way_of_changing_needs_writing(use):
    refused("access.denied", actor("admin", "records:read"), "lead", FieldMap({("lead", "name", use)}))


def test_an_app_that_a_token_was_not_made_for_is_absent():
    narrowed = actor("member", "records:read", "app:lead", "app:store_sales")

    gate(narrowed, "lead", READING)
    gate(narrowed, "store_sales", READING)
    refused("app.not_found", narrowed, "receivables", READING)
    refused("app.not_found", narrowed, "lea", READING)


@pytest.mark.parametrize(
    "who, role, code",
    [
        (None, "member", "auth.required"),
        (actor("member"), "builder", "access.denied"),
        (actor("member"), "admin", "access.denied"),
        (actor("builder"), "admin", "access.denied"),
        (actor("admin", "builder"), "admin", "access.denied"),
        (actor("admin", "records:read"), "builder", "access.denied"),
        (actor("member", "builder", "admin"), "builder", "access.denied"),
    ],
)
def test_a_role_is_not_enough_without_the_scope_nor_a_scope_without_the_role(who, role, code):
    with pytest.raises(Problem) as caught:
        require_role(who, role)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "who, role",
    [
        (actor("builder"), "builder"),
        (actor("admin"), "builder"),
        (actor("builder", "builder"), "builder"),
        (actor("admin", "admin"), "builder"),
        (actor("admin", "admin"), "admin"),
        (actor("member", "records:read"), "member"),
        (SYSTEM, "admin"),
    ],
)
def test_who_has_a_role(who, role):
    assert require_role(who, role) is who


def test_what_only_people_may_do():
    assert require_person(actor()) is not None
    with pytest.raises(Problem, match=r"access\.denied"):
        require_person(actor("admin", "admin"))


@pytest.mark.parametrize("text", ["records:read", "builder", "app:lead", "app:a_1"])
def test_scopes_there_are(text):
    assert is_scope(text)


@pytest.mark.parametrize(
    "text", ["", "app:", "app:Lead", "app:1", "app:" + "a" * 21, "app:a\n", "records", "*", "ADMIN"]
)
def test_scopes_there_are_not(text):
    assert not is_scope(text)
