"""What makes a file in ``builder/fields`` a field type."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import builder.fields
from builder.fields import ALL, BY_TYPE
from builder.fields.base import Field
from builder.fields.parts.computed import ComputedField

FOLDER = Path(builder.fields.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "base"))

each_type = pytest.mark.parametrize("kind", ALL, ids=BY_TYPE)
GIVEN = [kind for kind in ALL if not issubclass(kind, ComputedField)]
"""Types whose values people give; computed ones are driven by tests/api/computed."""
each_given_type = pytest.mark.parametrize("kind", GIVEN, ids=lambda kind: kind.model_fields["type"].default)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_one_listed_type_of_the_same_name(name: str):
    module = importlib.import_module(f"builder.fields.{name}")
    own = [item for item in vars(module).values() if isinstance(item, type) and item.__module__ == module.__name__]
    types = [item for item in own if issubclass(item, Field)]
    assert types == [BY_TYPE[name]]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_says_what_it_is(path: Path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    if path.parent == FOLDER and path.stem in MODULES:
        assert docstring.startswith(f"``{path.stem}``: ")
        assert "Source: " in docstring


def test_every_type_is_listed_once():
    assert len(BY_TYPE) == len(ALL) == len(MODULES)


@each_given_type
def test_a_type_has_a_title_in_both_languages_and_samples(kind: type[Field]):
    assert kind.title.zh
    assert kind.title.en
    assert kind.samples
    assert any(sample.accepted for sample in kind.samples)
    assert any(code == "type" for sample in kind.samples for _, code in sample.refused) or kind is BY_TYPE["json"]


@each_type
def test_every_option_is_described_for_editors(kind: type[Field]):
    schema = kind.model_json_schema()
    assert [name for name, part in schema["properties"].items() if "description" not in part and name != "type"] == []
    assert schema["description"]


@each_given_type
def test_a_type_has_its_own_samples_and_class_docstring(kind: type[Field]):
    assert "samples" in vars(kind)
    assert "title" in vars(kind)
    assert kind.__doc__


def test_titles_tell_types_apart():
    for language in (0, 1):
        titles = [kind.title[language] for kind in ALL]
        assert len(set(titles)) == len(titles)
