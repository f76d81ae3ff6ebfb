"""``dougong install, plan, publish, export, import``: what a manager's IT person types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from builder.packages import get_template, list_templates, write_folder
from runtime import cli


@pytest.fixture
def run(capsysbinary, monkeypatch, tmp_path, migrated_database_url):
    """Run a command on the database; returns (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOUGONG_LANGUAGE", "en")
    monkeypatch.setenv("DOUGONG_DATABASE_URL", migrated_database_url)

    def call(*arguments: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        out, err = (text.decode() for text in capsysbinary.readouterr())
        assert "Traceback" not in err
        return end.value.code, out, err

    return call


APP: dict[str, Any] = {
    "app": {"key": "shop", "label": "店"},
    "entities": [{"key": "item", "label": "商品", "fields": [{"key": "name", "type": "text", "label": "名称"}]}],
    "sample": {"item": "id,name\na,苹果\nb,梨\n"},
}


def package(tmp_path: Path, **changes: Any) -> str:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps({**APP, **changes}), "utf-8")
    return str(path)


def test_an_app_goes_in_once_and_comes_out_as_it_went_in(run, tmp_path):
    code, out, _ = run("install", package(tmp_path))
    assert (code, out) == (0, "Installed shop with 2 records\n")
    assert run("install", package(tmp_path))[1] == "Installed shop with 0 records\n"

    run("export", "shop", "folder")
    run("export", "shop", "shop.zip")
    exported = json.loads(run("export", "shop")[1])
    assert exported == {name: APP[name] for name in ("app", "entities")}
    for source in ("folder", "shop.zip"):
        code, _, _ = run("import", source)
        assert code == 0
        assert run("plan", "shop")[:2] == (0, "Nothing changes\n")
    assert run("doctor")[1].count("ok  apps") == 1


@pytest.mark.parametrize("key", [info.key for info in list_templates()])
def test_the_doctor_is_content_with_a_template_and_its_samples(run, key):
    code, out, _ = run("install", key)
    assert (code, " 0 records" in out) == (0, False)
    assert "ok  apps\n" in run("doctor")[1]


def test_a_package_that_was_exported_here_comes_before_a_template_of_its_name(run, tmp_path):
    run("import", package(tmp_path))
    run("export", "shop", "lead")
    code, _, err = run("test", "lead")
    assert (code, err) == (0, "The app shop has no scenarios\n")


def test_a_change_is_planned_and_published(run, tmp_path):
    run("install", package(tmp_path))
    entity = {**APP["entities"][0], "fields": []}
    source = package(tmp_path, entities=[entity])

    assert run("import", source)[0] == 0
    code, out, _ = run("plan", "shop")
    assert code == 0
    assert re.match(r"lossy +Remove the field item.name", out)
    code, _, err = run("publish", "shop")
    assert code == 1
    assert "accept_lossy" in err
    code, out, _ = run("publish", "shop", "--accept-lossy")
    assert code == 0
    assert out.endswith("Published version 2\n")


@pytest.mark.parametrize("dialect", ["sqlite"])  # the story is played in a scratch database of its own
def test_who_changes_24_hours_to_12_sees_the_story_break_mends_it_and_publishes(run, tmp_path, monkeypatch):
    """The way of the guide (docs/guides/reminders-and-scenarios), word for word."""
    monkeypatch.setenv("DOUGONG_LANGUAGE", "zh")
    assert run("install", "lead", "--no-sample")[0] == 0
    folder = tmp_path / "mylead"
    write_folder(get_template("lead"), folder)

    def change(document: str, before: str, after: str) -> None:
        text = (folder / document).read_text("utf-8")
        assert before in text
        (folder / document).write_text(text.replace(before, after), "utf-8")

    change("reminders/follow_up.json", '"after": "24 h"', '"after": "12 h"')
    code, out, _ = run("test", "mylead", "--scenario", "follow_up")
    assert (code, out.splitlines()[-1]) == (1, "✗ 线索被放着不管 (follow_up)")
    expected = "lead1 的提醒:“跟进超时” 2026-03-03 09:30、“4 小时未触达”(已走完)"
    found = "实为 “跟进超时” 2026-03-03 09:00(等待中)、“4 小时未触达”(已走完)"
    assert f"      ✗ {expected}\n          {found}\n" in out
    change("scenarios/follow_up.json", "2026-03-03T09:30", "2026-03-03T09:00")
    for document in ("reminders/follow_up.json", "scenarios/follow_up.json"):
        change(document, "24 小时未跟进", "12 小时未跟进")
    code, out, _ = run("test", "mylead", "--scenario", "follow_up")
    assert (code, "✗" in out) == (0, False)
    assert run("import", "mylead")[0] == 0
    planned = run("plan", "lead")[1].splitlines()
    assert planned[0] == "安全      修改提醒“跟进超时”(reminders/follow_up)的 steps"
    assert any("steps/0/after:24 h → 12 h" in line for line in planned)
    assert "安全      按新定义重新计算提醒“跟进超时”的期限" in planned
    code, out, _ = run("publish", "lead", "--note", "12 小时")
    assert (code, out.splitlines()[-1]) == (0, "已发布版本 2")


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["install", "leed"], 1, 'There is no template "leed"; did you mean "lead"?'),
        (["import", "nowhere"], 1, "There is no file nowhere"),
        (["plan", "nothing"], 1, 'There is no app "nothing"'),
        (["publish"], 2, "Missing argument"),
        (["export", "nothing"], 1, 'There is no app "nothing"'),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_an_exit_code(run, arguments, code, words):
    found, _, err = run(*arguments)
    assert found == code
    assert words in err


def test_a_draft_with_errors_is_told_place_by_place(run, tmp_path):
    run("install", package(tmp_path))
    wrong = {**APP["entities"][0], "title_field": "nmae"}
    run("import", package(tmp_path, entities=[wrong]))
    code, _, err = run("plan", "shop")
    assert code == 1
    assert 'entities/item/title_field: The entity "item" has no field "nmae"; did you mean "name"?' in err
