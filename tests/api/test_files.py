"""Files over HTTP on both databases: in, held by records, out again, and gone when nobody holds them."""

from __future__ import annotations

import copy
import hashlib
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from builder.definition.parse import parse_definition
from builder.registry.apps import delete_app, put_draft
from builder.registry.publishing import publish_draft
from runtime.files.cleaning import Cleared, clear_away
from tests.support.contents import HTML, PDF, WAV, jpeg, png, stored_files
from tests.support.service import Service, pointers, problem, running
from tests.support.visits import APP, RECORDS, publish_visits

pytestmark = pytest.mark.anyio
FILES = "/api/field/files"
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
async def service(anyio_backend, migrated_database_url, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(migrated_database_url, files_folder=tmp_path / "files", file_bytes=100_000) as made:
        made.add_user("admin", "admin")
        made.add_user("member", "member")
        publish_visits(made)
        yield made


@pytest.fixture
async def client(service):
    async with service.client_of("member", "records:read", "records:write") as made:
        yield made


async def upload(client, content: bytes, name: str = "照片.png"):
    from urllib.parse import quote

    headers = {
        "content-type": "application/x-lie",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name)}",
    }
    return await client.post(FILES, content=content, headers=headers)


async def uploaded(client, content: bytes, name: str = "照片.png"):
    reply = await upload(client, content, name)
    assert reply.status_code == 201, reply.text
    return reply.json()["data"]


async def clear(service: Service, machine_now: datetime = LATER) -> Cleared:
    services = service.app.services
    files = services.files
    return await clear_away(
        services.database, files.store, files.folder, now=service.clock.now(), machine_now=machine_now
    )


async def test_a_file_goes_in_and_comes_out_as_an_attachment_CVE_2023_27474(service, client):
    content = png()
    made = await uploaded(client, content)
    assert {key: made[key] for key in ("name", "media_type", "bytes", "width", "height", "sha256")} == {
        "name": "照片.png",
        "media_type": "image/png",
        "bytes": len(content),
        "width": 40,
        "height": 30,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert made["created_at"] == "2026-11-22T08:00:00.000Z"

    reply = await client.get(f"{FILES}/{made['id']}")
    assert (reply.status_code, reply.content) == (200, content)
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["content-disposition"].startswith('attachment; filename="__.png"; filename*=UTF-8')
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]
    assert reply.headers["etag"] == f'"{made["sha256"]}"'
    again = await client.get(f"{FILES}/{made['id']}", headers={"if-none-match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await client.head(f"{FILES}/{made['id']}")
    assert (head.headers["content-length"], head.content) == (str(len(content)), b"")


async def test_parts_of_a_file_CVE_2025_62727(service, client):
    content = bytes(range(256)) * 10
    made = await uploaded(client, content, "x.bin")
    address = f"{FILES}/{made['id']}"
    for asked, first, last in [
        ("bytes=0-9", 0, 9),
        ("bytes=2550-", 2550, 2559),
        ("bytes=-5", 2555, 2559),
        ("bytes=100-999999", 100, 2559),
        ("bytes=-999999", 0, 2559),
    ]:
        reply = await client.get(address, headers={"range": asked})
        assert (reply.status_code, reply.content) == (206, content[first : last + 1]), asked
        assert reply.headers["content-range"] == f"bytes {first}-{last}/2560"
    for asked in ("bytes=0-1,5-6", "bytes=9-1", "items=0-1", "bytes=-", "bytes=a-b", "bytes=" + "0-0," * 500):
        reply = await client.get(address, headers={"range": asked})
        assert (reply.status_code, reply.content) == (200, content), asked
    for asked in ("bytes=2560-", "bytes=-0", "bytes=99999999-"):
        problem(await client.get(address, headers={"range": asked}), "file.range")
    stale = await client.get(address, headers={"range": "bytes=0-1", "if-range": '"other"'})
    assert stale.status_code == 200


async def test_forms_bring_files_too_CVE_2024_53981_CVE_2024_47874(client):
    reply = await client.post(FILES, files={"file": ("合同.pdf", PDF, "image/png")}, data={"note": "x"})
    assert reply.status_code == 201, reply.text
    made = reply.json()["data"]
    assert (made["name"], made["media_type"], made["bytes"]) == ("合同.pdf", "application/pdf", len(PDF))
    assert (await client.get(f"{FILES}/{made['id']}")).content == PDF
    several = [("file", ("a.pdf", PDF, "x")), ("file", ("b.pdf", PDF, "x"))]
    problem(await client.post(FILES, files=several), "request.malformed")
    problem(await client.post(FILES, data={"note": "x"}), "request.media_type")
    plain = b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n--x--\r\n'
    problem(
        await client.post(FILES, content=plain, headers={"content-type": "multipart/form-data; boundary=x"}),
        "request.malformed",
    )
    cut = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.pdf"\r\n\r\n%PDF-1.7'
    form = {"content-type": "multipart/form-data; boundary=x"}
    problem(await client.post(FILES, content=cut, headers=form), "request.malformed")
    problem(await client.post(FILES, content=b"--y\r\n", headers=form), "request.malformed")
    problem(
        await client.post(FILES, content=b"x", headers={"content-type": "multipart/form-data"}), "request.malformed"
    )


async def test_pictures_have_thumbnails(client):
    made = await uploaded(client, jpeg(1200, 600), "foto.jpg")
    for _ in range(2):
        reply = await client.get(f"{FILES}/{made['id']}?thumbnail=320")
        assert reply.headers["content-type"] == "image/webp"
        assert Image.open(io.BytesIO(reply.content)).size == (320, 160)
    paper = await uploaded(client, PDF, "a.pdf")
    problem(await client.get(f"{FILES}/{paper['id']}?thumbnail=320"), "file.no_thumbnail")
    problem(await client.get(f"{FILES}/{made['id']}?thumbnail=321"), "query.invalid")
    problem(await client.get(f"{FILES}/{made['id']}?width=3"), "query.invalid")


async def test_records_hold_files_that_fit_their_fields(client):
    photo, paper = await uploaded(client, png()), await uploaded(client, PDF, "a.pdf")
    sound = await uploaded(client, WAV, "a.wav")
    large = await uploaded(client, png(300, 200) + bytes(30_000), "large.png")
    body = {"photos": [photo["id"]], "papers": [paper["id"]], "voice": [sound["id"]], "signed": [photo["id"]]}
    reply = await client.post(RECORDS, json=body)
    assert reply.status_code == 201, reply.text
    record = reply.json()["data"]
    assert record["photos"] == [photo["id"]]
    shown = (await client.get(f"{RECORDS}/{record['id']}?expand=photos,voice")).json()["data"]
    assert shown["photos"] == [{k: photo[k] for k in ("id", "name", "media_type", "bytes", "width", "height")}]
    assert shown["voice"][0]["media_type"] == "audio/wav"

    wrong = {"photos": [paper["id"], large["id"]], "papers": [photo["id"]], "voice": [str(uuid4())]}
    for reply in (await client.post(RECORDS, json=wrong), await client.patch(f"{RECORDS}/{record['id']}", json=wrong)):
        document = problem(reply, "record.invalid")
        assert sorted((e["pointer"], e["code"]) for e in document["errors"]) == [
            ("/papers", "media_type"),
            ("/photos", "bytes"),
            ("/photos", "media_type"),
            ("/voice", "reference"),
        ]


async def test_a_file_that_no_record_holds_any_more_goes_after_a_day(service, client, tmp_path):
    kept, dropped, never = [await uploaded(client, png(width), "a.png") for width in (10, 20, 30)]
    record = (await client.post(RECORDS, json={"photos": [kept["id"], dropped["id"]]})).json()["data"]
    other = (await client.post(RECORDS, json={"photos": [dropped["id"]]})).json()["data"]
    service.clock.advance(timedelta(hours=25))
    assert (await clear(service)).files == 1
    problem(await client.get(f"{FILES}/{never['id']}"), "file.not_found")

    await client.patch(f"{RECORDS}/{record['id']}", json={"photos": [kept["id"]]})
    service.clock.advance(timedelta(hours=25))
    assert (await clear(service)).files == 0  # the other record still holds it
    await client.delete(f"{RECORDS}/{other['id']}")
    assert (await clear(service)).files == 0  # not for a day yet
    service.clock.advance(timedelta(hours=25))
    cleared = await clear(service)

    assert (cleared.files, cleared.contents) == (1, 1)
    assert (await client.get(f"{FILES}/{kept['id']}")).status_code == 200
    assert len(stored_files(tmp_path / "files")) == 1


async def test_equal_contents_are_kept_once_and_stay_as_long_as_one_file_needs_them(service, client, tmp_path):
    first, second = [await uploaded(client, PDF, name) for name in ("a.pdf", "b.pdf")]
    assert first["id"] != second["id"]
    assert len(stored_files(tmp_path / "files")) == 1
    await client.post(RECORDS, json={"papers": [second["id"]]})
    service.clock.advance(timedelta(days=3))
    cleared = await clear(service)
    assert (cleared.files, cleared.contents) == (1, 0)
    assert (await client.get(f"{FILES}/{second['id']}")).content == PDF


async def test_a_content_that_was_just_put_is_left_alone(service, client, tmp_path):
    await uploaded(client, PDF, "a.pdf")
    part = tmp_path / "files" / "incoming" / "x.part"
    part.write_bytes(b"half")
    service.clock.advance(timedelta(days=3))
    before = await clear(service, machine_now=datetime.now(UTC))
    assert (before.files, before.contents, before.parts) == (1, 0, 0)
    after = await clear(service)
    assert (after.contents, after.parts) == (1, 1)
    assert stored_files(tmp_path / "files") == []


async def test_an_unused_file_is_its_uploaders_alone_CVE_2021_23178_GHSA_ghvf_qf6h_g8x5(service, client):
    made = await uploaded(client, PDF, "a.pdf")
    async with service.client_of("admin", "records:read", "records:write") as other:
        problem(await other.get(f"{FILES}/{made['id']}"), "file.not_found")
        refused = await other.post(RECORDS, json={"papers": [made["id"]]})
        assert pointers(problem(refused, "record.invalid")) == {"/papers": "reference"}
        await client.post(RECORDS, json={"papers": [made["id"]]})
        assert (await other.get(f"{FILES}/{made['id']}")).content == PDF


async def test_rights_and_addresses(service, client):
    made = await uploaded(client, HTML, "page.html")
    reply = await client.get(f"{FILES}/{made['id']}")
    assert reply.headers["content-type"] == "application/octet-stream"
    async with service.client() as nobody:
        problem(await nobody.get(f"{FILES}/{made['id']}"), "auth.required")
        problem(await nobody.post(FILES, content=PDF), "auth.required")
    async with service.client_of("member", "records:read") as reader:
        problem(await reader.post(FILES, content=PDF), "access.denied")
    problem(await client.post("/api/nowhere/files", content=PDF), "app.not_found")
    problem(await client.get(f"/api/other/files/{made['id']}"), "app.not_found")
    for wrong in ("x", str(uuid4())):
        problem(await client.get(f"{FILES}/{wrong}"), "file.not_found")
    for wrong in ("%00", "..%2f..%2fetc%2fpasswd"):
        problem(await client.get(f"{FILES}/{wrong}"), "route.not_found")
    problem(await client.put(f"{FILES}/{made['id']}", content=b""), "request.method")
    problem(await client.get(FILES), "request.method")


async def test_a_qr_code_of_a_record(client):
    record = (await client.post(RECORDS, json={"code": "https://example.com/张三"})).json()["data"]
    reply = await client.get(f"{RECORDS}/{record['id']}/code/qr.svg")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "image/svg+xml"
    assert reply.content.startswith(b"<svg ")
    problem(await client.get(f"{RECORDS}/{record['id']}/name/qr.svg"), "route.not_found")
    problem(await client.get(f"{RECORDS}/{uuid4()}/code/qr.svg"), "record.not_found")
    blank = (await client.post(RECORDS, json={"name": "x"})).json()["data"]
    problem(await client.get(f"{RECORDS}/{blank['id']}/code/qr.svg"), "file.not_found")


async def test_what_records_hold_follows_a_renamed_entity_and_goes_with_the_app(service, client):
    registry = service.app.services.registry
    made = await uploaded(client, PDF, "a.pdf")
    await client.post(RECORDS, json={"papers": [made["id"]]})
    renamed = copy.deepcopy(APP)
    renamed["entities"][0] |= {"key": "call", "renamed_from": "visit"}
    put_draft(registry, parse_definition(renamed), None)
    publish_draft(registry, "field", base_version=1, plan_hash=None)
    service.clock.advance(timedelta(days=3))
    assert (await clear(service)).files == 0
    reply = await client.get("/api/field/records/call")
    assert reply.status_code == 200, reply.text
    record = reply.json()["data"][0]
    assert record["papers"] == [made["id"]]
    await client.delete(f"/api/field/records/call/{record['id']}")
    await client.post("/api/field/records/call", json={"papers": [made["id"]]})

    delete_app(registry, "field", confirm="field")
    assert (await clear(service)).contents == 1
