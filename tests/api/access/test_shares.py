"""Share links: what they show, to whom, for how long; and everything they must not tell. On both databases."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from builder.kernel.clock import instant_text
from builder.store.sharing_tables import share as share_table
from runtime.identity.audit import Search
from tests.support.rights_app import APP, definition
from tests.support.service import START, pointers, problem
from tests.support.trading import open_trading

pytestmark = pytest.mark.anyio

VIEW = {"key": "all", "label": "All", "entity": "customer", "sort": ["name"], "columns": ["name"]}
RICH = {"key": "rich", "label": "Rich", "entity": "customer", "sort": ["-limit", "phone"], "columns": ["name"]}


@pytest.fixture
async def trading(anyio_backend, filled, tmp_path):
    async with open_trading(
        filled, tmp_path / "files", definition(views=[VIEW, RICH]), public_url="https://crm.example.com"
    ) as made:
        yield made


async def shared(trading, who="boss", *, fields=("name", "phone"), view=None, record="alpha", **more):
    of = {"entity": "customer", "view": view} if view else {"entity": "customer", "id": trading.ids[record]}
    return await trading[who].send("POST", "shares", {"share": of, "fields": list(fields), **more})


def secret_of(reply):
    assert reply.status_code == 201, reply.text
    return reply.json()["data"]["link"].partition("#")[2]


async def opened(trading, secret, *, address="10.9.9.9", **more):
    async with trading.service.client(address=address) as visitor:
        return await visitor.post("/api/shared/open", json={"link": secret, **more})


# --- what a link shows ------------------------------------------------------------------------------------------------


async def test_a_record_is_shown_with_the_chosen_fields_and_no_others(trading):
    made = await shared(trading, label="报价")
    assert made.json()["data"]["link"].startswith("https://crm.example.com/shared#dgo_")

    answer = (await opened(trading, secret_of(made))).json()

    assert {"name": "alpha", "phone": "13800001231"}.items() <= answer["data"].items()
    assert not {"secret", "limit", "owner", "turnover", "orders"} & answer["data"].keys()
    about = answer["share"]
    assert (about["label"], about["entity"], [each["path"] for each in about["fields"]]) == (
        "报价",
        "customer",
        ["name", "phone"],
    )
    assert "boss" not in str(answer)


async def test_a_view_is_shown_page_by_page_as_far_as_its_maker_sees(trading):
    secret = secret_of(await shared(trading, "eastboss", view="all", fields=["name"]))

    first = (await opened(trading, secret, limit=1)).json()
    second = (await opened(trading, secret, limit=1, cursor=first["meta"]["next_cursor"])).json()

    assert [row["name"] for row in (*first["data"], *second["data"])] == ["alpha", "beta"]  # gamma is the west's
    assert second["meta"]["next_cursor"] is None
    [listed] = (await trading["eastboss"].send("GET", "shares")).json()["data"]
    assert listed["opened_count"] == 1  # turning a page is the same visit


async def test_a_cursor_tells_nothing_and_cannot_be_made_up_CVE_2026_46552(trading):
    """A list goes on behind the values it is sorted by: neither are they shown, nor can others be asked for."""
    secret = secret_of(await shared(trading, view="rich", fields=["name"]))
    first = (await opened(trading, secret, limit=1)).json()
    cursor = first["meta"]["next_cursor"]
    told = base64.b64decode(cursor)
    assert not any(value in told for value in (b"300", b"1380000", trading.ids["gamma"].encode()))
    second = (await opened(trading, secret, limit=1, cursor=cursor)).json()
    assert [row["name"] for row in (*first["data"], *second["data"])] == ["gamma", "beta"]
    own = await trading["boss"].send("GET", "records/customer", params={"view": "rich", "limit": 1, "fields": "name"})
    problem(await opened(trading, secret, cursor=own.json()["meta"]["next_cursor"]), "query.cursor")
    other = secret_of(await shared(trading, view="rich", fields=["name"]))
    problem(await opened(trading, other, cursor=cursor), "query.cursor")


async def test_a_link_lets_out_what_its_maker_may_export_and_no_more_CVE_2026_47378_CVE_2025_24353(trading):
    """CVE-2026-47378: a link is a way out, so reading is not enough; over a relation neither."""
    document = definition(views=[VIEW])
    chief = document["roles"][1]
    chief["grants"] = [
        {"entity": "customer", "rows": "INDEPT(department)", "may": ["read"]},
        {"entity": "customer", "rows": 'level = "A"', "fields": ["name", "phone"], "may": ["read", "export"]},
        {"entity": "order", "may": ["read", "export"]},
    ]
    trading["root"].publish(document)
    assert (await opened(trading, secret_of(await shared(trading, record="beta")))).json()["data"]["name"] == "beta"
    problem(await shared(trading, record="beta", fields=["name", "limit"]), "access.denied")  # read, not exported
    problem(await shared(trading, record="alpha"), "access.denied")
    problem(await shared(trading, record="beta", fields=["nope"]), "request.unknown_name")
    every = (await opened(trading, secret_of(await shared(trading, view="all", fields=["name"])))).json()["data"]
    assert [row["name"] for row in every] == ["beta"]
    order = {"share": {"entity": "order", "id": trading.ids["alpha won"]}, "fields": ["title", "customer.name"]}
    problem(await trading["boss"].send("POST", "shares", order | {"fields": ["customer.limit"]}), "access.denied")
    link = secret_of(await trading["boss"].send("POST", "shares", order))
    shown = (await opened(trading, link)).json()["data"]
    assert (shown["title"], shown["customer"]) == ("alpha won", None)  # which is not to leave the house


async def test_the_page_behind_a_link_holds_no_secret(trading):
    async with trading.service.client() as visitor:
        page = await visitor.get("/shared")
        assert page.status_code == 200
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert (await visitor.get("/shared/shared.js")).status_code == 200


async def test_a_link_shows_what_its_maker_sees_now(trading):
    """Rights that are gone are gone from links too; all ends look alike, also to nobody's link."""
    nowhere = await opened(trading, "dgo_nothing")
    ended = {}
    identity, root = trading.service.identity, trading["root"]

    secret = secret_of(await shared(trading, "eastboss"))
    assert (await opened(trading, secret)).status_code == 200
    await root.change("customer", trading.ids["alpha"], department=trading.departments["west"])
    ended["moved away"] = await opened(trading, secret)
    await root.change("customer", trading.ids["alpha"], department=trading.departments["east"])
    assert (await opened(trading, secret)).status_code == 200

    identity.users.update_user(trading.users["eastboss"], {"active": False})
    ended["maker switched off"] = await opened(trading, secret)

    secret = secret_of(await shared(trading))
    for grant in identity.grants.list_grants(APP):
        if grant.subject == trading.users["boss"]:
            identity.grants.take(APP, grant.id)
    ended["role taken"] = await opened(trading, secret)

    secret = secret_of(await shared(trading, "root"))
    trading.ids["new"] = (await root.create("customer", name="new"))["id"]
    gone = secret_of(await shared(trading, "root", record="new"))
    assert (await root.delete("customer", trading.ids["new"])).status_code == 204
    ended["deleted"] = await opened(trading, gone)
    trading.service.clock.advance(timedelta(days=7))
    ended["run out"] = await opened(trading, secret)

    for how, reply in ended.items():
        assert problem(reply, "share.not_found")["detail"] == nowhere.json()["detail"], how


# --- who may make one -------------------------------------------------------------------------------------------------


async def test_only_who_may_export_shares_and_only_what_they_see(trading):
    problem(await shared(trading, "wang"), "access.denied")  # reads alpha, may not export
    problem(await shared(trading, "nobody"), "app.not_found")
    problem(await shared(trading, "eastboss", record="gamma"), "record.not_found")
    problem(await shared(trading, "money", fields=["secret"]), "access.denied")
    problem(await shared(trading, fields=["nonsense"]), "request.unknown_name")
    problem(await shared(trading, view="nonsense"), "view.not_found")
    body = {"share": {"entity": "order", "id": trading.ids["alpha won"]}, "fields": ["title"]}
    problem(await trading["boss"].send("POST", "shares", body), "access.denied")


async def test_external_people_and_reading_tokens_do_not_share(trading):
    service = trading.service
    dealer = service.add_user("dealer", kind="external", department_id=trading.departments["sales"])
    service.identity.grants.give(APP, "chief", "user", dealer.id)
    body = {"share": {"entity": "customer", "id": trading.ids["alpha"]}, "fields": ["name"]}
    told = {("dealer", ()): "app.not_found", ("boss", ("records:read",)): "access.denied"}
    for (name, scopes), code in told.items():
        async with service.client_of(name, *scopes) as client:
            problem(await client.post(f"/api/{APP}/shares", json=body), code)


async def test_a_wish_has_bounds(trading):
    late = instant_text(START + timedelta(days=367))
    wrong = problem(await shared(trading, expires_at=late), "share.invalid")
    assert pointers(wrong) == {"/expires_at": "expires_at"}
    problem(await shared(trading, expires_at=instant_text(START)), "share.invalid")
    problem(await shared(trading, fields=[]), "request.malformed")


async def test_links_are_listed_and_taken_back_by_who_made_them(trading):
    secret = secret_of(await shared(trading))
    share_id = (await trading["boss"].send("GET", "shares")).json()["data"][0]["id"]
    assert (await trading["eastboss"].send("GET", "shares")).json()["data"] == []
    problem(await trading["eastboss"].send("DELETE", f"shares/{share_id}"), "share.not_found")

    assert (await trading["boss"].send("DELETE", f"shares/{share_id}")).status_code == 204

    problem(await opened(trading, secret), "share.not_found")
    assert (await trading["boss"].send("GET", "shares")).json()["data"] == []
    kinds = [event.kind for event in trading.service.identity.audit.list_events(Search(subject=share_id))]
    assert kinds == ["share.revoked", "share.created"]


# --- doors and locks of the link --------------------------------------------------------------------------------------


async def test_a_password_is_asked_for_and_cannot_be_guessed_CVE_2026_47379(trading):
    secret = secret_of(await shared(trading, password="let me in"))
    problem(await opened(trading, secret), "share.password")
    problem(await opened(trading, secret, password="wrong"), "share.password")
    assert (await opened(trading, secret, password="let me in")).status_code == 200

    guesses = [await opened(trading, secret, password="wrong", address=f"10.1.1.{n}") for n in range(11)]

    assert [reply.status_code for reply in guesses[9:]] == [401, 429]
    problem(await opened(trading, secret, password="let me in", address="10.2.2.2"), "auth.throttled")
    trading.service.clock.advance(timedelta(minutes=15))
    assert (await opened(trading, secret, password="let me in")).status_code == 200


async def test_a_link_is_used_up_after_its_openings(trading):
    secret = secret_of(await shared(trading, most_opens=2))
    replies = [await opened(trading, secret) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 404]


async def test_visitors_are_throttled_each(trading):
    secret = secret_of(await shared(trading))
    replies = [(await opened(trading, secret)).status_code for _ in range(61)]
    assert (replies[59], replies[60]) == (200, 429)
    assert (await opened(trading, secret, address="10.3.3.3")).status_code == 200


async def test_openings_are_counted_and_audited_and_the_secret_is_nowhere(trading):
    secret = secret_of(await shared(trading))
    await opened(trading, secret, address="10.4.4.4")

    [event] = trading.service.identity.audit.list_events(Search(kind="share.opened"))
    assert (event.actor, event.address) == (None, "10.4.4.4")
    with trading.service.app.services.database.snapshot() as connection:
        row = connection.execute(share_table.select()).one()
    assert (row.opened_count, event.subject) == (1, row.id)
    assert secret not in str(row)
    assert secret.encode() not in trading.service.log.getvalue()


async def test_a_visitor_cannot_ask_for_more(trading):
    """CVE-2024-28239 and its kind: no filter, sort, expand or field of the visitor's reaches the question."""
    secret = secret_of(await shared(trading, view="all", fields=["name"]))
    for member in ({"filter": 'secret = "x"'}, {"sort": "secret"}, {"fields": ["secret"]}, {"expand": ["owner"]}):
        reply = await opened(trading, secret, **member)
        assert reply.status_code in (400, 422), reply.text
        assert "secret alpha" not in reply.text


async def test_hidden_fields_do_not_change_what_a_link_says(trading):
    secret = secret_of(await shared(trading, "eastboss", fields=["name"]))
    before = (await opened(trading, secret)).json()
    await trading["root"].change("customer", trading.ids["alpha"], secret="another", limit=1)
    after = (await opened(trading, secret)).json()
    assert after == before
