"""What shrinks a right counts with the next request, although actors are remembered; in every process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from builder.kernel.problems import Problem
from runtime.identity.audit import SYSTEM_ORIGIN
from tests.support.service import PASSWORD, Service, bearer, problem, running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(anyio_backend, migrated_database_url):
    async with running(migrated_database_url) as made:
        made.add_user("admin", "admin")
        made.add_user("second", "admin")
        yield made


@pytest.fixture
async def elsewhere(service: Service, migrated_database_url: str):
    """Another process that serves the same database: it remembers actors of its own."""
    other = Service(migrated_database_url)
    await other.app.services.database.start()
    yield other
    await other.app.services.database.stop()
    other.app.services.database.close()


SHRINKING = {
    "switched off": lambda service, user: service.identity.users.update_user(user.id, {"active": False}),
    "another role": lambda service, user: service.identity.users.update_user(user.id, {"role": "member"}),
    "logged out": lambda service, user: service.identity.sessions.log_out(service.last_hash, SYSTEM_ORIGIN),
    "new password": lambda service, user: service.identity.setup.redeem(
        service.identity.setup.issue_link(user)[0], "another good one"
    ),
}


@pytest.mark.parametrize("how", SHRINKING)
async def test_a_remembered_session_loses_its_rights_at_once_CVE_2026_28396_CVE_2024_34709_GHSA_56p6_qw3c_fq2g(
    service, elsewhere, how
):
    user = service.identity.users.find_by_username("second")
    secret = service.session_of("second")
    from builder.kernel.ids import secret_hash

    service.last_hash = secret_hash(secret)
    async with service.client(headers=bearer(secret)) as here, elsewhere.client(headers=bearer(secret)) as there:
        assert [(await each.get("/api/users")).status_code for each in (here, there, here, there)] == [200] * 4

        SHRINKING[how](service, user)

        for each in (here, there):
            reply = await each.get("/api/users")
            problem(reply, "access.denied" if how == "another role" else "auth.required")


async def test_a_token_of_somebody_switched_off_is_worth_nothing_CVE_2021_44460(service, elsewhere):
    user = service.identity.users.find_by_username("second")
    secret = service.token_of("second", "admin")
    async with elsewhere.client(headers=bearer(secret)) as there:
        assert (await there.get("/api/users")).status_code == 200

        service.identity.users.update_user(user.id, {"active": False})

        problem(await there.get("/api/users"), "auth.required")


async def test_a_session_is_not_revived_by_switching_the_user_on_again(service):
    user = service.identity.users.find_by_username("second")
    async with service.client_of("second") as client:
        service.identity.users.update_user(user.id, {"active": False})
        service.identity.users.update_user(user.id, {"active": True})

        problem(await client.get("/api/me"), "auth.required")


async def test_a_tokens_rights_fall_with_its_users_role(service):
    user = service.identity.users.find_by_username("second")
    async with service.client_of("second", "admin") as program:
        service.identity.users.update_user(user.id, {"role": "member"})

        problem(await program.get("/api/users"), "access.denied")


PERSONS_ONLY = [
    ("POST", "/api/auth/tokens", {"name": "more", "scopes": ["admin"]}),
    ("GET", "/api/auth/tokens", None),
    ("DELETE", "/api/auth/tokens/0197a1b2-0000-7000-8000-000000000000", None),
    ("PATCH", "/api/auth/password", {"current": PASSWORD, "password": "another good one"}),
    ("POST", "/api/auth/logout", None),
]


@pytest.mark.parametrize("method, path, body", PERSONS_ONLY)
async def test_a_token_cannot_make_itself_more_powerful(service, method, path, body):
    async with service.client_of("admin", "admin", "builder", "records:read", "records:write") as program:
        problem(await program.request(method, path, json=body), "access.denied")


async def test_remembering_has_an_end(service):
    authenticator = service.app.services.authenticator
    authenticator._known = {str(number): authenticator._known for number in range(10_000)}
    async with service.client_of("admin") as client:
        assert (await client.get("/api/me")).status_code == 200

    assert len(authenticator._known) == 10_000


async def test_two_people_with_two_links_cannot_both_become_the_first_admin_CVE_2026_47386_GHSA_9wcp_79g5_5c3c(
    database_url,
):
    async with running(database_url) as first:
        secrets = [first.links[0].partition("#")[2]]
    async with running(database_url) as service:
        secrets.append(service.links[0].partition("#")[2])
        together = threading.Barrier(2)

        def take(number: int) -> str:
            together.wait()
            try:
                service.identity.setup.redeem(secrets[number], PASSWORD, username=f"admin{number}")
            except Problem as problem:
                return problem.code
            return "done"

        with ThreadPoolExecutor(2) as pool:
            outcomes = sorted(pool.map(take, range(2)))

        assert outcomes == ["auth.link_invalid", "done"]
        assert len(service.identity.users.list_users()) == 1


async def test_guesses_made_at_once_are_all_counted(service):
    together = threading.Barrier(16)

    def guess(number: int) -> str:
        together.wait()
        try:
            service.identity.sessions.log_in("admin", f"wrong {number}", "203.0.113.7")
        except Problem as problem:
            return problem.code
        return "in"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(guess, range(16)))

    assert sorted(outcomes) == ["auth.refused"] * 10 + ["auth.throttled"] * 6


async def test_an_unknown_user_costs_the_same_as_a_known_one_CVE_2026_47380(usual_cost, service, monkeypatch):
    from argon2 import PasswordHasher

    verified = []
    verify = PasswordHasher.verify

    def counting(self, stored, password):
        verified.append(stored.split("$")[1:4])
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    service.identity.users.create_user({"username": "invited"})
    for name in ("admin", "nobody", "invited"):
        with pytest.raises(Problem, match=r"auth\.refused"):
            service.identity.sessions.log_in(name, "wrong", "")

    assert verified == [["argon2id", "v=19", "m=19456,t=2,p=1"]] * 3
