"""Which writes are tried ahead of a transaction: what the long form refuses, too, was no try in vain."""

from __future__ import annotations

from typing import Any

import pytest

from builder.kernel.problems import Problem
from runtime.records import service
from runtime.records.ahead import Attempts
from runtime.records.alone import write_ahead
from runtime.records.caller import Caller, system_caller
from tests.support.desk import publish_definition
from tests.support.service import running

pytestmark = pytest.mark.anyio

JSON = Any
_SYSTEM = system_caller("request", "rest")
_GRANT = {"entity": "deal", "after": "amount < 100", "may": ["read", "create", "update"]}
#: What a record that it finds makes it write is no work for an attempt: the table it reads is to be written.
_FINDS = {"type": "update_records", "entity": "deal", "match": [{"field": "name", "value": "first"}]}


def _package(*actions: JSON) -> JSON:
    fields = [("name", "text"), ("amount", "integer"), ("done", "text"), ("count", "integer")]
    return {
        "app": {"key": "shop", "label": "shop"},
        "entities": [
            {
                "key": "deal",
                "label": "deal",
                "fields": [{"key": key, "type": kind, "label": key} for key, kind in fields],
            }
        ],
        "roles": [{"key": "seller", "label": "seller", "grants": [_GRANT]}],
        "automations": [
            {"key": "a", "label": "a", "entity": "deal", "trigger": {"type": "created"}, "actions": list(actions)}
        ],
    }


async def _ahead(url: str, monkeypatch: pytest.MonkeyPatch, package: JSON, *amounts: int) -> list[str]:
    """Create deals as a seller; return what became of each: written ahead, in the long form, or refused."""
    told: list[str] = []

    async def counting(*given: Any) -> Any:
        written = await write_ahead(*given)
        told.append("long" if written is None else "ahead")
        return written

    async with running(url) as app:
        publish_definition(app.app.services.registry, package)
        ann = app.add_user("ann")
        app.identity.grants.give("shop", "seller", "user", ann.id)
        known = await app.app.services.authenticator.see_as(ann.id)
        assert known is not None
        caller, records = Caller(known.actor, "request", "rest", known.epoch), app.app.services.records
        await records.create(_SYSTEM, "shop", "deal", {"name": "first", "amount": 1})
        monkeypatch.setattr(service, "write_ahead", counting)
        for amount in amounts:
            try:
                await records.create(caller, "shop", "deal", {"name": "x", "amount": amount})
            except Problem as problem:
                told[-1] = problem.code
    return told


async def test_who_is_refused_slows_nobody_s_writes(migrated_database_url: str, monkeypatch: pytest.MonkeyPatch):
    sets = {"type": "set_fields", "set": [{"field": "done", "value": "yes"}]}
    told = await _ahead(migrated_database_url, monkeypatch, _package(sets), 5, 500, 5, 500, 500, 5)
    assert told == ["ahead", "access.denied", "ahead", "access.denied", "access.denied", "ahead"]


async def test_what_only_a_transaction_can_do_is_not_tried_again_at_once(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
):
    tried = 0
    worth = Attempts.worth

    def counted(attempts: Attempts, key: tuple[str, str, str]) -> bool:
        nonlocal tried
        found = worth(attempts, key)
        tried += found and key[1:] == ("deal", "create")
        return found

    monkeypatch.setattr(Attempts, "worth", counted)
    finds = {**_FINDS, "set": [{"field": "count", "formula": "COALESCE(count, 0) + 1"}]}
    told = await _ahead(migrated_database_url, monkeypatch, _package(finds), 5, 5, 5)
    assert told == ["long"] * 3
    assert tried <= 2  # the first; on PostgreSQL another one, which asks what the first believed
