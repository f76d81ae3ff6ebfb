"""Who writes what they read, a label, where a key has to stand is told the key, in every address and body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.builder.test_building_guide import EN
from tests.support.desk import publish_definition
from tests.support.service import Service, problem

pytestmark = pytest.mark.anyio
JSON = Any


def parts() -> dict[str, JSON]:
    """The documents of the guide."""
    commands = [
        block.text for block in EN if block.kind == "sh" and "'{" in block.text and '"string"' not in block.text
    ]
    documents = [json.loads(text[text.index("'{") + 1 : text.rindex("'")]) for text in commands]
    return {document["key"]: document for document in documents if "key" in document}


@pytest.fixture
def app() -> JSON:
    found = parts()
    label = {"zh": "按下", "en": "Press"}
    tell = {"type": "notify", "to": [{"field": "owner"}], "subject": "x"}
    button = {"type": "button", "label": label}
    head = {"entity": "ticket"}
    return {
        "app": found["service"],
        "entities": [found["ticket"]],
        "pipelines": [found["flow"]],
        "automations": [{**head, "key": "press", "label": label, "trigger": button, "actions": [tell]}],
        "approvals": [
            {
                **head,
                "key": "cost",
                "label": {"zh": "费用审批", "en": "Cost approval"},
                "steps": [{"key": "one", "label": "One", "approvers": [{"user": "admin"}]}],
            }
        ],
        "roles": [{"key": "engineer", "label": {"zh": "工程师", "en": "Engineer"}, "grants": []}],
    }


async def test_the_key_is_told(service: Service, app: JSON):
    publish_definition(service.app.services.registry, app)
    async with service.client_of("admin", "builder", "admin", "records:read", "records:write") as client:
        records = "/api/service/records/ticket"
        made = (await client.post(records, json={"title": "x"})).json()["data"]["id"]
        for method, path, body, key in (
            ("POST", records, {"标题": "x"}, "title"),
            ("GET", "/api/service/records/工单", None, "ticket"),
            ("GET", f"{records}?sort=阶段", None, "stage"),
            ("GET", f"{records}?fields=Title", None, "title"),
            ("POST", f"{records}/query", {"filter": {"标题": "x"}}, "title"),
            ("POST", f"{records}/query", {"filter": {"stage": "处理中"}}, "work"),
            ("POST", f"{records}/aggregate", {"group_by": ["阶段"], "measures": {"n": {"count": "*"}}}, "stage"),
            ("POST", f"{records}/{made}/transitions/开始", {}, "start"),
            ("POST", f"{records}/{made}/actions/Press", {}, "press"),
            ("POST", f"{records}/{made}/approvals", {"approval": "费用审批"}, "cost"),
            ("POST", "/api/service/grants", {"role": "工程师", "kind": "everyone"}, "engineer"),
        ):
            reply = await client.request(method, path, json=body, headers={"accept-language": "zh"})
            found = problem(reply, reply.json()["code"])
            told = [found["detail"], *(error["detail"] for error in found.get("errors", ()))]
            assert any(text.endswith(f"，是否想写“{key}”？") for text in told), (path, told)
