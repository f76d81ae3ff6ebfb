"""Rules and reactions stand in the one write path: every door meets them, inside the transaction."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.records.batches import Batches
from runtime.records.caller import system_caller
from runtime.records.changes import update_record
from runtime.records.seams import Fact, Intent, Seams
from runtime.records.service import Records
from runtime.records.writer import Writing
from tests.support.desk import Desk

CALLER = system_caller("test", "rest")


class NoForbidden:
    """A rule: no product may be called forbidden, and an item called kept may not go."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, frozenset[str]]] = []

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        return entity.key == "item"

    def judge(self, w: Writing, intents: Sequence[Intent]) -> Unit[list[Violation]]:
        yield from ()
        self.seen += [(i.deed, i.entity.key, i.changed) for i in intents]
        message = say("不可以", "not allowed")
        wrong = [
            i
            for i in intents
            if i.after.get("product") == "forbidden" or (i.deed == "deleted" and i.before["product"] == "kept")
        ]
        return [Violation("forbidden", f"{i.pointer}/product", message) for i in wrong]


class CountItems:
    """A reaction: writes into its order how often something happened to items; ``endless`` answers itself."""

    rewrites = True

    def __init__(self, *, endless: bool = False) -> None:
        self.facts: list[Fact] = []
        self._endless = endless

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        return entity.key == ("order" if self._endless else "item")

    def react(self, w: Writing, facts: Sequence[Fact]) -> Unit[None]:
        self.facts += facts
        for fact in facts:
            order = w.app.entities["order"]
            order_id = fact.record_id if self._endless else str((fact.after or fact.before)["order"])
            serial = len(self.facts)
            yield from update_record(w, order, order_id, {"serial": serial}, None)


def records_with(desk: Desk, *, rule: NoForbidden | None = None, reaction: CountItems | None = None) -> Records:
    services = desk.service.app.services
    seams = Seams((rule,) if rule else (), (reaction,) if reaction else ())
    return Records(services.database, services.registry, services.clock, services.ids, seams)


async def an_order(desk: Desk) -> str:
    customer = await desk.create("customer", name="甲")
    return str((await desk.create("order", title="订单", customer=customer["id"]))["id"])


async def test_a_rule_is_asked_on_every_door_and_its_violations_join_the_others(desk: Desk) -> None:
    rule = NoForbidden()
    records = records_with(desk, rule=rule)
    order = await an_order(desk)
    made = await records.create(CALLER, desk.app, "item", {"order": order, "product": "kept", "qty": 1})
    assert rule.seen == [("created", "item", frozenset({"order", "product", "qty"}))]
    item = str(made.record["id"])
    bad = {"order": order, "product": "forbidden", "qty": 1}
    with pytest.raises(Problem) as refused:
        await records.create(CALLER, desk.app, "item", bad)
    assert [(v.code, v.pointer) for v in refused.value.violations] == [("forbidden", "/product")]
    with pytest.raises(Problem) as refused:
        await Batches(desk.service.app.services.database, records).create_many(
            CALLER, desk.app, "item", [dict(bad, product="fine"), bad]
        )
    assert [v.pointer for v in refused.value.violations] == ["/create/1/product"]
    with pytest.raises(Problem) as refused:
        await records.update(CALLER, desk.app, "item", item, {"product": "forbidden", "qty": 0}, None)
    assert {v.code for v in refused.value.violations} >= {"forbidden"}
    with pytest.raises(Problem) as refused:  # as a child in its parent's list
        await records.update(CALLER, desk.app, "order", order, {"items": [{"id": item}, bad]}, None)
    assert [v.pointer for v in refused.value.violations] == ["/items/1/product"]
    with pytest.raises(Problem):
        await records.delete(CALLER, desk.app, "item", item, None)
    with pytest.raises(Problem):  # the cascade is a door as well
        await records.delete(CALLER, desk.app, "order", order, None)
    assert [row["product"] for row in await desk.every("item")] == ["kept"]


async def test_a_reaction_writes_in_the_same_transaction(desk: Desk) -> None:
    reaction = CountItems()
    records = records_with(desk, reaction=reaction)
    order = await an_order(desk)
    made = await records.create(CALLER, desk.app, "item", {"order": order, "product": "a", "qty": 1})
    assert (await desk.get("order", order))["serial"] == 1
    item = str(made.record["id"])
    await records.update(CALLER, desk.app, "item", item, {"qty": 2}, None)
    assert (await desk.get("order", order))["serial"] == 2
    fact = reaction.facts[-1]
    assert (fact.deed, fact.before["qty"], fact.after["qty"], fact.changed) == ("updated", 1, 2, frozenset({"qty"}))
    await records.delete(CALLER, desk.app, "item", item, None)
    assert (await desk.get("order", order))["serial"] == 3
    assert [fact.deed for fact in reaction.facts] == ["created", "updated", "deleted"]


async def test_what_never_ends_is_stopped_and_nothing_is_written(desk: Desk) -> None:
    order = await an_order(desk)
    records = records_with(desk, reaction=CountItems(endless=True))
    with pytest.raises(Problem) as stopped:
        await records.update(CALLER, desk.app, "order", order, {"title": "变了"}, None)
    assert stopped.value.code == "limit.causation"
    assert (await desk.get("order", order))["title"] == "订单"
