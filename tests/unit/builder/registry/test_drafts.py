"""Drafts: documents with revisions, changes that take turns, and renames that leave no name behind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from builder.definition.kinds import APP, ENTITIES, SCENARIOS, VIEWS, dump_definition
from builder.definition.parse import parse_definition
from builder.definition.stories import Part, parts_of
from builder.kernel.problems import Problem
from builder.packages import get_template
from builder.registry.apps import create_app, export_app, get_app, import_draft, list_apps, put_draft
from builder.registry.drafts import (
    delete_document,
    get_document,
    list_documents,
    merge_patch,
    patch_document,
    put_document,
)
from builder.registry.preconditions import ABSENT, Precondition, at_revision
from builder.registry.publishing import check_draft
from builder.registry.registry import Registry
from builder.registry.renaming import rename_entity, rename_field
from tests.support.builder import column, create, entity, field, findings, insert, open_registry, package, publish


@pytest.fixture
def registry(migrated_database_url: str) -> Iterator[Registry]:
    with open_registry(migrated_database_url) as made:
        create_app(made, parse_definition(package(entity("a", field("x")))), "u1")
        yield made


def put(registry: Registry, body: Any, **options: Any) -> Any:
    return put_document(registry, "shop", ENTITIES, body["key"], body, author="u1", **options)


def revision(registry: Registry) -> int:
    with registry.database.snapshot() as connection:
        return get_app(connection, "shop").draft_revision


def test_a_revision_is_never_given_twice(registry):
    first = put(registry, entity("b"))
    delete_document(registry, "shop", ENTITIES, "b", expected=at_revision(first.revision))
    again = put(registry, entity("b"), expected=ABSENT)
    assert again.revision > first.revision + 1
    with pytest.raises(Problem, match=r"definition\.changed"):
        put(registry, entity("b", help="x"), expected=at_revision(first.revision))


@pytest.mark.parametrize(
    "expected, there, absent",
    [
        (Precondition(), "", ""),
        (Precondition(required=True), "request.precondition_required", ""),
        (Precondition(exists=True, required=True), "", "definition.changed"),
        (Precondition(exists=False, required=True), "definition.exists", ""),
        (Precondition(frozenset({99})), "definition.changed", "definition.changed"),
        (Precondition(frozenset({99, 7})), "", "definition.changed"),
    ],
)
def test_a_precondition_is_checked_against_what_is_there(expected, there, absent):
    for found, code in ((7, there), (None, absent)):
        if not code:
            expected.check(found)
            continue
        with pytest.raises(Problem) as caught:
            expected.check(found)
        assert (caught.value.code, caught.value.extra) == (code, {"revision": found or 0})


def test_of_changes_at_once_none_is_lost(registry, migrated_database_url):
    """Everybody adds a field to what they saw; who was overtaken is told so and tries again."""

    def add(number: int) -> int:
        refused = 0
        with open_registry(migrated_database_url, counting=False) as own:
            while True:
                with own.database.snapshot() as connection:
                    seen = get_document(connection, "shop", "entities", "a")
                body = {**seen.body, "fields": [*seen.body["fields"], field(f"f{number}")]}
                try:
                    put(own, body, expected=at_revision(seen.revision))
                except Problem as problem:
                    if problem.code != "definition.changed":
                        raise
                    refused += 1
                else:
                    return refused

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(8)))
    with registry.database.snapshot() as connection:
        keys = {f["key"] for f in get_document(connection, "shop", "entities", "a").body["fields"]}
    assert keys == {"x", *(f"f{number}" for number in range(8))}


def test_a_document_keeps_its_key_and_the_app_its_own(registry):
    with pytest.raises(Problem, match=r"definition\.invalid") as caught:
        put_document(registry, "shop", ENTITIES, "a", entity("b"), author=None)
    assert caught.value.violations[0].code == "key.mismatch"
    with pytest.raises(Problem, match="use rename"):
        put_document(registry, "shop", APP, "other", {"key": "other", "label": "x"}, author=None)
    with pytest.raises(Problem, match=r"definition\.single"):
        delete_document(registry, "shop", APP, "shop")
    with pytest.raises(Problem, match='did you mean "a"'):
        delete_document(registry, "shop", ENTITIES, "aa")


def test_a_new_document_gets_a_free_key(registry):
    made = [put_document(registry, "shop", ENTITIES, None, {"label": "客户"}, author=None).key for _ in range(3)]
    assert made == ["ke_hu", "ke_hu_2", "ke_hu_3"]
    with pytest.raises(Problem, match=r"definition\.exists"):
        put_document(registry, "shop", ENTITIES, None, entity("a"), author=None)


@pytest.mark.parametrize(
    "target, patch, expected",
    [  # the examples of RFC 7396
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_the_rfc_says(target, patch, expected):
    assert merge_patch(target, patch) == expected


def test_a_patch_that_breaks_the_document_changes_nothing(registry):
    before = revision(registry)
    patches: list[Any] = [{"key": "b"}, {"label": None}, {"colour": 1}, [], None, 5]
    for patch in patches:
        with pytest.raises(Problem, match=r"definition\.invalid"):
            patch_document(registry, "shop", ENTITIES, "a", patch, author=None)
    assert revision(registry) == before


def test_a_whole_draft_is_replaced_and_what_stays_keeps_its_revision(registry):
    put(registry, entity("b"))
    before = revision(registry)
    put_draft(registry, parse_definition(package(entity("a", field("x")), entity("c"))), "u2")
    with registry.database.snapshot() as connection:
        listed = {draft.key: draft.revision for draft in list_documents(connection, "shop", "entities")}
    assert listed.keys() == {"a", "c"}
    assert listed["a"] < before < listed["c"]
    with pytest.raises(Problem, match=r"definition\.changed"):
        put_draft(registry, parse_definition(package()), None, expected=at_revision(before))


def test_an_import_makes_an_app_or_replaces_its_draft(registry):
    assert import_draft(registry, parse_definition(package(entity("z"))), None)[1] is False
    assert import_draft(registry, parse_definition(package(key="other")), None)[1] is True
    with registry.database.snapshot() as connection:
        assert [line.key for line in list_apps(connection)] == ["other", "shop"]
    with pytest.raises(Problem, match=r"app\.exists"):
        create_app(registry, parse_definition(package()), None)


# -- renames ----------------------------------------------------------------------------------------------------------------


FORMULAS = package(
    entity(
        "customer",
        field("level", "select", options=[{"key": "A", "label": "A"}]),
        field("limit", "money"),
        field("orders", "children", entity="order", via="buyer"),
        field(
            "total",
            "rollup",
            relation="orders",
            function="sum",
            value="price * (1 + tax)",
            condition="open AND price > 0",
        ),
        field("open", "boolean"),
    ),
    entity(
        "order",
        field("buyer", "reference", entity="customer"),
        field("price", "decimal"),
        field("tax", "percent"),
        field("open", "boolean"),
        field("level", "text"),
        field("his_level", "lookup", path="buyer.level"),
        field("gross", "formula", formula='IF(buyer.level = "A", price, {price} * 2) & level & "price"'),
    ),
)
FORMULAS["views"] = [
    {
        "key": "v",
        "label": "v",
        "entity": "order",
        "filter": 'buyer.level = "A" AND price > 1',
        "sort": ["-buyer.level", "level"],
        "columns": ["buyer.level", "price", "level"],
    },
    {
        "key": "w",
        "label": "w",
        "entity": "order",
        "filter": {"_and": [{"buyer": {"level": {"_eq": "A"}}}, {"level": "x"}]},
    },
]


def test_a_rename_reaches_formulas_conditions_and_views_and_only_what_is_meant(registry):
    put_draft(registry, parse_definition(FORMULAS), None)
    assert check_draft(registry, "shop") == []
    changed = rename_field(registry, "shop", "customer", "level", "grade", None)
    assert sorted(changed) == ["entities/customer", "entities/order", "views/v", "views/w"]
    rename_field(registry, "shop", "order", "price", "amount", None)
    rename_field(registry, "shop", "order", "buyer", "client", None)
    rename_field(registry, "shop", "customer", "orders", "purchases", None)
    draft = dump_definition(export_app(registry, "shop"))
    customer, order = ({f["key"]: f for f in body["fields"]} for body in draft["entities"])
    assert order["his_level"]["path"] == "client.grade"
    assert order["gross"]["formula"] == 'IF(client.grade = "A", amount, amount * 2) & level & "price"'
    assert (customer["total"]["value"], customer["total"]["condition"]) == ("amount * (1 + tax)", "open AND amount > 0")
    assert (customer["total"]["relation"], customer["purchases"]["via"]) == ("purchases", "client")
    first, second = draft["views"]
    assert first["filter"] == 'client.grade = "A" AND amount > 1'
    assert first["sort"] == ["-client.grade", "level"]
    assert first["columns"] == ["client.grade", "amount", "level"]
    assert second["filter"] == {"_and": [{"client": {"grade": {"_eq": "A"}}}, {"level": "x"}]}
    assert check_draft(registry, "shop") == []


@pytest.mark.parametrize("dialect", ["sqlite"])  # documents are rewritten by Python, whichever database keeps them
def test_a_rename_reaches_the_stories(registry):
    """Fields that the stories of the lead app give, expect or miss, one after the other."""
    lead = get_template("lead").definition
    told = {(part.entity, key) for story in lead.of(SCENARIOS) for part in parts_of(lead, story) for key in _told(part)}
    own = {(entity.key, field.key) for entity in lead.entities for field in entity.fields}
    chosen = sorted(told & own)[::14]  # a rename of so large an app takes a second
    assert len(chosen) >= 3
    create_app(registry, lead, None)
    before = [finding.code for finding in check_draft(registry, "lead")]
    for number, (owner, key) in enumerate(chosen):
        rename_field(registry, "lead", owner, key, f"renamed_{number}", None)
    assert [finding.code for finding in check_draft(registry, "lead")] == before
    draft = export_app(registry, "lead")
    again = {
        (part.entity, key) for story in draft.of(SCENARIOS) for part in parts_of(draft, story) for key in _told(part)
    }
    assert again.isdisjoint(chosen)
    assert len(again) == len(told)
    assert {f"renamed_{number}" for number in range(len(chosen))} <= {key for _, key in again}


def _told(part: Part) -> set[str]:
    return {*getattr(part.model, "values", {}), *getattr(part.model, "missing", ())}


def test_a_rename_reaches_the_texts_inside_json_filters_and_paths_in_their_keys(registry):
    body = {**FORMULAS, "views": []}
    filters = {
        "customer": {
            "_or": [
                {"_formula": 'ROUND(limit * 2, 0) > 5 AND level = "A"'},
                {"orders": {"_some": {"_formula": 'price > this.limit AND buyer.level = "A" AND level = "price"'}}},
            ]
        },
        "order": {
            "buyer": {"_formula": 'LEN(level & "level") > 1 AND COUNT(orders, price > 1) > 0'},
            "buyer.level": {"_in": ["A"]},
            "_formula": '{level} = "level" OR buyer.limit > price',
        },
    }
    for owner, tree in filters.items():
        body["views"].append({"key": owner, "label": owner, "entity": owner, "filter": tree})
    put_draft(registry, parse_definition(body), None)
    assert check_draft(registry, "shop") == []
    for owner, key, new in (
        ("customer", "level", "grade"),
        ("customer", "limit", "cap"),
        ("customer", "orders", "purchases"),
        ("order", "price", "amount"),
        ("order", "buyer", "client"),
    ):
        rename_field(registry, "shop", owner, key, new, None)
    views = {view["key"]: view["filter"] for view in dump_definition(export_app(registry, "shop"))["views"]}
    assert views["customer"] == {
        "_or": [
            {"_formula": 'ROUND(cap * 2, 0) > 5 AND grade = "A"'},
            {"purchases": {"_some": {"_formula": 'amount > this.cap AND client.grade = "A" AND level = "price"'}}},
        ]
    }
    assert views["order"] == {
        "client": {"_formula": 'LEN(grade & "level") > 1 AND COUNT(purchases, amount > 1) > 0'},
        "client.grade": {"_in": ["A"]},
        "_formula": '{level} = "level" OR client.cap > amount',
    }
    assert check_draft(registry, "shop") == []


def test_what_is_wrong_in_a_text_inside_a_filter_is_found_with_its_place(registry):
    tree = {"_or": [{"level": "x"}, {"buyer": {"_formula": "limt > 5"}}]}
    body = {**FORMULAS, "views": [{"key": "v", "label": "v", "entity": "order", "filter": tree}]}
    put_draft(registry, parse_definition(body), None)
    (finding,) = check_draft(registry, "shop")
    assert (finding.code, finding.pointer) == ("formula.name", "/filter/_or/1/buyer/_formula")
    assert finding.message.en == 'no field "limt"; did you mean "limit"? (from character 1)'
    assert finding.message.zh == "没有字段“limt”，是否想写“limit”？(第 1 个字符起)"


def test_an_entity_is_renamed_in_everything_that_names_it(registry):
    put_draft(registry, parse_definition(FORMULAS), None)
    rename_entity(registry, "shop", "order", "deal", None)
    draft = dump_definition(export_app(registry, "shop"))
    assert draft["entities"][0]["fields"][2]["entity"] == "deal"
    assert [view["entity"] for view in draft["views"]] == ["deal", "deal"]
    assert check_draft(registry, "shop") == []


@pytest.mark.parametrize(
    "moves, mark",
    [
        ([("x", "y")], "x"),
        ([("x", "y"), ("y", "z")], "x"),
        ([("x", "y"), ("y", "x")], None),
        ([("n", "m")], None),  # not published yet: nothing to tell
    ],
)
def test_a_rename_is_marked_with_the_key_that_is_published(registry, moves, mark):
    publish(registry)
    put(registry, entity("a", field("x"), field("n")))
    for old, new in moves:
        rename_field(registry, "shop", "a", old, new, None)
    with registry.database.snapshot() as connection:
        fields = {f["key"]: f for f in get_document(connection, "shop", "entities", "a").body["fields"]}
    assert fields[moves[-1][1]].get("renamed_from") == mark


def test_a_rename_after_a_rename_was_published_is_followed(registry):
    publish(registry)
    insert(registry, "a", {"x": "1"})
    for own, new, key, new_key in (("a", "b", "x", "y"), ("b", "c", "y", "z")):
        rename_field(registry, "shop", own, key, new_key, None)
        rename_entity(registry, "shop", own, new, None)
        publish(registry)
    assert column(registry, "c", "z") == ["1"]
    assert findings(registry) == []


@pytest.mark.parametrize("key", ["", "A", "1a", "a b", "a\n", "a" * 41, "客户", "a\x00", "a__b; DROP TABLE x"])
def test_a_key_that_is_none_is_refused(registry, key):
    for rename in (
        lambda: rename_entity(registry, "shop", "a", key, None),
        lambda: rename_field(registry, "shop", "a", "x", key, None),
    ):
        with pytest.raises(Problem, match=r"definition\.invalid"):
            rename()


def test_a_key_that_is_taken_or_ambiguous_is_refused(registry):
    create(registry, entity("b", field("y", renamed_from="x")), entity("c"), key="other")
    with pytest.raises(Problem, match=r"definition\.exists"):
        rename_entity(registry, "other", "b", "c", None)
    with pytest.raises(Problem, match=r"definition\.not_found.*did you mean"):
        rename_field(registry, "other", "b", "yy", "z", None)
    publish(registry, entity("b", field("y", renamed_from="x"), field("x")), key="other")
    delete = entity("b", field("x"))
    put_document(registry, "other", ENTITIES, "b", delete, author=None)
    with pytest.raises(Problem, match="publish its removal before"):
        rename_field(registry, "other", "b", "x", "y", None)


def test_kinds_have_their_place(registry):
    put_document(registry, "shop", VIEWS, "v", {"key": "v", "label": "v", "entity": "a"}, author=None)
    with registry.database.snapshot() as connection:
        assert [(d.kind, d.key) for d in list_documents(connection, "shop")] == [
            ("app", "shop"),
            ("entities", "a"),
            ("views", "v"),
        ]
