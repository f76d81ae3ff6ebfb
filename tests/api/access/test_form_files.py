"""Files that strangers bring to public forms: for one field of one form, theirs alone, small, and nothing that the field would not take."""

from __future__ import annotations

from typing import Any

import pytest

from builder.kernel.canonical import dump_json
from builder.kernel.limits import FORM_FILE_BYTES
from runtime.sharing.captcha import solve
from tests.support.contents import PDF, png
from tests.support.desk import publish_definition
from tests.support.query_app import field
from tests.support.service import pointers, problem, running

pytestmark = pytest.mark.anyio

APP = "help"
PNG = png()
FORM: dict[str, Any] = {
    "key": "claim",
    "label": "Claim",
    "entity": "claim",
    "role": "visitor",
    "fields": [{"field": "title"}, {"field": "photos"}, {"field": "papers"}],
    "work_bits": 8,
    "captcha": "none",
}
ROLES = [
    {
        "key": "visitor",
        "label": "Visitor",
        "grants": [{"entity": "claim", "may": ["create"], "writable": ["title", "photos", "papers"]}],
    },
    {"key": "clerk", "label": "Clerk", "grants": [{"entity": "claim"}]},
]


def definition() -> dict[str, Any]:
    fields = [field("title", "text"), field("photos", "image", max_count=2), field("papers", "file", max_bytes=2_000)]
    forms = [FORM, {**FORM, "key": "other"}, {**FORM, "key": "proved", "captcha": "work"}]
    return {
        "app": {"key": APP, "label": "Help"},
        "entities": [{"key": "claim", "label": "Claim", "fields": fields}],
        "roles": ROLES,
        "forms": forms,
    }


@pytest.fixture
async def service(anyio_backend, migrated_database_url, tmp_path):
    async with running(migrated_database_url, files_folder=tmp_path / "files") as made:
        made.add_user("clerk")
        clerk = made.identity.users.find_by_username("clerk")
        assert clerk is not None
        publish_definition(made.app.services.registry, definition())
        made.identity.grants.give(APP, "clerk", "user", clerk.id)
        yield made


async def bring(service, content=PNG, *, form="claim", to="photos", name="a.png", address="10.8.8.8", **params):
    async with service.client(address=address) as visitor:
        return await visitor.post(
            f"/api/{APP}/forms/{form}/files", params={"field": to, **params}, files={"file": (name, content)}
        )


async def hand_in(service, form="claim", address="10.8.8.8", **values):
    async with service.client(address=address) as visitor:
        content = dump_json({"values": {"title": "Broken", **values}})
        return await visitor.post(
            f"/api/{APP}/forms/{form}", content=content, headers={"content-type": "application/json"}
        )


async def test_a_file_comes_in_with_the_form_and_clerks_read_it(service):
    photo = (await bring(service)).json()["data"]
    assert (photo["name"], photo["media_type"], photo["bytes"]) == ("a.png", "image/png", len(PNG))
    assert "id" not in photo
    paper = (await bring(service, PDF, to="papers", name="a.pdf")).json()["data"]
    assert (await hand_in(service, photos=[photo["ticket"]], papers=[paper["ticket"]])).status_code == 201
    async with service.client_of("clerk") as clerk:
        [row] = (await clerk.get(f"/api/{APP}/records/claim")).json()["data"]
        got = await clerk.get(f"/api/{APP}/files/{row['photos'][0]}")
        assert (got.status_code, got.content) == (200, PNG)
    async with service.client() as visitor:
        assert (await visitor.get(f"/api/{APP}/files/{row['photos'][0]}")).status_code == 401


async def test_only_tickets_of_this_field_of_this_form_count(service):
    ticket = (await bring(service)).json()["data"]["ticket"]
    elsewhere = (await bring(service, form="other")).json()["data"]["ticket"]
    for wrong in (elsewhere, ticket[:-4] + "AAAA", "", 7, None, {"id": ticket}, "0190b4b5-6d3c-7c3e-8f00-000000000000"):
        reply = await hand_in(service, photos=[ticket, wrong])
        assert pointers(problem(reply, "record.invalid")) == {"/photos/1": "ticket"}, wrong
    reply = await hand_in(service, papers=[ticket])
    assert pointers(problem(reply, "record.invalid")) == {"/papers/0": "ticket"}
    async with service.client_of("clerk") as clerk:
        assert (await clerk.get(f"/api/{APP}/records/claim")).json()["data"] == []


async def test_what_the_field_does_not_take_is_refused_at_once(service):
    assert pointers(problem(await bring(service, PDF, name="a.pdf"), "record.invalid")) == {"/photos": "media_type"}
    problem(await bring(service, PDF, name="a.png"), "file.disguised")
    problem(await bring(service, b"x" * 2_001, to="papers", name="a.txt"), "file.too_large")
    problem(await bring(service, b"\0" * (FORM_FILE_BYTES + 1), name="a.png"), "file.too_large")
    problem(await bring(service, to="title"), "request.unknown_name")
    problem(await bring(service, to="owner"), "request.unknown_name")
    problem(await bring(service, form="nothing"), "form.not_found")
    problem(await bring(service, b""), "file.empty")
    reply = await hand_in(service, photos=[(await bring(service)).json()["data"]["ticket"] for _ in range(3)])
    assert "/photos" in pointers(problem(reply, "record.invalid"))


async def test_robots_pay_for_files_as_for_forms(service):
    problem(await bring(service, form="proved"), "form.captcha")
    async with service.client(address="10.8.8.8") as visitor:
        told = (await visitor.get(f"/api/{APP}/forms/proved")).json()["data"]
    assert {each["key"]: each["most_bytes"] for each in told["fields"]}["papers"] == 2_000
    proof = solve(told["captcha"]["challenge"], told["captcha"]["bits"])
    assert (await bring(service, form="proved", captcha=proof)).status_code == 201
    problem(await bring(service, form="proved", captcha=proof), "form.captcha")  # counts once
    for _ in range(10):
        await bring(service, address="10.7.7.7")
    problem(await bring(service, address="10.7.7.7"), "auth.throttled")
