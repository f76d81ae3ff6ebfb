"""A server starts quickly and small because it reads only what serving records needs. Times are measured by the benchmarks; what is read
is looked at here, which no busy machine can shake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LATER = {
    "alembic": "only migrations and publishing",
    "fastapi": "records and probes are served without it",
    "httpx": "only what goes out",
    "joserfc": "only login providers",
    "PIL": "only pictures",
    "pypinyin": "60 MB of dictionaries, only for Chinese labels, PINYIN and duplicates",
    "rapidfuzz": "only duplicates",
    "rich": "only progress of the command line",
    "starlette": "comes with the framework",
    "xlsxwriter": "only exports as workbooks",
}
"""Libraries that a server does not read before somebody needs them, and who does."""

SCRIPT = """
import asyncio, json, sys
import runtime.app
from runtime.settings import Settings

async def serve(url):
    app = runtime.app.create_app(Settings(database_url=url, log_level="error"))
    async with app.running():
        status = []
        async def send(message):
            status.append(message.get("status"))
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}
        for path in ("/readyz", "/api/lead/records/lead"):
            scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
            await app(scope, receive, send)
        return [one for one in status if one]

imported = sorted(sys.modules)
statuses = asyncio.run(serve(sys.argv[1])) if len(sys.argv) > 1 else []
print(json.dumps([imported, sorted(sys.modules), statuses]))
"""


def modules_of(*arguments: str) -> tuple[set[str], set[str], list[int]]:
    """Return the top-level modules after the import, after serving, and the answers' statuses."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], cwd=ROOT, capture_output=True, check=True)
    imported, served, statuses = json.loads(ran.stdout)
    return {name.partition(".")[0] for name in imported}, {name.partition(".")[0] for name in served}, statuses


def test_importing_the_application_reads_no_heavy_library() -> None:
    imported, _, _ = modules_of()
    assert "sqlalchemy" in imported  # it looks at something
    assert not imported & set(LATER)


def test_serving_from_a_database_that_is_there_reads_none_either(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/start.db"
    _, first, _ = modules_of(url)
    assert "alembic" in first  # the first start makes the tables
    _, served, statuses = modules_of(url)
    assert statuses == [200, 401]
    assert not served & set(LATER)
