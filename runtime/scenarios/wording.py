"""Words for what documents say in keys: reminders by their labels, conditions by the labels of fields and options, states of timers."""

from __future__ import annotations

from builder.compiled.app import CompiledEntity
from builder.definition.kinds import REMINDERS
from builder.fields.base import label_text
from builder.kernel.canonical import JSON
from builder.kernel.text import Text, say
from formulas.checker import check
from formulas.errors import FormulaErrors
from formulas.tree import Path, Tree, walk
from formulas.writer import write
from runtime.scenarios.world import World

_STATES = {
    "waiting": say("等待中", "waiting"),
    "snoozed": say("已推迟", "snoozed"),
    "paused": say("已暂停", "paused"),
    "acknowledged": say("已确认", "acknowledged"),
    "done": say("已走完", "done"),
}


def reminder_words(world: World, key: str) -> Text:
    """How a reminder is called."""
    found = world.app.definition.find(REMINDERS, key)
    label = say(key, key) if found is None else label_text(found.label)
    return say(f"“{label.zh}”", f'"{label.en}"')


def timer_words(world: World, key: str, due: str, state: str | None) -> Text:
    """Say of a timer what it is, when its next step comes and how it stands."""
    label, known = reminder_words(world, key), _STATES.get(state or "", say("", ""))
    zh = label.zh + (f" {due}" if due else "") + (f"({known.zh})" if known.zh else "")
    en = label.en + (f" {due}" if due else "") + (f" ({known.en})" if known.en else "")
    return say(zh, en)


def condition_words(world: World, entity: CompiledEntity, where: str) -> Text:
    """Write a condition as people read it: in Chinese with the labels of fields and options, in English with the keys."""
    tree = _tree(world, entity, where)
    if tree is None:
        return say(where, where)
    return say(write(tree, world.app, entity.key, labels=True), write(tree, world.app, entity.key))


def read_values(world: World, entity: CompiledEntity, where: str, found: dict[str, JSON]) -> dict[str, JSON]:
    """Return the values of a record that a condition looks at, of its own fields."""
    tree = _tree(world, entity, where)
    keys = [node.steps[0] for node in walk(tree) if isinstance(node, Path)] if tree is not None else []
    return {key: found[key] for key in dict.fromkeys(keys) if key in found}


def _tree(world: World, entity: CompiledEntity, where: str) -> Tree | None:
    try:
        return check(where, world.app, entity.key).tree
    except FormulaErrors:
        return None
