"""Logging in by an OpenID provider that runs on this machine: the good way, and every answer that must not be believed."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from builder.kernel.clock import MovableClock
from runtime.identity.audit import Search
from tests.support.oidc import CLIENT, LINA, SECRET, login_provider, signed_by_public_key, through_provider, unsigned
from tests.support.service import ORIGIN, OWN_PAGE, START, problem, running

pytestmark = pytest.mark.anyio

LOGIN = "/api/auth/oidc/login"


@pytest.fixture
async def provider(anyio_backend):
    async with login_provider(MovableClock(START)) as made:
        yield made


def settings_of(provider, **more):
    given = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    return {"public_url": ORIGIN, "outbound_allow": ("127.0.0.1",), **given, **more}


@pytest.fixture
async def service(provider, migrated_database_url):
    async with running(migrated_database_url, **settings_of(provider)) as made:
        provider.clock = made.clock
        made.add_user("admin", "admin")
        made.add_user("lina", email="Lina@example.com")
        yield made


async def login(client, *, path=LOGIN):
    """Go to the provider and come back, as a browser does."""
    begun = await client.get(path)
    assert begun.status_code == 303, begun.text
    return await client.get(await through_provider(begun.headers["location"]))


async def me(client):
    return (await client.get("/api/me")).json()["data"]["username"]


def last(service, kind):
    return service.identity.audit.list_events(Search(kind=kind))[0]


# --- the good way -----------------------------------------------------------------------------------------------------


async def test_who_has_the_verified_address_is_logged_in_and_bound(service, provider):
    async with service.client() as client:
        reply = await login(client, path=f"{LOGIN}?next=/crm%3Ftab%3D1")

        assert (reply.status_code, reply.headers["location"]) == (303, "/crm?tab=1")
        assert "httponly" in reply.headers["set-cookie"].lower()
        assert await me(client) == "lina"
        told = last(service, "login").detail
        assert told == {"way": "provider"}

    provider.person = {"sub": "u-1"}  # the account is known by its subject from now on
    async with service.client() as client:
        await login(client)
        assert await me(client) == "lina"


async def test_the_login_page_learns_of_the_provider(service):
    async with service.client() as client:
        assert (await client.get("/api/auth/ways")).json()["data"]["provider"] == {"label": "OpenID", "url": LOGIN}


async def test_without_the_settings_there_is_no_provider(migrated_database_url):
    async with running(migrated_database_url) as service, service.client() as client:
        problem(await client.get(LOGIN), "auth.provider_off")
        assert (await client.get("/api/auth/ways")).json()["data"]["provider"] is None


async def test_one_who_is_logged_in_binds_an_account_of_any_address(service, provider):
    provider.person = {"sub": "u-9", "email": "private@example.org", "email_verified": False}
    async with service.client_of("admin") as admin:
        reply = await admin.post("/api/auth/oidc/bind", headers=OWN_PAGE)
        back = await admin.get(await through_provider(reply.json()["data"]["url"]))
        assert back.status_code == 303
        assert last(service, "provider.bound").actor == service.identity.users.find_by_username("admin").id
    async with service.client() as client:
        await login(client)
        assert await me(client) == "admin"
    async with service.client_of("lina") as lina:  # it is the admin's now
        reply = await lina.post("/api/auth/oidc/bind")
        problem(await lina.get(await through_provider(reply.json()["data"]["url"])), "identity.conflict")
    async with service.client_of("admin") as admin:
        assert (await admin.delete("/api/auth/oidc/bind")).status_code == 204
        problem(await admin.delete("/api/auth/oidc/bind"), "identity.not_found")
    async with service.client() as client:
        problem(await login(client), "auth.provider_unknown")


async def test_people_are_made_where_the_settings_say_so(provider, migrated_database_url):
    more = {"oidc_create": True, "oidc_department": "sales"}
    async with running(migrated_database_url, **settings_of(provider, **more)) as service:
        provider.clock = service.clock
        service.add_user("wang")
        department = service.identity.departments.create_department("sales", "Sales")
        provider.person = {**LINA, "sub": "u-2", "email": "w@example.com", "preferred_username": "Wang"}
        async with service.client() as client:
            assert (await login(client)).status_code == 303
            made = service.identity.users.find_by_username("wang-2")
            assert made is not None
            shown = (made.name, made.email, made.role, made.department_id, made.has_password)
            assert shown == ("李娜", "w@example.com", "member", department.id, False)
            assert await me(client) == "wang-2"
            reply = await client.delete("/api/auth/oidc/bind", headers=OWN_PAGE)
            problem(reply, "identity.conflict")  # or there were no way back
        provider.person["sub"] = "u-3"  # another person who says to have the same address
        async with service.client() as client:
            problem(await login(client), "identity.conflict")


async def test_logging_out_ends_both(service, provider):
    async with service.client() as client:
        await login(client)

        reply = await client.post("/api/auth/oidc/logout", headers=OWN_PAGE)

        parts = urlsplit(reply.json()["data"]["url"])
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{provider.issuer}/end"
        assert parse_qs(parts.query)["client_id"] == [CLIENT]
        problem(await client.get("/api/me"), "auth.required")


async def test_who_logs_out_at_the_provider_is_logged_out_here(service, provider):
    event: dict[str, dict[str, str]] = {"http://schemas.openid.net/event/backchannel-logout": {}}
    now = int(service.clock.now().timestamp())
    claims = {"iss": provider.issuer, "aud": CLIENT, "iat": now, "jti": "1", "sub": "u-1", "events": event}
    async with service.client() as client, service.client() as elsewhere:
        await login(client)
        for wrong in ({**claims, "nonce": "x"}, {**claims, "events": {}}, {**claims, "aud": "other"}):
            reply = await elsewhere.post("/api/auth/oidc/backchannel", data={"logout_token": provider.signed(wrong)})
            problem(reply, "auth.provider_refused")
        assert await me(client) == "lina"

        reply = await elsewhere.post("/api/auth/oidc/backchannel", data={"logout_token": provider.signed(claims)})

        assert reply.status_code == 204
        problem(await client.get("/api/me"), "auth.required")


async def test_new_keys_of_the_provider_are_learnt(service, provider):
    async with service.client() as client:
        await login(client)
    provider.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})
    service.clock.advance(timedelta(minutes=2))
    async with service.client() as client:
        assert (await login(client)).status_code == 303


# --- answers that are not believed ------------------------------------------------------------------------------------

WRONG_CLAIMS = {
    "another nonce": lambda claims: {**claims, "nonce": "mine"},
    "no nonce": lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
    "another audience": lambda claims: {**claims, "aud": "another client"},
    "several audiences, not for us": lambda claims: {**claims, "aud": [CLIENT, "other"], "azp": "other"},
    "several audiences, nobody named": lambda claims: {**claims, "aud": [CLIENT, "other"]},
    "another issuer": lambda claims: {**claims, "iss": "https://evil.example"},
    "run out": lambda claims: {**claims, "exp": claims["iat"] - 61},
    "no end": lambda claims: {name: value for name, value in claims.items() if name != "exp"},
    "from the future": lambda claims: {**claims, "iat": claims["iat"] + 120},
    "an old one": lambda claims: {**claims, "iat": claims["iat"] - 700},
    "not before": lambda claims: {**claims, "nbf": claims["iat"] + 120},
    "nobody": lambda claims: {name: value for name, value in claims.items() if name != "sub"},
}


@pytest.mark.parametrize("wrong", WRONG_CLAIMS)
async def test_a_token_that_does_not_hold_opens_nothing(service, provider, wrong):
    provider.claims = WRONG_CLAIMS[wrong]
    await refused(service)


SIGNATURES = {
    "none": lambda provider: unsigned,
    "the public key as a secret": signed_by_public_key,
    "a key of somebody else": lambda _: signed_by_another_key(),
    "cut": lambda provider: lambda claims: well_signed(provider, claims).rpartition(".")[0] + ".",
    "no token": lambda provider: lambda claims: "x",
}


def well_signed(provider, claims):
    sign, provider.sign = provider.sign, None
    try:
        return provider.signed(claims)
    finally:
        provider.sign = sign


def signed_by_another_key():
    other = RSAKey.generate_key(2048, {"kid": "one"})
    return lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, other, algorithms=["RS256"])


@pytest.mark.parametrize("wrong", SIGNATURES)
async def test_a_token_that_the_provider_did_not_sign_opens_nothing(service, provider, wrong):
    provider.sign = SIGNATURES[wrong](provider)
    await refused(service)


async def refused(service):
    async with service.client() as client:
        document = problem(await login(client), "auth.provider_refused")
        assert "token" not in document["detail"]
        problem(await client.get("/api/me"), "auth.required")
    assert last(service, "login.refused").detail["provider"]


async def test_a_code_and_its_state_count_once(service, provider):
    async with service.client() as client:
        begun = await client.get(LOGIN)
        back = await through_provider(begun.headers["location"])
        browser = client.cookies["dougong_provider"]
        assert (await client.get(back)).status_code == 303
        client.cookies.clear()
        client.cookies.set("dougong_provider", browser)
        problem(await client.get(back), "auth.provider_refused")

    async with service.client() as client:  # a fresh login into which the used code is slipped
        begun = await client.get(LOGIN)
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        used = parse_qs(urlsplit(back).query)["code"][0]
        query = {"code": used, "state": state, "iss": provider.issuer}
        problem(await client.get("/api/auth/oidc/callback", params=query), "auth.provider_refused")


async def test_a_login_is_finished_in_the_browser_that_began_it_CVE_2026_50132_CVE_2026_66001(service, provider):
    """Login CSRF: an attacker's answer, opened by a victim, does not log the victim in as the attacker."""
    async with service.client() as attacker, service.client() as victim:
        back = await through_provider((await attacker.get(LOGIN)).headers["location"])
        await victim.get(LOGIN)
        problem(await victim.get(back), "auth.provider_refused")
        problem(await victim.get("/api/me"), "auth.required")


async def test_a_code_of_another_login_does_not_fit(service, provider):
    """PKCE: a stolen code, brought with the thief's own state."""
    async with service.client() as victim, service.client() as thief:
        stolen = parse_qs(urlsplit(await through_provider((await victim.get(LOGIN)).headers["location"])).query)
        begun = await thief.get(LOGIN)
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        query = {"code": stolen["code"][0], "state": state, "iss": provider.issuer}
        problem(await thief.get("/api/auth/oidc/callback", params=query), "auth.provider_refused")


async def test_a_state_does_not_last(service, provider):
    async with service.client() as client:
        back = await through_provider((await client.get(LOGIN)).headers["location"])
        service.clock.advance(timedelta(minutes=10))
        problem(await client.get(back), "auth.provider_refused")


@pytest.mark.parametrize("named", [{"iss": "https://evil.example"}, {}])
async def test_a_mixed_up_provider_is_told_apart(service, provider, named):
    async with service.client() as client:
        back = parse_qs(urlsplit(await through_provider((await client.get(LOGIN)).headers["location"])).query)
        query = {"code": back["code"][0], "state": back["state"][0], **named}
        problem(await client.get("/api/auth/oidc/callback", params=query), "auth.provider_refused")


async def test_what_the_provider_refuses_is_refused(service, provider):
    async with service.client() as client:
        begun = await client.get(LOGIN)
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        query = {"error": "access_denied", "state": state, "iss": provider.issuer}
        problem(await client.get("/api/auth/oidc/callback", params=query), "auth.provider_refused")


@pytest.mark.parametrize(
    "wrong", [lambda said: {**said, "issuer": "https://evil.example"}, lambda said: {**said, "jwks_uri": 1}]
)
async def test_a_provider_that_calls_itself_otherwise_is_not_gone_to(service, provider, wrong):
    provider.said = wrong
    async with service.client() as client:
        problem(await client.get(LOGIN), "auth.provider_refused")


async def test_ssrf_by_discovery_is_stopped_by_the_outbound_client(provider, migrated_database_url):
    """A provider cannot send us to the metadata service of a cloud (or anything else inside)."""
    provider.said = lambda said: {**said, "jwks_uri": "http://169.254.169.254/latest/meta-data"}
    async with running(migrated_database_url, **settings_of(provider)) as service, service.client() as client:
        problem(await client.get(LOGIN), "auth.provider_unreachable")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "crm", "", "/%0d%0aset-cookie:x"]
)
async def test_an_open_redirect_is_refused_CVE_2024_28239_CVE_2026_24768_CVE_2025_49592(service, elsewhere):
    async with service.client() as client:
        problem(await client.get(f"{LOGIN}?next={elsewhere}"), "request.malformed")


# --- whose account ----------------------------------------------------------------------------------------------------

NOT_MEANT: dict[str, dict[str, object]] = {
    "not verified": {"email_verified": False},
    "verified as a text": {"email_verified": "true"},
    "unknown": {"email": "nobody@example.com"},
    "of two": {"email": "both@example.com"},
    "switched off": {"email": "gone@example.com"},
    "a program": {"email": "robot@example.com"},
}


@pytest.mark.parametrize("who", NOT_MEANT)
async def test_an_address_alone_opens_nobodys_account_CVE_2024_38351(service, provider, who):
    service.add_user("one", email="both@example.com")
    service.add_user("two", email="both@example.com")
    gone = service.add_user("gone", email="gone@example.com")
    service.identity.users.update_user(gone.id, {"active": False})
    service.identity.users.create_user({"username": "robot", "email": "robot@example.com", "kind": "service"})
    provider.person = {**LINA, **NOT_MEANT[who]}
    async with service.client() as client:
        problem(await login(client), "auth.provider_unknown")


async def test_by_address_is_a_setting(provider, migrated_database_url):
    async with running(migrated_database_url, **settings_of(provider, oidc_link="explicit")) as service:
        provider.clock = service.clock
        service.add_user("lina", email="lina@example.com")
        async with service.client() as client:
            problem(await login(client), "auth.provider_unknown")


async def test_beginning_is_throttled(service):
    async with service.client() as client:
        replies = [(await client.get(LOGIN)).status_code for _ in range(301)]
    assert (replies[299], replies[300]) == (303, 429)
