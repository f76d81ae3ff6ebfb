"""The generated parts of the documentation are up to date, and the README opens with the two commands."""

import re

import pytest

import dev
from tests.support.tree import ROOT
from tools import docs

README = docs.README.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [*docs.PARTS, *docs.WHOLE], ids=lambda path: path.name)
def test_writing_the_generated_parts_again_changes_nothing(path):
    assert docs.written(path) == docs.current(path)


def test_a_document_without_a_place_for_a_part_is_refused():
    with pytest.raises(docs.MarkersMissing, match="settings"):
        docs.replace_part("no markers", "settings", "text")


def test_a_part_is_replaced_and_the_rest_kept():
    document = "a\n<!-- x:start -->\nold\n<!-- x:end -->\nb\n"
    assert docs.replace_part(document, "x", "new") == "a\n<!-- x:start -->\nnew\n<!-- x:end -->\nb\n"


def test_the_readme_opens_with_the_two_commands():
    first_block = README.split("```")[1]
    assert re.findall(r"python3 dev\.py (\w+)", first_block) == ["run", "test"]
    assert README.index("```") < README.index("\n## ")


def test_make_offers_every_command():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^((?:\w+ ?)+):$", makefile, re.MULTILINE)[-1].split()
    assert targets == list(dev.COMMANDS)
    assert set(targets) | {"help"} == set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())


def test_folders_the_readme_names_exist():
    table = README.split("## Where things are")[1].split("\n## ")[0]
    named = [
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(.+?)`", row.split("|")[1])
    ]
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []
