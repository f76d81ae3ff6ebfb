"""The server keeps to the OpenAPI documents it gives, on both databases: for every type of field, and for a bundled app.

A longer walk by hand: ``DOUGONG_TEST_CONTRACT_EXAMPLES=200 python3 dev.py test tests/process/test_openapi.py``.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import httpx
import jsonschema
import pytest

from builder.definition.kinds import dump_definition
from builder.packages import get_template
from tests.support import every_field
from tests.support.contract import Contract
from tests.support.desk import publish_definition
from tests.support.process import Server, served
from tests.support.service import Service, bearer

USUAL = 1
PROCESS = (
    "^(transitions|move|moveMany|stages|actions|press|runs|timers|acknowledge|snooze|assignments|claim|release)Lead$"
    "|^(listApprovals|getApproval|answerApproval|getPool)$"
)
"""Operations of records on their way."""
EXAMPLES = int(os.environ.get("DOUGONG_TEST_CONTRACT_EXAMPLES", USUAL))

pytestmark = pytest.mark.timeout(3_600 if EXAMPLES > USUAL else 120)


async def _prepare(url: str, template: str | None) -> str:
    service = Service(url)
    async with service.app.running():
        service.add_user("admin", "admin")
        # without its sample: what is generated finds no record by chance anyway
        document = every_field.definition() if template is None else dump_definition(get_template(template).definition)
        publish_definition(service.app.services.registry, document)
        return service.token_of("admin", "records:read", "records:write")


def contract(server: Server, app: str, token: str) -> tuple[Any, Contract]:
    base = f"http://127.0.0.1:{server.port}"
    document = httpx.get(f"{base}/api/{app}/openapi.json", headers=bearer(token)).json()
    return document, Contract(document, base, bearer(token))


def test_an_app_with_every_type_of_field(migrated_database_url, tmp_path):
    token = asyncio.run(_prepare(migrated_database_url, None))
    with served(migrated_database_url, tmp_path) as server:
        document, kept = contract(server, every_field.APP, token)
        # what breaks the document is refused before any storage: one database is enough for it
        fitting_only = not migrated_database_url.startswith("sqlite")
        assert list(kept.findings(EXAMPLES, only="Whole|Events|View|File", fitting_only=fitting_only)) == []
        kept.walk(EXAMPLES, steps=6)
        _examples_are_taken(server, document, token)
        assert "Traceback" not in server.output


def _examples_are_taken(server: Server, document: Any, token: str) -> None:
    for path, operations in document["paths"].items():
        if path.count("/") != 4 or "post" not in operations or "/records/" not in path:
            continue
        name = operations["post"]["operationId"].removeprefix("create")
        schema = document["components"]["schemas"][f"{name}Create"]
        for example in schema["examples"]:
            whole = {**schema, "components": document["components"]}
            jsonschema.validate(example, whole, cls=jsonschema.Draft202012Validator)
            with server.client() as client:
                reply = client.post(path, json=example, headers=bearer(token))
            assert reply.status_code == 201, reply.text


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_bundled_app(migrated_database_url, tmp_path):
    token = asyncio.run(_prepare(migrated_database_url, "lead"))
    with served(migrated_database_url, tmp_path) as server:
        _, kept = contract(server, "lead", token)
        assert list(kept.findings(EXAMPLES, only="(create|update|timeline)Lead$", fitting_only=True)) == []
        assert list(kept.findings(EXAMPLES, only=PROCESS)) == []
        assert "Traceback" not in server.output
