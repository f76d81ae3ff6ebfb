"""kill -9 in the middle of an upload: no file can be seen, what is left behind is cleared away, the next upload works."""

from __future__ import annotations

import httpx
import pytest

from runtime.app import make_services
from runtime.cli import main
from runtime.settings import Settings
from tests.support.contents import stored_files
from tests.support.process import Server, served
from tests.support.service import Service
from tests.support.visits import publish_visits

CONTENT = b"%PDF-1.7\n" + bytes(2_000_000)


@pytest.fixture
def dialect():
    return "sqlite"


def upload(server: Server, secret: str) -> httpx.Response:
    with server.client() as client:
        headers = {"authorization": f"Bearer {secret}", "content-disposition": "attachment; filename=a.pdf"}
        return client.post("/api/field/files", content=CONTENT, headers=headers)


@pytest.mark.parametrize("point", ["file.receiving:3", "file.before_rename:1", "file.after_rename:1"])
def test_a_killed_upload_leaves_no_file(migrated_database_url, tmp_path, monkeypatch, capsys, point):
    service = Service(migrated_database_url)
    service.add_user("member", "member")
    publish_visits(service)
    secret = service.token_of("member", "records:read", "records:write")
    service.app.services.database.close()
    folder = tmp_path / "data" / "files"

    crashing = Server(migrated_database_url, tmp_path, crash_at=point)
    try:
        crashing.wait_for("Application startup complete")
        with pytest.raises(httpx.HTTPError):
            upload(crashing, secret)
        crashing.end()
    finally:
        crashing.kill()
    assert rows(migrated_database_url) == 0
    assert len(stored_files(folder)) == 1

    with served(migrated_database_url, tmp_path) as server:
        reply = upload(server, secret)
        assert reply.status_code == 201, reply.text
        with server.client() as client:
            address = f"/api/field/files/{reply.json()['data']['id']}"
            assert client.get(address, headers={"authorization": f"Bearer {secret}"}).content == CONTENT
    assert rows(migrated_database_url) == 1
    monkeypatch.setenv("DOUGONG_FILES_FOLDER", str(folder))
    main_done(migrated_database_url)
    assert "0" in capsys.readouterr().out


def rows(url: str) -> int:
    services = make_services(Settings(database_url=url))
    try:
        with services.database.snapshot() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM dougong_file").scalar_one())
    finally:
        services.database.close()


def main_done(url: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["files", "clean", "--database-url", url])
    assert ended.value.code == 0
