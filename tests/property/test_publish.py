"""Any sequence of changes, published with rows in between: nothing that should survive is lost, and every version can be gone back to.

The machine knows only what it wrote itself: which rows exist, and what each version showed at the end of its time. It asserts that

- the doctor finds nothing after any publish, refused or done;
- no row of an entity that is still there is lost, and values stay where storage stays;
- going back to a version shows again everything that version showed.
"""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from builder.definition.kinds import ENTITIES
from builder.definition.parse import parse_definition
from builder.kernel.problems import Problem
from builder.registry.apps import create_app, delete_app
from builder.registry.drafts import Draft, delete_document, list_documents, put_document
from builder.registry.publishing import plan_draft, plan_rollback, publish_draft, roll_back
from builder.registry.registry import Registry
from builder.registry.renaming import rename_entity, rename_field
from tests.support.builder import findings, insert, open_registry, package, published, rows

JSON = Any
_numbers = itertools.count(1)

ENTITY_KEYS = ("a", "b", "c")
FIELD_KEYS = ("w", "x", "y", "z")
TYPES: dict[str, JSON] = {
    "text": {},
    "long_text": {},
    "integer": {},
    "decimal": {"scale": 2},
    "boolean": {},
    "date": {},
    "select": {"options": [{"key": key, "label": key} for key in ("a1", "7", "007")]},
    "multi_select": {"options": [{"key": key, "label": key} for key in ("a1", "7")]},
    "json": {},
    "auto_number": {"pattern": "N{seq:3}"},
    "reference": {},
}
VALUES: dict[str, tuple[JSON, ...]] = {
    "text": ("007", "7", "2026-02-03", "abc", "N004", "true", None),
    "long_text": ("7", "abc\ndef", None),
    "integer": (7, 0, -1, None),
    "decimal": ("1.50", "7", None),
    "boolean": (True, False, None),
    "date": ("2026-02-03", None),
    "select": ("a1", "7", None),
    "multi_select": (["a1"], ["a1", "7"], None),
    "json": ({"a": [1, None]}, [], None),
    "auto_number": ("N001", "N002", "old 9", None),
}

Shown = dict[str, dict[str, dict[str, Any]]]
"""Entity -> row id -> field -> value."""


class Publishing(RuleBasedStateMachine):
    """Edits, rows, publishes and rollbacks in any order."""

    registry: Registry

    def __init__(self) -> None:
        super().__init__()
        self.app = f"p{next(_numbers)}"
        self.version = 0
        self.shown: dict[int, Shown] = {}

    @initialize()
    def begin(self) -> None:
        create_app(self.registry, parse_definition(package(key=self.app)), None)
        self._publish()

    def teardown(self) -> None:
        delete_app(self.registry, self.app, confirm=self.app)
        assert findings(self.registry) == []

    # -- the draft --------------------------------------------------------------------------------------------------------

    def _drafts(self) -> list[Draft]:
        with self.registry.database.snapshot() as connection:
            return list_documents(connection, self.app, "entities")

    def _put(self, body: JSON) -> None:
        put_document(self.registry, self.app, ENTITIES, body["key"], body, author=None)

    @rule(key=st.sampled_from(ENTITY_KEYS))
    def add_entity(self, key: str) -> None:
        if key not in {draft.key for draft in self._drafts()}:
            self._put({"key": key, "label": key, "fields": []})

    @rule(data=st.data())
    def remove_entity(self, data: st.DataObject) -> None:
        drafts = self._drafts()
        if not drafts:
            return
        gone = data.draw(st.sampled_from([draft.key for draft in drafts]))
        delete_document(self.registry, self.app, ENTITIES, gone)
        for draft in drafts:
            kept = [f for f in draft.body.get("fields", ()) if f.get("entity") != gone]
            if draft.key != gone and kept != draft.body.get("fields", []):
                self._put(_with_fields(draft.body, kept))

    @rule(data=st.data(), new_key=st.sampled_from(ENTITY_KEYS))
    def rename_an_entity(self, data: st.DataObject, new_key: str) -> None:
        drafts = self._drafts()
        if drafts:
            key = data.draw(st.sampled_from([draft.key for draft in drafts]))
            _unless_taken(lambda: rename_entity(self.registry, self.app, key, new_key, None))

    @rule(data=st.data(), key=st.sampled_from(FIELD_KEYS), kind=st.sampled_from(sorted(TYPES)))
    def add_or_retype_field(self, data: st.DataObject, key: str, kind: str) -> None:
        drafts = self._drafts()
        if not drafts:
            return
        draft = data.draw(st.sampled_from(drafts))
        fields = draft.body.get("fields", [])
        made: JSON = {"key": key, "type": kind, "label": key, **TYPES[kind]}
        if kind == "reference":
            made["entity"] = data.draw(st.sampled_from([d.key for d in drafts]))
        elif kind not in ("json", "multi_select", "long_text", "auto_number"):
            made["unique"] = data.draw(st.booleans())
        if kind in ("text", "integer") and not made["unique"]:
            made |= data.draw(st.sampled_from([{}, {"default": "7" if kind == "text" else 7}, {"required": True}]))
        old = next((f for f in fields if f["key"] == key), None)
        if old is not None and "renamed_from" in old:
            made["renamed_from"] = old["renamed_from"]
        changed = [made if f["key"] == key else f for f in fields] if old else [*fields, made]
        self._put(_with_fields(draft.body, changed))

    @rule(data=st.data())
    def remove_field(self, data: st.DataObject) -> None:
        chosen = self._choose_field(data)
        if chosen:
            draft, gone = chosen
            self._put(_with_fields(draft.body, [f for f in draft.body["fields"] if f["key"] != gone]))

    @rule(data=st.data(), new_key=st.sampled_from(FIELD_KEYS))
    def rename_a_field(self, data: st.DataObject, new_key: str) -> None:
        chosen = self._choose_field(data)
        if chosen:
            draft, key = chosen
            _unless_taken(lambda: rename_field(self.registry, self.app, draft.key, key, new_key, None))

    @rule(data=st.data())
    def flip_indexes(self, data: st.DataObject) -> None:
        chosen = self._choose_field(data)
        if chosen:
            draft, key = chosen
            own = {f["key"]: f for f in draft.body["fields"]}
            pair = sorted({key, data.draw(st.sampled_from(sorted(own)))})
            body = {**draft.body, "indexes": [] if draft.body.get("indexes") else [pair]}
            self._put({name: value for name, value in body.items() if value != []} | {"fields": draft.body["fields"]})

    def _choose_field(self, data: st.DataObject) -> tuple[Draft, str] | None:
        places = [(draft, f["key"]) for draft in self._drafts() for f in draft.body.get("fields", ())]
        return data.draw(st.sampled_from(places)) if places else None

    # -- rows -------------------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def write_rows(self, data: st.DataObject) -> None:
        app = published(self.registry, self.app)
        if not app.entities:
            return
        key = data.draw(st.sampled_from(sorted(app.entities)))
        for _ in range(data.draw(st.integers(1, 3))):
            values = {f.key: data.draw(self._values(f)) for f in app.entities[key].stored}
            try:
                insert(self.registry, key, values, app=self.app)
            except Exception as error:
                if "unique" not in str(error).lower():
                    raise

    def _values(self, field: Any) -> st.SearchStrategy[JSON]:
        if field.type == "reference":
            return st.sampled_from([None, *rows(self.registry, field.entity, app=self.app)])
        return st.sampled_from(VALUES[field.type])

    def _show(self) -> Shown:
        app = published(self.registry, self.app)
        return {key: rows(self.registry, key, app=self.app) for key in app.entities}

    # -- publishing -------------------------------------------------------------------------------------------------------

    @rule()
    def publish(self) -> None:
        before = self._show()
        try:
            plan = plan_draft(self.registry, self.app)
        except Problem as problem:
            assert problem.code == "publish.findings"
            return
        steps = plan.to_json("en")["steps"]
        self.shown[self.version] = before
        if plan.risk == "blocked":
            with pytest.raises(Problem, match=r"publish\.blocked"):
                self._publish()
            assert self._show() == before
            return
        self._publish(plan.hash)
        self._expect_rows(before, steps)

    def _publish(self, plan_hash: str | None = None) -> None:
        made = publish_draft(self.registry, self.app, base_version=self.version, plan_hash=plan_hash, accept_lossy=True)
        self.version += 1
        assert made.published.app.version == self.version

    def _expect_rows(self, before: Shown, steps: list[JSON]) -> None:
        after = self._show()
        gone = {step["entity"] for step in steps if step["kind"] == "keep_entity"}
        survivors = {row for key, found in before.items() if key not in gone for row in found}
        assert survivors <= {row for found in after.values() for row in found}
        moved = {step["kind"] for step in steps}
        if not moved & {"keep_field", "convert_field", "rename_field", "rename_entity", "keep_entity", "change_rules"}:
            for key, found in before.items():
                for row, values in found.items():
                    assert after[key][row].items() >= values.items()

    @rule(data=st.data())
    def go_back(self, data: st.DataObject) -> None:
        former = data.draw(st.integers(1, self.version))
        self.shown[self.version] = self._show()
        plan = plan_rollback(self.registry, self.app, former)
        if plan.risk == "blocked":
            return
        made = roll_back(self.registry, self.app, former, base_version=self.version)
        assert made.plan.hash == plan.hash
        self.version += 1
        after = self._show()
        for key, found in self.shown[former].items():
            for row, values in found.items():
                shown = after[key].get(row)
                assert shown is not None, f"row of {key} lost"
                for field, value in values.items():
                    numbered = published(self.registry, self.app).entities[key].fields[field].type == "auto_number"
                    assert shown[field] == value or (numbered and value is None), (key, field, shown[field], value)

    @invariant()
    def is_healthy(self) -> None:
        assert findings(self.registry, self.app) == []


def _with_fields(body: JSON, fields: list[JSON]) -> JSON:
    keys = {f["key"] for f in fields}
    indexes = [index for index in body.get("indexes", ()) if set(index) <= keys]
    changed = {name: value for name, value in body.items() if name not in ("fields", "indexes")}
    return {**changed, "fields": fields, **({"indexes": indexes} if indexes else {})}


def _unless_taken(rename: Any) -> None:
    try:
        rename()
    except Problem as problem:
        assert problem.code == "definition.exists"


def test_any_sequence_of_publishes_keeps_every_row_and_can_be_undone(migrated_database_url, dialect):
    with open_registry(migrated_database_url) as registry:
        machine = type("Machine", (Publishing,), {"registry": registry})
        few = hypothesis.settings(
            max_examples=int(__import__("os").environ.get("N", "15")),
            stateful_step_count=int(__import__("os").environ.get("S", "25")),
            suppress_health_check=list(hypothesis.HealthCheck),
            deadline=None,
        )
        run_state_machine_as_test(machine, settings=few)
