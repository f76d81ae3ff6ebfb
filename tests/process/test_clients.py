"""Clients that ``dougong client`` writes are really used: TypeScript is compiled strictly and run, Python is type-checked and run."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from runtime.cli import main
from tests.api.test_guide import EN
from tests.support import every_field
from tests.support.desk import publish_definition
from tests.support.process import served
from tests.support.service import Service, bearer
from tests.support.tree import ROOT

SOURCES = ROOT / "tests" / "clients"

pytestmark = [pytest.mark.parametrize("dialect", ["sqlite"]), pytest.mark.timeout(600)]


def publish(url: str, *documents: Any) -> str:
    """Publish apps on a database; return a token that may use them."""

    async def run() -> str:
        service = Service(url)
        async with service.app.running():
            service.add_user("admin", "admin")
            for document in documents:
                publish_definition(service.app.services.registry, document)
            return service.token_of("admin", "records:read", "records:write")

    return asyncio.run(run())


def crm() -> Any:
    """The app of the API guide."""
    return json.loads(next(block for block in EN if block.note == "app").text)


def write_client(url: str, app: str, language: str, target: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["client", app, "--lang", language, "--output", str(target), "--database-url", url])
    assert end.value.code in (0, None)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def node_modules() -> Path:
    """The locked packages, installed once per lock file; a network or npm that is missing fails here, aloud."""
    npm = shutil.which("npm")
    assert npm is not None, "npm (Node 20 or newer) is needed to test the TypeScript client: install Node"
    lock = hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = ROOT / "build" / f"npm-{lock}"
    if not (folder / "done").exists():
        made = folder.with_name(f"{folder.name}-{os.getpid()}")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCES / name, made / name)
        run([npm, "ci", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"], made)
        (made / "done").touch()
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder / "node_modules"


def test_typescript(migrated_database_url, tmp_path):
    token = publish(migrated_database_url, crm(), every_field.definition())
    project = tmp_path / "project"
    shutil.copytree(SOURCES, project)
    (project / "node_modules").symlink_to(node_modules(), target_is_directory=True)
    write_client(migrated_database_url, "crm", "ts", project / "client.ts")
    write_client(migrated_database_url, every_field.APP, "ts", project / "every.ts")
    tools = project / "node_modules" / ".bin"
    with served(migrated_database_url, tmp_path) as server:
        origin = f"http://127.0.0.1:{server.port}"
        for app, name in (("crm", "openapi"), (every_field.APP, "every-openapi")):
            document = httpx.get(f"{origin}/api/{app}/openapi.json", headers=bearer(token))
            (project / f"{name}.json").write_bytes(document.content)
            run([str(tools / "openapi-typescript"), f"{name}.json", "--output", f"{name}.ts"], project)
        run([str(tools / "tsc"), "--project", "."], project)
        assert run(["node", "out/script.js", origin, token], project) == "all is well\n"


def test_python(migrated_database_url, tmp_path):
    token = publish(migrated_database_url, crm(), every_field.definition())
    write_client(migrated_database_url, "crm", "python", tmp_path / "crm_client.py")
    write_client(migrated_database_url, every_field.APP, "python", tmp_path / "every_client.py")
    (tmp_path / "use.py").write_text(_USE, encoding="utf-8")
    run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file",
            os.devnull,
            "crm_client.py",
            "every_client.py",
            "use.py",
        ],
        tmp_path,
    )
    _load("every_client", tmp_path / "every_client.py")
    with served(migrated_database_url, tmp_path) as server:
        command = [sys.executable, "use.py", f"http://127.0.0.1:{server.port}", token]
        assert run(command, tmp_path) == "all is well\n"


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # noqa: PT018 - both or neither
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_USE = """
import sys
from decimal import Decimal

from crm_client import Client, Customer, ProblemError

with Client(sys.argv[1], sys.argv[2], language="en") as crm:
    assert isinstance(crm, Client)
    made: Customer = crm.customer.create({"name": "Acme", "level": "A"})
    for amount in (10.5, 20, 30):
        crm.deal.create({"title": f"Deal {amount}", "customer": made["id"], "amount": amount})
    page = crm.deal.list(filter={"customer.level": "A", "amount": {"_gte": 20}}, sort=["-amount"], limit=1, count="exact")
    assert (page["meta"]["count"], page["data"][0]["amount"]) == (2, 30)
    formula = {"customer": {"_formula": "LEN(name) = 4"}, "_formula": "amount * 2 > 50"}
    assert [deal["title"] for deal in crm.deal.all(filter=formula)] == ["Deal 30"]
    exact = crm.deal.create({"title": "Exact", "amount": Decimal("0.10")})
    read = exact["amount"]
    assert isinstance(read, Decimal), read
    assert read + Decimal("0.20") == Decimal("0.30")
    crm.deal.delete(exact["id"])
    assert [deal["title"] for deal in crm.deal.all(sort=["-amount"], limit=1)] == ["Deal 30", "Deal 20", "Deal 10.5"]
    board = crm.deal.aggregate(group_by=["stage"], measures={"n": {"count": "*"}})
    assert board["data"] == [{"stage": "new", "n": 3}]
    assert crm.customer.update(made["id"], {"level": "B"}, made["revision"])["revision"] == 2
    try:
        crm.customer.update(made["id"], {"level": "A"}, 1)
    except ProblemError as error:
        assert error.problem["code"] == "record.changed"
    else:
        raise AssertionError("a lost update")
    assert any(event["record_id"] == made["id"] for event in crm.events(wait=5)["data"])
    crm.customer.delete(crm.customer.create({"name": "Gone"})["id"])
print("all is well")
"""


def test_an_app_that_is_not_there(migrated_database_url, capsys):
    with pytest.raises(SystemExit) as end:
        main(["client", "nothing", "--database-url", migrated_database_url])
    assert end.value.code == 1
    assert capsys.readouterr().err
