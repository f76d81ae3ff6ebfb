"""Files that lie, burst, wander or never end: each is refused in words, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from builder.kernel.problems import Problem
from runtime.api import files as files_api
from runtime.files import images
from tests.support.contents import HTML, PDF, SVG, WAV, jpeg, png, png_bomb, stored_files
from tests.support.service import Service, pointers, problem, running
from tests.support.visits import RECORDS, publish_visits

pytestmark = pytest.mark.anyio
FILES = "/api/field/files"


@pytest.fixture
def dialect():
    return "sqlite"


@pytest.fixture
async def service(anyio_backend, migrated_database_url, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(migrated_database_url, files_folder=tmp_path / "files", file_bytes=100_000) as made:
        made.add_user("member", "member")
        publish_visits(made)
        yield made


@pytest.fixture
async def client(service):
    async with service.client_of("member", "records:read", "records:write") as made:
        yield made


async def upload(client, content, name: str):
    header = f'attachment; filename="{name}"'.encode()
    return await client.post(
        FILES, content=content, headers={"content-disposition": header, "content-type": "image/png"}
    )


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.png", HTML),
        ("a.png", SVG),
        ("a.jpg", b"  \n<!-- x --><svg onload=alert(1)>"),
        ("a.jpg", png()),
        ("a.png", jpeg(5, 5)),
        ("a.pdf", b"MZ" + bytes(100)),
        ("a.docx", b"PK\x03\x04" + bytes(100)),
        ("a.xlsx", PDF),
        ("a.mp3", PDF),
        ("a.txt", b"\x7fELF" + bytes(100)),
        ("a.csv", HTML),
        ("A.PNG", PDF),
    ],
)
async def test_a_name_that_promises_something_else_is_refused_CVE_2026_46426(client, tmp_path, name, content):
    problem(await upload(client, content, name), "file.disguised")
    assert stored_files(tmp_path / "files") == []


@pytest.mark.parametrize("content", [HTML, SVG, PDF, WAV, b"plain", b"MZ\x00\x00", bytes(100)])
@pytest.mark.parametrize("name", ["noending", "a.unknown"])
async def test_only_pictures_go_into_an_image_field_CVE_2026_24769_CVE_2025_64747(client, name, content):
    made = (await upload(client, content, name)).json()["data"]
    reply = await client.post(RECORDS, json={"photos": [made["id"]]})
    assert pointers(problem(reply, "record.invalid")) == {"/photos": "media_type"}


async def test_a_picture_that_would_fill_the_memory_is_refused_by_its_header_CVE_2026_35441(client, tmp_path):
    for width, height in [(50_000, 50_000), (8_000, 8_000), (2**31 - 1, 2**31 - 1), (100_000, 1_000)]:
        content = png_bomb(width, height)
        assert len(content) < 200
        document = (await upload(client, content, "a.png")).json()
        assert document["code"] in ("file.image_too_large", "file.damaged"), document
    assert stored_files(tmp_path / "files") == []


def test_no_thumbnail_is_drawn_of_a_bomb():
    with pytest.raises(Problem) as caught:
        images.thumbnail(png_bomb(8_000, 8_000), "image/png", 320)
    assert caught.value.code == "file.image_too_large"


async def test_damaged_pictures_are_refused_or_have_no_thumbnail(client):
    whole = png(200, 200)
    flipped = bytearray(whole)
    flipped[60] ^= 0xFF
    for content in (whole[:30], bytes(flipped), b"\x89PNG\r\n\x1a\n" + bytes(50), b"\xff\xd8\xff" + bytes(20)):
        reply = await upload(client, content, "a")
        if reply.status_code == 201:
            reply = await client.get(f"{FILES}/{reply.json()['data']['id']}?thumbnail=80")
        problem(reply, "file.damaged")


@pytest.mark.parametrize(
    "given, kept",
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\\\..\\\\windows\\\\system32\\\\cmd", "cmd"),
        ("/etc/shadow", "shadow"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        ("a/../b", "b"),
        ("x" * 500 + ".pdf", "x" * 196 + ".pdf"),
    ],
)
async def test_a_name_is_never_a_path_CVE_2026_47385_CVE_2026_39942(client, tmp_path, given, kept):
    made = (await upload(client, PDF, given)).json()["data"]
    assert made["name"] == kept
    (stored,) = stored_files(tmp_path / "files")
    assert stored == f"contents/{made['sha256'][:2]}/{made['sha256'][2:4]}/{made['sha256']}"
    assert not list(tmp_path.parent.glob("passwd"))


async def test_a_name_cannot_break_out_of_a_header_CVE_2026_47376(client):
    hostile = "a%22%3b%20filename%3d%22evil.exe%0d%0aSet-Cookie%3a%20x%3d1%e2%80%aegpj.exe"
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{hostile}"}
    made = (await client.post(FILES, content=PDF, headers=headers)).json()["data"]
    assert "\r" not in made["name"]
    assert "\u202e" not in made["name"]
    reply = await client.get(f"{FILES}/{made['id']}")
    assert "set-cookie" not in reply.headers
    assert reply.headers["content-disposition"].count('"') == 2


async def test_a_file_above_the_limit_is_refused_declared_or_not(client, tmp_path):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield bytes(10_000)

    refused = problem(await client.post(FILES, content=bytes(400_000)), "file.too_large")
    assert refused["limit_bytes"] == 100_000
    problem(await client.post(FILES, content=bytes(100_001)), "file.too_large")
    problem(await client.post(FILES, content=endless()), "file.too_large")
    problem(await client.post(FILES, content=b""), "file.empty")
    assert stored_files(tmp_path / "files") == []


async def test_an_upload_that_stands_still_is_given_up(client, tmp_path, monkeypatch):
    monkeypatch.setattr(files_api, "_IDLE_SECONDS", 0.05)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7"
        await asyncio.Event().wait()

    problem(await client.post(FILES, content=stuck()), "limit.time")
    assert stored_files(tmp_path / "files") == []


async def test_another_apps_file_is_absent_CVE_2022_36031(service, client):
    made = (await upload(client, PDF, "a.pdf")).json()["data"]
    async with service.client_of("member", "records:read", "records:write", "app:other") as narrowed:
        problem(await narrowed.get(f"{FILES}/{made['id']}"), "app.not_found")
        problem(await narrowed.post(FILES, content=PDF), "app.not_found")


async def test_a_cookie_does_not_upload_from_another_site(service):
    secret = service.session_of("member")
    async with service.client(cookies={"dougong_session": secret}) as browser:
        foreign = await browser.post(FILES, content=PDF, headers={"origin": "https://evil.test"})
        problem(foreign, "access.origin")
