"""What is said about reminders that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from builder.checks.run import run_checks
from builder.definition.parse import DocumentInvalid, parse_definition
from tests.support.leads import definition, reminder, step, tell

JSON = Any
IDLE = {"type": "unchanged"}


def findings(document: JSON) -> dict[str, str]:
    found = run_checks(parse_definition(definition(document)))
    return {finding.pointer: finding.code for finding in found}


@pytest.mark.parametrize(
    "when, expected",
    [
        ({"type": "unchanged", "fields": ["stgae"]}, {"/when/fields/0": "reference.field"}),
        ({"type": "date", "moment": "title"}, {"/when/moment": "formula.type"}),
        ({"type": "date", "moment": "WORKDAY(close_on, 1)"}, {"/when/moment": "reminder.formula"}),
        ({"type": "absence", "by": "title"}, {"/when/by": "reminder.by"}),
        ({"type": "absence", "relation": "title", "entity": "talk"}, {"/when/relation": "reminder.relation"}),
        ({"type": "absence", "relation": "talks", "entity": "customer"}, {"/when/entity": "reminder.relation"}),
        (
            {"type": "absence", "relation": "talks", "entity": "talk", "moment": "need"},
            {"/when/moment": "reminder.moment"},
        ),
        (
            {"type": "absence", "relation": "talks", "entity": "talk", "where": "nede = 1"},
            {"/when/where": "formula.name"},
        ),
        ({"type": "streak", "by": "owner", "length": 3, "where": "title"}, {"/when/where": "formula.type"}),
    ],
)
def test_occasions(when: JSON, expected: dict[str, str]):
    assert findings(reminder("r", when, step("1 h", tell("x")))).items() >= expected.items()


def test_steps_come_one_after_the_other_and_do_something():
    assert findings(reminder("r", IDLE, step("2 d", tell("x")), step("3 working d", tell("y")))) == {
        "/steps/1": "reminder.order"
    }
    assert findings(reminder("r", IDLE, step("2 d"))) == {"/steps/0/actions": "reminder.idle"}
    dated = reminder(
        "r", {"type": "date", "moment": "close_on"}, {"before": "2 d", "actions": [tell("x")]}, step("0 h", tell("y"))
    )
    assert findings(dated) == {}


def test_conditions_and_actions():
    assert findings(reminder("r", IDLE, step("1 h", tell("x")), condition="stage = ")).keys() == {"/condition"}
    assert findings(reminder("r", IDLE, step("1 h", tell("x")), condition="close_on < TODAY()")) == {
        "/condition": "reminder.volatile"
    }
    for condition in ("INTEAM(owner)", "owner = CURRENTUSER()", 'stage = "assigned" AND HASROLE("x")'):
        found = findings(reminder("r", IDLE, step("1 h", tell("x")), condition=condition))
        assert found == {"/condition": "reminder.nobody"}
    assert findings(reminder("r", IDLE, step("1 h", tell("{{titel}}")), calendar="nobody")).keys() == {
        "/calendar",
        "/steps/0/actions/0/subject",
    }


@pytest.mark.parametrize(
    "document",
    [
        reminder("r", IDLE, {"before": "1 h", "actions": []}),
        reminder("r", IDLE, {"actions": []}),
        reminder("r", IDLE, step("1 fortnight")),
        reminder("r", {"type": "absence", "by": "owner", "relation": "talks", "entity": "talk"}, step("1 h")),
        reminder("r", {"type": "absence", "by": "owner", "where": "TRUE"}, step("1 h")),
        reminder("r", IDLE, step("1 h"), quiet={"since": "08:00", "until": "08:00"}),
        reminder("r", IDLE, step("1 h"), late={"tolerance": "2 working d"}),
        reminder("r", IDLE),
    ],
)
def test_members_that_do_not_go_together(document: JSON):
    with pytest.raises(DocumentInvalid):
        parse_definition(definition(document))
