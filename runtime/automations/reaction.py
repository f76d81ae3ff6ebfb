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
from runtime.records.seams import Fact
from runtime.records.writer import Writing

_KEPT = 200
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
        self._watching: dict[int, tuple[CompiledApp, Mapping[str, tuple[Automation, ...]]]] = {}

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Whether writes to an entity may start anything."""
        return entity.key in self._of(app)

    def react(self, w: Writing, facts: Sequence[Fact]) -> Unit[None]:
        """Find what was started, in the order of facts, then of keys, and run it."""
        if w.caller.door == "install":  # what comes in with an app has happened already
            return
        watching, ports = self._of(w.app), self._ports()
        starts: list[Start] = []
        for fact in facts:
            for automation in watching.get(fact.entity.key, ()):
                kind = BY_MODEL[type(automation.trigger)]
                subject = yield from kind.find(w, ports, automation, automation.trigger, fact)
                if subject is not None:
                    starts.append(Start(automation, subject, fact.caller, _reason(fact, kind.title)))
        yield from run_all(w, ports, starts)

    def _of(self, app: CompiledApp) -> Mapping[str, tuple[Automation, ...]]:
        """Return entity -> automations that its writes may start; worked out once per compiled app."""
        found = self._watching.get(id(app))
        if found is not None and found[0] is app:
            return found[1]
        watching: dict[str, list[Automation]] = {}
        for automation in app.definition.of(AUTOMATIONS):
            entity = BY_MODEL[type(automation.trigger)].watches(automation, automation.trigger)
            if entity is not None and automation.enabled:
                watching.setdefault(entity, []).append(automation)
        made = {entity: tuple(listed) for entity, listed in watching.items()}
        if len(self._watching) >= _KEPT:
            self._watching.pop(next(iter(self._watching)), None)
        self._watching[id(app)] = (app, made)
        return made


def _reason(fact: Fact, title: Text) -> Text:
    deed = _DEEDS[fact.deed]
    label = fact.entity.label()
    fields = sorted(fact.changed) if fact.deed == "updated" else []
    zh = f"{title.zh}:“{label.zh}”被{deed.zh}" + (f"({'、'.join(fields[:10])})" if fields else "")
    en = f"{title.en}: {label.en} was {deed.en}" + (f" ({', '.join(fields[:10])})" if fields else "")
    return say(zh, en)
