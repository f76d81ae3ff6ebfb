"""The law of stages: whatever people try, a record only goes along transitions, and its history is exactly what was taken."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.compiled.pipelines import CompiledPipeline, Place
from builder.definition.kinds import PIPELINES
from builder.definition.parse import parse_document
from builder.registry.doctor import examine
from tests.support import deals
from tests.support.desk import Desk, many, one, publish_definition
from tests.support.service import bearer, running

JSON = Any

FLOW = CompiledPipeline(parse_document(PIPELINES, deals.pipeline()))
STAGES = [*deals.STAGES, "nowhere"]
_TRIES = st.one_of(
    st.tuples(st.just("move"), st.sampled_from([*FLOW.transitions, "nothing"]), st.sampled_from([None, *deals.NODES])),
    st.tuples(st.just("patch"), st.sampled_from(STAGES), st.sampled_from([None, *deals.NODES])),
    st.tuples(st.just("contact"), st.sampled_from(["王", None]), st.none()),
    st.tuples(st.just("batch"), st.sampled_from(STAGES), st.sampled_from([None, *deals.NODES])),
)


async def play(desk: Desk, tries: list[tuple[str, Any, Any]]) -> None:
    deal = await desk.create("deal", name="A", contact="王")
    place = Place("new")
    taken: list[tuple[str, str | None]] = [("new", None)]
    for what, name, more in tries:
        if what == "contact":
            await desk.patch("deal", deal["id"], {"contact": name})
        elif what == "patch":
            await desk.patch("deal", deal["id"], {"stage": name, "node": more})
        elif what == "batch":
            await desk.send("POST", "records/deal/batch", {"create": [{"name": "B", "stage": name, "node": more}]})
        else:
            body = {"reason": "试", **({"node": more} if more else {})}
            reply = await desk.send("POST", f"records/deal/{deal['id']}/transitions/{name}", body)
            assert reply.status_code < 500, reply.text
            if reply.status_code == 200:
                target = FLOW.place_of(one(reply))
                assert FLOW.leads_from(FLOW.transitions[name], place)
                assert target.stage == FLOW.transitions[name].enters.partition(".")[0]
                place = target
                taken.append((target.stage, target.node))
        now = await desk.get("deal", deal["id"])
        assert FLOW.place_of(now) == place
    reply = await desk.send("GET", f"records/deal/{deal['id']}/stages")
    stays = many(reply)[::-1]
    assert [(stay["stage"], stay["node"]) for stay in stays] == taken
    assert [stay["place"] for stay in stays] == list(range(1, len(stays) + 1))
    assert [stay["left_at"] is None for stay in stays] == [False] * (len(stays) - 1) + [True]
    for first, second in itertools.pairwise(stays):
        assert first["left_at"] == second["entered_at"]


@pytest.mark.timeout(180)
def test_random_tries_never_leave_the_graph(migrated_database_url: str, tmp_path: Path) -> None:
    async def open_desk(stack: AsyncExitStack) -> Desk:
        service = await stack.enter_async_context(running(migrated_database_url, files_folder=tmp_path / "files"))
        service.identity.users.create_user({"username": "boss", "role": "admin"})
        publish_definition(service.app.services.registry, deals.definition())
        headers = bearer(service.token_of("boss", "records:read", "records:write"))
        return Desk(service, await stack.enter_async_context(service.client(headers=headers)), deals.APP)

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        desk = runner.run(open_desk(stack))

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(_TRIES, max_size=10))
        def law(tries: list[tuple[str, Any, Any]]) -> None:
            runner.run(play(desk, tries))

        try:
            law()
            assert [f.code for f in examine(desk.registry, desk.app) if f.code.startswith("stage")] == []
        finally:
            runner.run(stack.aclose())
