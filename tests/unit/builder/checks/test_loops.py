"""Automations that would set themselves off for ever are told of; those that come to rest by themselves are not."""

from __future__ import annotations

from typing import Any

from builder.checks.run import run_checks
from builder.definition.parse import parse_definition
from tests.support.builder import entity, field, package

JSON = Any
TICKET = entity("ticket", field("title"), field("cost", "money"), field("tax", "money"))
TASK = entity("task", field("title"))
COUNT_ON = {"type": "set_fields", "set": [{"field": "cost", "formula": "cost + 1"}]}
CHANGED = {"type": "changed", "changes": [{"field": "cost"}]}


def makes(what: str, **members: Any) -> JSON:
    return {"type": "create_record", "entity": what, "values": [{"field": "title", "value": "x"}], **members}


def on(trigger: JSON, *actions: JSON, of: str = "ticket", **members: Any) -> JSON:
    return {"label": "A", "entity": of, "trigger": trigger, "actions": list(actions), **members}


def found(*rules: JSON) -> dict[str, str]:
    """Automation and pointer -> code."""
    numbered = [{**rule, "key": f"a{number}"} for number, rule in enumerate(rules)]
    app = {**package(TICKET, TASK), "automations": numbered}
    return {f"{f.document.key}{f.pointer}": f"{f.severity} {f.code}" for f in run_checks(parse_definition(app))}


def test_a_field_that_is_counted_on_from_itself():
    loop = {"a0/actions/0/set/0": "warning automation.loop"}
    assert found(on(CHANGED, COUNT_ON)) == found(on({"type": "changed"}, COUNT_ON)) == loop


def test_what_comes_to_rest_is_not_told():
    tax = {"type": "set_fields", "set": [{"field": "tax", "formula": "cost * 0.13"}, {"field": "title", "value": "x"}]}
    becomes = {"type": "changed", "changes": [{"field": "cost", "becomes": [5]}]}
    other = {"type": "changed", "changes": [{"field": "title"}]}
    assert (
        found(
            on({"type": "changed"}, tax),
            on(CHANGED, COUNT_ON, condition="cost < 100"),
            on(CHANGED, {**COUNT_ON, "condition": "cost < 100"}),
            on(CHANGED, COUNT_ON, enabled=False),
            on(becomes, COUNT_ON),
            on(other, COUNT_ON),
            on({"type": "created"}, COUNT_ON),
        )
        == {}
    )


def test_records_that_make_each_other():
    created = {"type": "created"}
    there, back = on(created, makes("task")), on(created, makes("ticket"), of="task")
    assert found(there, back) == {"a0/actions/0": "warning automation.loop", "a1/actions/0": "warning automation.loop"}
    assert found(there, {**back, "condition": 'title = "y"'}) == found(there) == {}
    assert found(on(created, makes("ticket"))) == {"a0/actions/0": "warning automation.loop"}
