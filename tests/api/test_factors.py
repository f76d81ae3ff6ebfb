"""Second factors over HTTP, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa

from builder.store.people_tables import factor
from tests.support.service import OWN_PAGE, PASSWORD, bearer, problem

pytestmark = pytest.mark.anyio

LOGIN = {"username": "member", "password": PASSWORD, "mode": "bearer"}


def code_now(service: Any, secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(service.clock.now() + timedelta(seconds=30 * steps))


@pytest.fixture
async def secured(service: Any) -> tuple[str, list[str]]:
    """The secret of the member's second factor, and the recovery codes."""
    async with service.client_of("member") as me:
        started = (await me.post("/api/auth/factor")).json()["data"]
        assert started["url"].startswith("otpauth://totp/Dougong:member?secret=")
        assert started["qr"].startswith("<svg")
        reply = await me.post("/api/auth/factor/confirm", json={"code": code_now(service, started["secret"])})
        codes = reply.json()["data"]["recovery_codes"]
    service.clock.advance(timedelta(seconds=60))
    return started["secret"], codes


async def test_a_login_needs_the_code_once_the_factor_is_confirmed(service, client, secured):
    secret, _ = secured
    problem(await client.post("/api/auth/login", json=LOGIN), "auth.code_required")
    code = code_now(service, secret)
    reply = await client.post("/api/auth/login", json={**LOGIN, "code": code[:3] + " " + code[3:]})
    assert reply.status_code == 200
    again = await client.post("/api/auth/login", json={**LOGIN, "code": code})
    problem(again, "auth.refused")  # a code counts once
    service.clock.advance(timedelta(seconds=30))
    late = await client.post("/api/auth/login", json={**LOGIN, "code": code_now(service, secret, -1)})
    problem(late, "auth.refused")  # also the one before it, if a later one was used
    assert (
        await client.post("/api/auth/login", json={**LOGIN, "code": code_now(service, secret, 1)})
    ).status_code == 200


async def test_without_confirmation_nothing_is_asked(service, client):
    async with service.client_of("member") as me:
        await me.post("/api/auth/factor")
        problem(await me.post("/api/auth/factor/confirm", json={"code": "000000"}), "identity.invalid")
    assert (await client.post("/api/auth/login", json=LOGIN)).status_code == 200


async def test_the_password_comes_first_so_nobody_learns_who_has_a_factor(client, secured):
    wrong = await client.post("/api/auth/login", json={**LOGIN, "password": "wrong"})
    problem(wrong, "auth.refused")


async def test_guessing_codes_is_slow(service, client, secured):
    for number in range(10):
        reply = await client.post("/api/auth/login", json={**LOGIN, "code": f"{number:06}"})
        problem(reply, "auth.refused")
    secret, _ = secured
    problem(await client.post("/api/auth/login", json={**LOGIN, "code": code_now(service, secret)}), "auth.throttled")


async def test_a_recovery_code_works_once(client, secured):
    _, codes = secured
    assert len(set(codes)) == 10
    assert (await client.post("/api/auth/login", json={**LOGIN, "code": codes[0].upper()})).status_code == 200
    problem(await client.post("/api/auth/login", json={**LOGIN, "code": codes[0]}), "auth.refused")
    assert (await client.post("/api/auth/login", json={**LOGIN, "code": codes[1]})).status_code == 200


async def test_a_reset_link_does_not_get_around_the_factor(service, client, secured):
    secret, _ = secured
    user = service.identity.users.find_by_username("member")
    link, _ = service.identity.setup.issue_link(user)
    body = {"link": link, "password": "a brand new password", "mode": "bearer"}
    problem(await client.post("/api/auth/setup", json=body), "auth.code_required")
    reply = await client.post("/api/auth/setup", json={**body, "code": code_now(service, secret)})
    assert reply.status_code == 200


async def test_removing_asks_for_the_password_or_an_admin(service, client, secured):
    secret, _ = secured
    token = (await client.post("/api/auth/login", json={**LOGIN, "code": code_now(service, secret)})).json()["data"][
        "secret"
    ]
    me = {"headers": bearer(token) | OWN_PAGE}
    problem(await client.post("/api/auth/factor", **me), "identity.conflict")
    problem(await client.post("/api/auth/factor/remove", json={"password": "wrong"}, **me), "auth.refused")
    assert (await client.post("/api/auth/factor/remove", json={"password": PASSWORD}, **me)).status_code == 204
    assert (await client.post("/api/auth/login", json=LOGIN)).status_code == 200
    user = service.identity.users.find_by_username("member")
    async with service.client_of("admin") as admin:
        problem(await admin.delete(f"/api/users/{user.id}/factor"), "identity.not_found")
        kinds = [e["kind"] for e in (await admin.get("/api/security-events?limit=200")).json()["data"]]
    assert {"factor.added", "factor.removed"} <= set(kinds)


async def test_the_secret_is_not_in_the_database(service, secured):
    secret, codes = secured
    with service.app.services.database.snapshot() as connection:
        stored = str(connection.execute(sa.select(factor)).all())
    for hidden in (secret, *codes):
        assert hidden not in stored
