"""What passwords have to be, how long they last, and the way back for who forgot one: by mail, on both databases."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from builder.kernel.ids import secret_hash
from builder.store.tables import setup_link
from tests.support.receiver import mail_receiver
from tests.support.service import PASSWORD, bearer, pointers, problem, running

pytestmark = pytest.mark.anyio

PUBLIC = "https://crm.example.com"
NEW = "an entirely new one"


@pytest.fixture
async def mails(anyio_backend):
    async with mail_receiver() as receiver:
        yield receiver


@pytest.fixture
async def service(anyio_backend, migrated_database_url, mails):
    async with running(
        migrated_database_url, public_url=PUBLIC, mail_connection="mail", outbound_allow=("127.0.0.1",)
    ) as made:
        made.add_user("admin", "admin")
        made.add_user("lina", email="Lina@example.com")
        options = {"host": "127.0.0.1", "port": mails.port, "security": "none", "sender": "crm@example.com"}
        async with made.client_of("admin") as admin:
            body = {"key": "mail", "kind": "smtp", "options": options}
            assert (await admin.post("/api/connections", json=body)).status_code == 201
        yield made


async def asked(service, email, **options):
    async with service.client(address=options.pop("address", "10.0.0.1")) as client:
        reply = await client.post("/api/auth/reset", json={"email": email}, **options)
    await service.app.services.resets.settle()
    return reply


def link_in(mail):
    return re.findall(r"https?://\S+", mail.get_payload(decode=True).decode())[0]


async def redeemed(service, secret, password=NEW):
    async with service.client() as client:
        body = {"link": secret, "password": password, "mode": "bearer"}
        return await client.post("/api/auth/setup", json=body)


async def login(service, password, **more):
    async with service.client() as client:
        return await client.post("/api/auth/login", json={"username": "lina", "password": password, **more})


def kinds_of(service):
    from runtime.identity.audit import Search

    return [event.kind for event in service.identity.audit.list_events(Search())]


# --- forgotten --------------------------------------------------------------------------------------------------------


async def test_the_link_in_the_mail_sets_a_new_password(service, mails):
    session, token = service.session_of("lina"), service.token_of("lina", "records:read")

    reply = await asked(service, " lina@EXAMPLE.com ", headers={"accept-language": "en"})

    assert (reply.status_code, reply.json()) == (202, None)
    [mail] = mails.mails
    assert (mail["To"], mail["Subject"]) == ("lina <Lina@example.com>", "Reset your password")
    link = link_in(mail)
    assert link.startswith(f"{PUBLIC}/setup#dgl_")
    done = await redeemed(service, link.partition("#")[2])
    assert done.json()["data"]["user"]["username"] == "lina"
    problem(await login(service, PASSWORD), "auth.refused")
    assert (await login(service, NEW)).status_code == 200
    async with service.client() as client:
        for dead in (session, token):
            problem(await client.get("/api/me", headers=bearer(dead)), "auth.required")
    assert {"reset.asked", "link.issued", "link.used"} <= set(kinds_of(service))


async def test_a_link_works_once_and_not_for_long(service, mails):
    await asked(service, "lina@example.com")
    first = link_in(mails.mails[0]).partition("#")[2]
    assert (await redeemed(service, first)).status_code == 200
    problem(await redeemed(service, first), "auth.link_invalid")

    await asked(service, "lina@example.com")
    service.clock.advance(timedelta(minutes=30))

    problem(await redeemed(service, link_in(mails.mails[1]).partition("#")[2]), "auth.link_invalid")


async def test_only_the_hash_of_a_link_is_kept_and_no_log_has_it(service, mails):
    await asked(service, "lina@example.com")

    secret = link_in(mails.mails[0]).partition("#")[2]
    with service.app.services.database.snapshot() as connection:
        kept = [row.secret_hash for row in connection.execute(setup_link.select())]
        outbox = connection.exec_driver_sql("SELECT count(*) FROM dougong_outbox").scalar()
    assert (outbox, secret_hash(secret) in kept, any(secret in each for each in kept)) == (0, True, False)
    assert secret.encode() not in service.log.getvalue()


async def test_reset_poisoning_by_host_names_only_the_address_of_the_settings_CVE_2026_22794_CVE_2026_47194(
    service, mails
):
    headers = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}

    reply = await asked(service, "lina@example.com", headers=headers)

    assert reply.status_code == 202
    assert link_in(mails.mails[0]).startswith(f"{PUBLIC}/")
    assert "evil" not in mails.mails[0].as_string()


async def test_nobody_learns_whether_an_address_is_known(service, mails):
    gone = service.add_user("gone", email="gone@example.com")
    service.identity.users.update_user(gone.id, {"active": False})
    service.identity.users.create_user({"username": "invited", "email": "invited@example.com"})

    replies = [
        await asked(service, f"{name}@example.com", address=f"10.0.1.{place}")
        for place, name in enumerate(("lina", "nobody", "gone", "invited"))
    ]

    varies = ("x-request-id",)
    shapes = {
        (each.status_code, each.content, tuple(h for h in each.headers.items() if h[0] not in varies))
        for each in replies
    }
    assert len(shapes) == 1
    assert [mail["To"] for mail in mails.mails] == ["lina <Lina@example.com>"]


async def test_the_answer_does_not_wait_for_the_mail(service, mails):
    """Known or not, the request only counts: what an address sets off begins after the answer is made."""
    async with service.client() as client:
        reply = await client.post("/api/auth/reset", json={"email": "lina@example.com"})
    assert (reply.status_code, mails.mails) == (202, [])

    await service.app.services.resets.settle()

    assert len(mails.mails) == 1


async def test_a_look_alike_address_gets_no_mail_CVE_2024_27295(service, mails):
    await asked(service, "lına@example.com")  # a dotless i, as in CVE-2019-19844
    assert mails.mails == []


async def test_asking_is_throttled_by_address_known_or_not_CVE_2026_25043(service, mails):
    for email in ("lina@example.com", "nobody@example.com"):
        replies = [await asked(service, email, address=f"10.0.2.{n}") for n in range(4)]
        assert [reply.status_code for reply in replies] == [202, 202, 202, 429]
        assert int(replies[-1].headers["retry-after"]) == 901
    assert len(mails.mails) == 3


async def test_asking_is_throttled_by_caller(service):
    replies = [await asked(service, f"a{n}@example.com") for n in range(11)]
    assert [reply.status_code for reply in replies[9:]] == [202, 429]


async def test_a_server_that_refuses_is_in_the_log_and_nowhere_else(service, mails):
    mails.refuse.add("Lina@example.com")

    reply = await asked(service, "lina@example.com")

    assert reply.status_code == 202
    [line] = service.lines("reset.not_sent")
    assert "550" in line["reason"]


async def test_another_site_cannot_send_mails_in_a_visitors_name(service, mails):
    reply = await asked(service, "lina@example.com", headers={"origin": "https://evil.example"})
    problem(reply, "access.origin")
    assert mails.mails == []


async def test_a_second_factor_is_asked_for_after_a_reset_too(service, mails):
    import pyotp

    async with service.client_of("lina") as lina:
        started = (await lina.post("/api/auth/factor")).json()["data"]
        code = pyotp.TOTP(started["secret"]).at(service.clock.now())
        assert (await lina.post("/api/auth/factor/confirm", json={"code": code})).status_code == 200
    await asked(service, "lina@example.com")

    problem(await redeemed(service, link_in(mails.mails[0]).partition("#")[2]), "auth.code_required")
    assert (await login(service, PASSWORD, code="000000")).status_code == 401


async def test_without_the_settings_there_is_no_reset(migrated_database_url):
    async with running(migrated_database_url) as service:
        service.add_user("lina", email="lina@example.com")
        async with service.client() as client:
            problem(await client.post("/api/auth/reset", json={"email": "lina@example.com"}), "auth.reset_off")
            assert (await client.get("/api/auth/ways")).json()["data"]["reset_by_mail"] is False


# --- what they have to be ---------------------------------------------------------------------------------------------


async def test_length_and_kinds_are_settings(migrated_database_url):
    async with running(migrated_database_url, password_length=12, password_kinds=3) as service:
        service.identity.users.create_user({"username": "root", "role": "admin"}, password="Correct horse 1")
        secret = service.identity.sessions.log_in("root", "Correct horse 1", "").secret
        async with service.client(headers=bearer(secret)) as admin:
            told = (await admin.get("/api/auth/ways")).json()["data"]["password"]
            assert told == {"least_length": 12, "kinds": 3, "days": None, "former": 0}
            for password, code in (("Shorter 1", "password_length"), ("lower case only", "password_kinds")):
                reply = await admin.post("/api/users", json={"username": "two", "password": password})
                assert pointers(problem(reply, "identity.invalid")) == {"/password": code}
                body = {"current": "Correct horse 1", "password": password}
                reply = await admin.patch("/api/auth/password", json=body)
                assert pointers(problem(reply, "identity.invalid")) == {"/password": code}


async def test_a_password_that_ran_out_is_changed_at_the_login(migrated_database_url):
    async with running(migrated_database_url, password_days=90) as service:
        service.add_user("lina")
        service.clock.advance(timedelta(days=90) - timedelta(seconds=1))
        assert (await login(service, PASSWORD)).status_code == 200
        service.clock.advance(timedelta(seconds=1))

        problem(await login(service, PASSWORD), "auth.password_expired")
        problem(await login(service, "wrong", new_password=NEW), "auth.refused")
        same = problem(await login(service, PASSWORD, new_password=PASSWORD), "identity.invalid")
        assert pointers(same) == {"/new_password": "password_same"}
        short = problem(await login(service, PASSWORD, new_password="short"), "identity.invalid")
        assert pointers(short) == {"/new_password": "password_length"}
        assert (await login(service, PASSWORD, new_password=NEW)).status_code == 200

        problem(await login(service, PASSWORD), "auth.refused")
        assert (await login(service, NEW)).status_code == 200
        service.clock.advance(timedelta(days=91))
        problem(await login(service, NEW), "auth.password_expired")


async def test_former_passwords_are_not_taken_again(migrated_database_url):
    async with running(migrated_database_url, password_former=2) as service:
        user = service.add_user("lina")
        first, second, third = (f"Correct horse {number}" for number in "123")
        current = PASSWORD

        async def change(new):
            secret = service.identity.sessions.log_in("lina", current, "").secret
            async with service.client(headers=bearer(secret)) as client:
                return await client.patch("/api/auth/password", json={"current": current, "password": new})

        for new in (first, second, third):
            assert (await change(new)).status_code == 204
            current = new
        for new in (first, second):
            refused = problem(await change(new), "identity.invalid")
            assert pointers(refused) == {"/password": "password_former"}
        link = service.identity.setup.issue_link(user)[0]
        async with service.client() as nobody:
            for used in (first, third):
                reply = await nobody.post("/api/auth/setup", json={"link": link, "password": used})
                assert pointers(problem(reply, "identity.invalid")) == {"/password": "password_former"}
        assert (await change(PASSWORD)).status_code == 204  # three ago
        current = PASSWORD
        stored = service.identity.users.get_user(user.id)
        assert "former" not in repr(stored)


async def test_without_the_rule_no_former_password_is_kept(migrated_database_url):
    async with running(migrated_database_url) as service:
        user = service.add_user("lina")
        link = service.identity.setup.issue_link(user)[0]
        service.identity.setup.redeem(link, PASSWORD)  # who forgot it may choose the same
        with service.app.services.database.snapshot() as connection:
            kept = connection.execute(sa.text("SELECT former_passwords FROM dougong_user")).scalars().all()
        assert set(kept) == {None}
