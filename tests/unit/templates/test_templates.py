"""The bundled templates: parsed without a word, checked without a finding, labelled in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.checks.run import run_checks
from builder.definition.actions.create_task import CreateTask
from builder.definition.kinds import AUTOMATIONS, ENTITIES, dump_definition
from builder.definition.sentences import parse_sentence
from builder.kernel.problems import Problem
from builder.packages import get_template, list_templates, read_json, read_people, read_zip, write_json, write_zip
from builder.packages.tree import dump_tree
from builder.registry.assignment_texts import words_of

KEYS = ("lead", "receivables", "store_sales")
HOME = Path(__file__).resolve().parents[3] / "templates_lib"


def test_templates_are_listed_with_what_people_choose_by():
    listed = list_templates()
    assert [info.key for info in listed] == list(KEYS)
    assert {info.key: info.entity_count for info in listed} == {
        key: len(get_template(key).definition.entities) for key in KEYS
    }
    assert all(info.label.zh != info.label.en and info.help.zh and info.help.en for info in listed)
    assert all(info.sample_count > 10_000 for info in listed if info.key != "store_sales")


def test_an_unknown_template_is_told_with_a_suggestion():
    with pytest.raises(Problem) as caught:
        get_template("leed")
    assert caught.value.code == "template.not_found"
    assert '"lead"' in caught.value.detail.en


@pytest.mark.parametrize("key", KEYS)
def test_a_template_is_published_without_a_finding(key):
    package = get_template(key)
    assert package.key == key
    assert run_checks(package.definition) == []


@pytest.mark.parametrize("key", KEYS)
def test_documents_are_written_as_an_export_writes_them(key):
    written = dump_tree(get_template(key))
    found = {path.relative_to(HOME / key).as_posix(): path.read_bytes() for path in (HOME / key).rglob("*.json")}
    assert found == {name: content for name, content in written.items() if name.endswith(".json")}


@pytest.mark.parametrize("key", KEYS)
def test_a_template_goes_through_every_form(key):
    package = get_template(key)
    assert read_json(write_json(package)) == package
    assert read_zip(write_zip(package)) == package


def texts(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("label", "help"):
                yield f"{pointer}/{name}", inner
            else:
                yield from texts(inner, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts(inner, f"{pointer}/{index}")


@pytest.mark.parametrize("key", KEYS)
def test_every_label_and_help_is_in_both_languages(key):
    found = list(texts(dump_definition(get_template(key).definition)))
    assert len(found) > 100
    assert [at for at, text in found if not isinstance(text, dict)] == []
    assert [at for at, text in found if re.search("[\u4e00-\u9fff]", text["en"])] == []


@pytest.mark.parametrize("key", KEYS)
def test_every_entity_says_what_it_is_for_and_names_its_records(key):
    for entity in get_template(key).definition.entities:
        assert entity.help is not None, entity.key
        assert entity.title_field is not None, entity.key


def test_all_templates_share_the_same_people():
    people = [read_people(get_template(key)) for key in KEYS]
    same = [(each.departments, each.users) for each in people]
    assert same[0] == same[1] == same[2]
    users = people[0].users
    assert len(users) == 47
    assert all(re.fullmatch("[a-z]{4,20}", user.username) for user in users)
    assert len({user.name for user in users}) == 47
    assert [user.username for user in users if user.manager is None] == ["zhouhaitao"]
    assert all(user.email == f"{user.username}@hengze.example" for user in users)


def test_the_sentence_of_the_seeds_is_understood_by_the_lead_app():
    template = get_template("lead")
    entity = next(one for one in template.definition.of(ENTITIES) if one.key == "lead")
    users = [(user.name, user.username) for user in read_people(template).users]
    step = parse_sentence("预算>20万且来自官网的线索,优先分给张伟或李娜", words_of(entity, users))
    assert step.when == 'budget > 200000 AND source = "website_form"'
    assert [who.user for who in step.people] == ["zhangwei", "lina"]


@pytest.mark.parametrize("key", KEYS)
def test_a_note_for_people_lies_beside_the_documents(key):
    assert (HOME / key / "README.md").read_text(encoding="utf-8").startswith("# ")


def test_a_support_task_takes_the_twelve_things_of_the_specification_along():
    """R19: all of them are required, and all stand in the frozen copy."""
    lead = get_template("lead").definition
    sheet = lead.find_entity("spec_sheet")
    assert sheet is not None
    required = [field.key for field in sheet.fields if field.required and field.key != sheet.title_field]
    assert len(required) == 12
    task = next(a for one in lead.of(AUTOMATIONS) for a in one.actions if isinstance(a, CreateTask))
    assert [path for path in task.snapshot if path.startswith("spec_sheet.")] == [f"spec_sheet.{k}" for k in required]
