"""A wild app of a seed: random roles, automations and ways between stages, for what has to hold whatever an app says."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

JSON = Any
_EVERYTHING = ("read", "create", "update")

RULES: dict[str, tuple[str, ...]] = {
    "deal": (
        *("owner = CURRENTUSER()", "owner <> CURRENTUSER()", "by = CURRENTUSER()", "who = CURRENTUSER()"),
        *("created_by = CURRENTUSER()", "INTEAM(owner)", "INTEAM(updated_by)", "MANAGES(owner)", "INAREAS(name)"),
        *("INDEPT(place)", "NOT(INDEPT(place))", "place = CURRENTDEPARTMENT()", "owner = CURRENTMANAGER()"),
        *(
            "USERDEPT(owner) = CURRENTDEPARTMENT()",
            "MANAGER(owner) = CURRENTUSER()",
            'STARTSWITH(DEPTPATH(place), "east")',
        ),
        *("amount < 20", "NOT(amount < 20)", "10 / amount > 1", "IFERROR(1 / amount > 0, TRUE)", "double > 10"),
        *("OR(1 / amount > 0, owner = CURRENTUSER())", 'name = "x"', 'loud = "X!"', 'one = "again"', "revision < 3"),
        *("customer.owner = CURRENTUSER()", "customer.top.owner = CURRENTUSER()", "INDEPT(customer.top.place)"),
        *("customer.top.level > 1", "ISBLANK(customer)", "customer.total > 20", "COUNT(lines) > 0", "SUM(lines.n) > 3"),
        *("up.owner = CURRENTUSER()", "up.up.amount > 5", "ISBLANK(up)", 'HAS(kinds, "a")', 'stage <> "b"'),
        *(
            "on <= TODAY()",
            "on = TODAY()",
            "HASROLE(name)",
            "at > NOW()",
            "on < at",
            "HOUR(at) < 9",
            "YEAR(at) <> 2026",
            "IFERROR(YEAR(at) < 2027, TRUE)",
            "NOT(ISBLANK(HOUR(at)))",
            'DATEADD(at, 1, "day") > on',
            "updated_at = NOW()",
            "IF(ISBLANK(customer), owner, customer.owner) = CURRENTUSER()",
            "TRUE",
        ),
    ),
    "customer": (
        *("owner = CURRENTUSER()", "top.owner = CURRENTUSER()", "NOT(top.owner = CURRENTUSER())", "top.level > 1"),
        *("INDEPT(top.place)", "total > 20", "by = CURRENTUSER()", "ISBLANK(top)", "top.level <> 2"),
    ),
    "line": (
        *("deal.owner = CURRENTUSER()", "deal.customer.owner = CURRENTUSER()", "n > 2", "deal.amount < 20"),
        *("created_by = CURRENTUSER()", "INDEPT(deal.place)", "deal.revision < 4", "NOT(deal.owner = CURRENTUSER())"),
    ),
    "log": ("created_by = CURRENTUSER()", "deal.owner = CURRENTUSER()", 'name = "x"', "deal.revision = 1"),
    "top": ("owner = CURRENTUSER()", "level > 1", "INDEPT(place)"),
}


def field(key: str, type_: str = "text", **more: JSON) -> JSON:
    return {"key": key, "type": type_, "label": key, **more}


_OPTIONS = [{"key": key, "label": key} for key in "ab"]
FIELDS: dict[str, list[JSON]] = {
    "deal": [
        *(field(key) for key in ("name", "phone", "secret", "one")),
        field("amount", "money"),
        field("owner", "user"),
        field("place", "department"),
        field("customer", "reference", entity="customer"),
        field("up", "reference", entity="deal"),
        field("stage", "select", options=_OPTIONS),
        field("double", "formula", formula="amount * 2"),
        field("loud", "formula", formula='UPPER(name) & "!"'),
        field("by", "created_by"),
        field("who", "updated_by"),
        field("kinds", "multi_select", options=_OPTIONS),
        field("on", "date"),
        field("at", "datetime"),
        field("code", unique=True),
        field("above", default_formula="up.name"),
        field("other", "user", default_formula="customer.owner"),
        field("lines", "children", entity="line", via="deal"),
    ],
    "customer": [
        field("name"),
        field("owner", "user"),
        field("top", "reference", entity="top"),
        field("by", "created_by"),
        field("deals", "children", entity="deal", via="customer"),
        field("total", "rollup", relation="deals", function="sum", value="amount"),
    ],
    "line": [
        field("name"),
        field("n", "integer"),
        field("deal", "reference", entity="deal"),
        field("of", default_formula="deal.name"),
    ],
    "log": [field("name"), field("deal", "reference", entity="deal")],
    "top": [field("name"), field("owner", "user"), field("place", "department"), field("level", "integer")],
}
FORGOTTEN = ("line", "log", "deal", "customer", "top")
ASSIGNED = {"double", "loud", "by", "who", "total", "lines", "deals"}
ROLES = ("x", "y", "z")
"""Called as a record may be, for ``HASROLE(name)``; the last is one for external people."""
_LOG = {"type": "create_record", "entity": "log", "values": [{"field": "name", "formula": "name"}]}
_LOG_OF_IT = {**_LOG, "values": [*_LOG["values"], {"field": "deal", "formula": "id"}]}
_HAND_OVER = {
    "type": "update_records",
    "entity": "customer",
    "match": [{"field": "id", "formula": "customer"}],
    "set": [{"field": "owner", "formula": "owner"}],
}
_ACTIONS: list[JSON] = [
    _LOG,
    _LOG_OF_IT,
    _HAND_OVER,
    {"type": "assign", "rule": "pool"},
    {"type": "start_approval", "approval": "ok"},
    {"type": "notify", "to": [{"role": "x"}, {"field": "owner"}], "subject": "{{name}} {{at}} {{customer.owner}}"},
    *(
        {"type": "set_fields", "set": [{"field": key, "formula": formula}]}
        for key, formula in (
            ("one", '"again"'),
            ("one", 'CONCAT(name, "!")'),
            ("owner", "customer.owner"),
            ("amount", "amount + 1"),
            ("name", '"x"'),
            ("phone", '"13900000000"'),
            ("other", "who"),
        )
    ),
]


_POOL = {
    "key": "pool",
    "label": "pool",
    "entity": "deal",
    "person": "owner",
    "steps": [{"when": 'name = "x"', "people": [{"field": "other"}]}],
    "otherwise": "pool",
    "pool": {},
}


class Maker:
    """Makes an app of a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.without = self.chance.choice(("total", "total", "-"))
        """Where it is to be computed, a write takes the long form."""

    def package(self) -> JSON:
        pick = self.chance.choice
        triggers = [{"type": "created"}, *({"type": "changed", "changes": [{"field": f}]} for f in ("name", "amount"))]
        transition: JSON = {
            "key": "on",
            "label": "on",
            "leaves": ["a"],
            "enters": "b",
            "actions": self._some([pick(_ACTIONS)]),
        }
        transition["guards"] = [{"type": "formula", "formula": "amount > 3", "message": "amount"}]
        stages = [{"key": "a"}, {"key": "b", "on_enter": self._some([pick(_ACTIONS)])}]
        transition["guards"] += self._some([{"type": "approval", "approval": "ok"}], 0.3)
        flow = {"key": "flow", "label": "flow", "entity": "deal", "field": "stage"}
        return {
            "app": {"key": "shop", "label": "shop", "time_zone": pick(["Asia/Shanghai", "America/New_York"])},
            "entities": [{"key": key, "label": key, "fields": self._fields(key)} for key in FIELDS],
            "automations": [
                *(self._automation(f"a{n}", trigger) for n, trigger in enumerate(self._some(triggers, 0.7))),
                self._automation("b", {"type": "button", "label": "b", "roles": self._some(ROLES)}),
            ],
            "approvals": [self._approval()],
            "assignments": [_POOL],
            "pipelines": [{**flow, "stages": stages, "transitions": [transition]}],
            "roles": [{"key": key, "label": key, "portal": key == "z", "grants": self._grants()} for key in ROLES],
        }

    def _fields(self, entity: str) -> list[JSON]:
        return [item for item in FIELDS[entity] if item["key"] != self.without]

    def _some(self, listed: Iterable[Any], share: float = 0.5) -> list[Any]:
        return [each for each in listed if self.chance.random() < share]

    def _automation(self, key: str, trigger: JSON) -> JSON:
        pick = self.chance.choice
        made = {"key": key, "label": key, "entity": "deal", "trigger": trigger, "actions": [pick(_ACTIONS)]}
        made |= pick([{}, {"condition": "amount > 5"}, {"condition": "NOT(ISBLANK(customer))"}])
        owners = [{"run_as": "owner", "owner": path} for path in ("owner", "customer.owner", "other")]
        return made | pick([{}, {"run_as": "actor"}, *owners])

    def _approval(self) -> JSON:
        step = {
            "key": "s",
            "label": "s",
            "mode": "any",
            "approvers": [{"field": "owner"}, {"field": "other"}, {"role": "x"}],
        }
        approval = {"key": "ok", "label": "ok", "entity": "deal", "steps": [step], "allow_self": True}
        return {**approval, "covers": self._some(["amount", "name"]), "on_approved": self._some([_LOG, _HAND_OVER])}

    def _grants(self) -> list[JSON]:
        count = self.chance.choice((1, 2, 3))
        return [self._grant(entity) for entity in ("deal",) * count + tuple(self._some(FORGOTTEN, 0.8))]

    def _grant(self, entity: str) -> JSON:
        chance = self.chance
        may = chance.choice(
            [_EVERYTHING, _EVERYTHING, ("read",), ("read", "update"), ("update",), ("create", "update")]
        )
        grant: JSON = {"entity": entity, "may": list(may)}
        keys = [item["key"] for item in self._fields(entity)]
        masked: list[str] = []
        if chance.random() < 0.5:
            grant["rows"] = self._rule(entity)
        if may != ("read",) and chance.random() < 0.5:
            grant["after"] = chance.choice(["TRUE", self._rule(entity)])
        if "read" in may:
            masked = self._some([item["key"] for item in FIELDS[entity] if item["type"] == "text"], 0.2)
            members = (
                {"fields": [*self._some(keys, 0.7), *masked, "name"]},
                {"hidden": [k for k in self._some(keys, 0.2) if k not in masked]},
            )
            grant |= chance.choice([{}, *members])
            grant["masks"] = [
                {"field": key, "start": chance.choice((0, 1, 3)), "end": chance.choice((0, 2))} for key in masked
            ]
        free = [key for key in keys if key not in ASSIGNED and key not in masked]
        if may != ("read",):
            grant |= chance.choice([{}, {"writable": self._some(free, 0.7)}, {"fixed": self._some(free, 0.2)}])
        if entity == "deal" and "create" in may:
            grant["defaults"] = self._some([{"field": "owner", "value": "CURRENTUSER()"}], 0.3)
        if entity == "deal" and "update" in may:
            grant["transitions"] = chance.choice(["all", ["on"], []])
            grant["approvals"] = chance.choice(["all", []])
        return grant

    def _rule(self, entity: str) -> str:
        one, other = (
            self.chance.choice([rule for rule in RULES[entity] if self.without not in rule]) for _ in range(2)
        )
        return self.chance.choice(
            [one, one, f"({one}) OR ({other})", f"({one}) AND ({other})", f"NOT(({one}) AND ({other}))"]
        )
