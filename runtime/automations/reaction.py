"""Automations stand in the one write path: what a write starts runs in its transaction, on every door."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from runtime.automations.ports import Ports
from runtime.automations.running import Start, run_all
from runtime.automations.triggers import BY_MODEL
from runtime.records.per_app import PerApp
from runtime.records.seams import Fact
from runtime.records.writer import Writing

_DEEDS: Mapping[str, Text] = {
    "created": say("新建", "created"),
    "updated": say("修改", "changed"),
    "deleted": say("删除", "deleted"),
}


class AutomationReaction:
    """Starts the automations of an app that writes start."""

    rewrites = True

    def __init__(self, ports: Callable[[], Ports]) -> None:
        self._ports = ports
        self._watching = PerApp(_watched)

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Whether writes to an entity may start anything."""
        return entity.key in self._watching.of(app)

    def react(self, w: Writing, facts: Sequence[Fact]) -> Unit[None]:
        """Find what was started, in the order of facts, then of keys, and run it."""
        if w.caller.door == "install":  # what comes in with an app has happened already
            return
        watching, ports = self._watching.of(w.app), self._ports()
        whole = w.for_the_app("automation")  # who finishes the last child need not see the parent
        starts: list[Start] = []
        for fact in facts:
            for automation in watching.get(fact.entity.key, ()):
                kind = BY_MODEL[type(automation.trigger)]
                subject = yield from kind.find(whole, ports, automation, automation.trigger, fact)
                if subject is not None:
                    starts.append(Start(automation, subject, fact.caller, _reason(fact, kind.title)))
        yield from run_all(w, ports, starts)


def _watched(app: CompiledApp) -> Mapping[str, tuple[Automation, ...]]:
    """Return entity -> automations that its writes may start."""
    watching: dict[str, list[Automation]] = {}
    for automation in app.definition.of(AUTOMATIONS):
        entity = BY_MODEL[type(automation.trigger)].watches(automation, automation.trigger)
        if entity is not None and automation.enabled:
            watching.setdefault(entity, []).append(automation)
    return {entity: tuple(listed) for entity, listed in watching.items()}


def _reason(fact: Fact, title: Text) -> Text:
    deed = _DEEDS[fact.deed]
    label = fact.entity.label()
    fields = sorted(fact.changed) if fact.deed == "updated" else []
    zh = f"{title.zh}:“{label.zh}”被{deed.zh}" + (f"({'、'.join(fields[:10])})" if fields else "")
    en = f"{title.en}: {label.en} was {deed.en}" + (f" ({', '.join(fields[:10])})" if fields else "")
    return say(zh, en)
