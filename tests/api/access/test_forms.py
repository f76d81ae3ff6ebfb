"""Public forms: a door that creates and nothing else, and what stands in the way of robots. On both databases."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from builder.kernel.canonical import dump_json, parse_json
from runtime.sharing.captcha import solve
from tests.support.desk import publish_definition
from tests.support.receiver import Reply, http_receiver
from tests.support.rights_app import APP, ROLES, definition
from tests.support.service import pointers, problem
from tests.support.trading import open_trading

pytestmark = pytest.mark.anyio

VISITOR: dict[str, Any] = {
    "key": "visitor",
    "label": "Visitor",
    "grants": [{"entity": "customer", "may": ["create"], "writable": ["name", "phone", "limit", "region", "level"]}],
}
FORM: dict[str, Any] = {
    "key": "contact",
    "label": {"zh": "联系我们", "en": "Contact us"},
    "entity": "customer",
    "role": "visitor",
    "fields": [{"field": "name"}, {"field": "phone", "required": True}, {"field": "limit"}],
    "values": [{"field": "region", "value": '"网站"'}],
    "thanks": {"zh": "谢谢", "en": "Thank you"},
    "work_bits": 8,
}
GIVEN = {"name": "新客户", "phone": "13900001111"}
PLACE = f"/api/{APP}/forms/contact"


def app_with(*forms):
    return definition([*ROLES, VISITOR], forms=list(forms))


@pytest.fixture
async def trading(anyio_backend, filled, tmp_path):
    document = app_with(FORM, {**FORM, "key": "free", "captcha": "none"})
    async with open_trading(filled, tmp_path / "files", document) as made:
        yield made


async def sent(trading, values, *, form="free", proof=None, address="10.8.8.8", **headers):
    body = {"values": values} if proof is None else {"values": values, "captcha": proof}
    async with trading.service.client(address=address) as visitor:
        content = {"content-type": "application/json", **headers}
        return await visitor.post(f"/api/{APP}/forms/{form}", content=dump_json(body), headers=content)


async def challenge(trading, form="contact"):
    async with trading.service.client() as visitor:
        reply = await visitor.get(f"/api/{APP}/forms/{form}", headers={"accept-language": "en"})
    assert reply.status_code == 200, reply.text
    return reply.json()["data"]


async def customers(trading):
    return {row["name"]: row for row in await trading["root"].page("customer")}


# --- the one thing it does --------------------------------------------------------------------------------------------


async def test_a_form_says_what_it_asks_for(trading):
    told = await challenge(trading)
    assert told["label"] == "Contact us"
    assert [(each["key"], each["type"], each["required"]) for each in told["fields"]] == [
        ("name", "text", True),
        ("phone", "phone", True),
        ("limit", "money", False),
    ]
    assert (told["trap"], told["captcha"]["kind"], told["captcha"]["bits"]) == ("website", "work", 8)


async def test_what_is_handed_in_becomes_a_record_by_the_one_write_path(trading):
    reply = await sent(trading, {**GIVEN, "limit": Decimal("12.30")}, **{"accept-language": "en"})

    assert (reply.status_code, reply.json()) == (201, {"data": {"thanks": "Thank you"}})
    row = (await customers(trading))["新客户"]
    assert (row["phone"], row["region"], row["owner"]) == ("13900001111", "网站", None)
    full = await trading["root"].send("GET", f"records/customer/{row['id']}")
    assert parse_json(full.content)["data"]["limit"] == Decimal("12.30")
    timeline = (await trading["root"].send("GET", f"records/customer/{row['id']}/timeline")).json()["data"]
    assert [(event["door"], event["actor"]) for event in timeline] == [("form", "form:free")]


async def test_members_that_are_not_asked_for_are_refused_mass_assignment(trading):
    for more in ({"owner": trading.users["wang"]}, {"region": "mine"}, {"id": trading.ids["alpha"]}, {"secret": "x"}):
        document = problem(await sent(trading, {**GIVEN, **more}), "request.unknown_name")
        assert list(pointers(document)) == [f"/values/{next(iter(more))}"]
    assert len(await customers(trading)) == 3


async def test_rules_of_the_record_hold(trading):
    assert pointers(problem(await sent(trading, {"name": "x"}), "record.invalid")) == {"/phone": "required"}
    wrong = problem(await sent(trading, {**GIVEN, "limit": "much"}), "record.invalid")
    assert list(pointers(wrong)) == ["/limit"]
    assert len(await customers(trading)) == 3


async def test_nothing_can_be_read_through_a_form(trading):
    async with trading.service.client() as visitor:
        for method in ("PUT", "PATCH", "DELETE"):
            assert (await visitor.request(method, PLACE)).status_code == 405
        for path in (f"{PLACE}/{trading.ids['alpha']}", f"/api/{APP}/forms"):
            problem(await visitor.get(path), "route.not_found")
        problem(await visitor.get(f"/api/{APP}/records/customer"), "auth.required")
    made = await sent(trading, GIVEN)
    assert "id" not in made.json()["data"]


async def test_what_is_not_there_or_switched_off_is_one_answer(trading):
    publish_definition(trading.service.app.services.registry, app_with({**FORM, "active": False}))
    async with trading.service.client() as visitor:
        replies = [
            await visitor.get(place) for place in (PLACE, f"/api/{APP}/forms/none", "/api/nowhere/forms/contact")
        ]
    assert len({problem(reply, "form.not_found")["detail"] for reply in replies}) == 1


async def test_a_form_creates_what_its_role_may_create(trading):
    """The role is asked by the one gate; a role that lost the right leaves a form that is refused."""
    visitor = {**VISITOR, "grants": [{**VISITOR["grants"][0], "writable": ["name", "phone", "limit"]}]}
    registry = trading.service.app.services.registry
    document = definition([*ROLES, visitor], forms=[{**FORM, "captcha": "none", "values": []}])
    publish_definition(registry, document)
    assert (await sent(trading, GIVEN, form="contact")).status_code == 201
    assert (await customers(trading))["新客户"]["region"] is None


# --- against robots ---------------------------------------------------------------------------------------------------


async def test_work_is_asked_for_and_counts_once(trading):
    problem(await sent(trading, GIVEN, form="contact"), "form.captcha")
    told = (await challenge(trading))["captcha"]
    proof = solve(told["challenge"], told["bits"])
    problem(await sent(trading, GIVEN, form="contact", proof=proof[:-1] + "x"), "form.captcha")

    assert (await sent(trading, GIVEN, form="contact", proof=proof)).status_code == 201

    again = {**GIVEN, "phone": "13900002222"}
    problem(await sent(trading, again, form="contact", proof=proof), "form.captcha")
    assert len(await customers(trading)) == 4


async def test_a_challenge_is_for_one_form_and_ten_minutes_and_made_by_us(trading):
    registry = trading.service.app.services.registry
    publish_definition(registry, app_with(FORM, {**FORM, "key": "other"}))
    told = (await challenge(trading, "other"))["captcha"]
    problem(await sent(trading, GIVEN, form="contact", proof=solve(told["challenge"], 8)), "form.captcha")
    problem(await sent(trading, GIVEN, form="contact", proof=solve("of my own", 8)), "form.captcha")
    told = (await challenge(trading))["captcha"]
    trading.service.clock.advance(timedelta(minutes=10))
    problem(await sent(trading, GIVEN, form="contact", proof=solve(told["challenge"], 8)), "form.captcha")


async def test_less_work_than_asked_for_is_not_enough(trading):
    told = (await challenge(trading))["captcha"]
    number = next(n for n in range(10_000) if not _solves(told["challenge"], n))
    problem(await sent(trading, GIVEN, form="contact", proof=f"{told['challenge']}.{number}"), "form.captcha")


def _solves(text, number):
    from runtime.sharing.captcha import is_solved

    return is_solved(text, str(number), 8)


@pytest.mark.parametrize(
    "answer, status",
    [
        (Reply(200, {"success": True}), 201),
        (Reply(200, {"success": False}), 422),
        (Reply(200, {"success": "true"}), 422),
        (Reply(200, []), 422),
        (Reply(500, {"success": True}), 422),
        (Reply(200, raw=b"HTTP/1.1 200 OK\r\n\r\nno json"), 503),
    ],
)
async def test_a_service_is_asked_and_only_its_yes_counts(filled, tmp_path, answer, status):
    async with http_receiver() as receiver:
        receiver.answer = lambda _: answer
        settings = {"captcha_url": f"{receiver.url}/siteverify", "captcha_secret": "s3", "captcha_site_key": "site"}
        document = app_with({**FORM, "captcha": "service"})
        async with open_trading(
            filled, tmp_path / "files", document, outbound_allow=("127.0.0.1",), **settings
        ) as trading:
            assert (await challenge(trading))["captcha"] == {"kind": "service", "site_key": "site"}
            reply = await sent(trading, GIVEN, form="contact", proof="token")
            assert reply.status_code == status, reply.text
            assert receiver.requests[0].body == b"secret=s3&response=token&remoteip=10.8.8.8"
            assert len(await customers(trading)) == (4 if status == 201 else 3)


async def test_who_walks_into_the_trap_is_thanked_and_forgotten(trading):
    reply = await sent(trading, {**GIVEN, "website": "http://spam.example"})
    assert (reply.status_code, "thanks" in reply.json()["data"]) == (201, True)
    assert len(await customers(trading)) == 3
    assert (await sent(trading, {**GIVEN, "website": ""})).status_code == 201
    assert len(await customers(trading)) == 4


async def test_sendings_are_throttled_by_address(trading):
    replies = [await sent(trading, {**GIVEN, "phone": f"139000033{n:02}"}) for n in range(11)]
    assert [reply.status_code for reply in replies[9:]] == [201, 429]
    assert (await sent(trading, {**GIVEN, "phone": "13900004444"}, address="10.7.7.7")).status_code == 201


# --- what cannot be published -----------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a computed field": ({"fields": [{"field": "name"}, {"field": "turnover"}]}, "form.field"),
    "a field that needs an account": ({"fields": [{"field": "name"}, {"field": "owner"}]}, "form.field"),
    "a required one left out": ({"fields": [{"field": "phone"}]}, "form.required"),
    "no role": ({"role": None}, "form.role"),
    "a role that may not create": ({"role": "finance"}, "form.role"),
    "a field the role may not give": ({"fields": [{"field": "name"}, {"field": "secret"}]}, "form.role"),
    "no such field": ({"fields": [{"field": "name"}, {"field": "nonsense"}]}, "reference.field"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_form_that_could_not_work_is_a_finding(wrong):
    from builder.checks.run import run_checks
    from builder.definition.parse import parse_definition

    changes, code = WRONG[wrong]
    parsed = parse_definition(app_with({**FORM, "values": [], **changes}))
    codes = {finding.code for finding in run_checks(parsed) if finding.severity == "error"}
    assert code in codes, codes
