"""Sentences to steps and back over HTTP, with the words of the app and of the people there are."""

from __future__ import annotations

import pytest

from tests.support import shop
from tests.support.desk import publish_definition
from tests.support.service import problem, running

pytestmark = pytest.mark.anyio


async def test_a_sentence_becomes_a_step_and_the_step_a_sentence(anyio_backend: str, migrated_database_url: str):
    async with running(migrated_database_url) as service:
        publish_definition(service.app.services.registry, shop.definition())
        service.add_user("builder", "builder")
        service.add_user("zhangwei", name="张伟")
        async with service.client_of("builder") as client:
            client.headers["origin"] = "http://dougong.test"
            path = "/builder/v1/apps/shop/assignments"
            body = {"entity": "order", "text": "amount栏>20万且state栏是Open的order表,优先分给张伟,每人最多8条"}
            made = (await client.post(f"{path}/parse", json=body)).json()["data"]
            assert made["step"]["people"] == [{"user": "zhangwei"}]
            assert made["step"]["at_most"] == 8
            assert made["step"]["when"] == 'amount > 200000 AND state = "open"'
            assert made["text"] == body["text"]
            again = await client.post(f"{path}/render", json={"entity": "order", "step": made["step"]})
            assert again.json()["data"]["text"] == body["text"]
            in_turn = {**body, "text": "amount栏>20万的order表,轮流分给张伟"}
            step = (await client.post(f"{path}/parse", json=in_turn)).json()["data"]["step"]
            assert step["picker"] == {"type": "round_robin"}
            again = await client.post(f"{path}/render", json={"entity": "order", "step": step})
            assert again.json()["data"]["text"] == in_turn["text"]
            refused = await client.post(f"{path}/parse", json={**body, "text": "热度>3的order表,优先分给张伟"})
            (error,) = problem(refused, "assignment.text")["errors"]
            assert error["params"] == {"words": "热度", "at": 0}
            wrong = await client.post(f"{path}/render", json={"entity": "order", "step": {"people": []}})
            problem(wrong, "request.malformed")
            problem(await client.post(f"{path}/parse", json={**body, "entity": "ordre"}), "entity.not_found")
