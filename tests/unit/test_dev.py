"""The bootstrap: what makes it install again, and how stages report."""

import json
import sys

import pytest

import dev


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder that looks like a fresh clone; programs that would be run are recorded instead."""
    for name in (dev.RUN_LOCK, dev.DEV_LOCK, "pyproject.toml"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(dev, "STAMP", tmp_path / ".venv" / "stamp.json")
    return tmp_path


@pytest.fixture
def calls(project, monkeypatch):
    """Command lines in the order they were called; making the environment leaves an interpreter behind."""
    made = []

    def call(command, *, quiet=False):
        made.append(" ".join(command[1:]))
        return 0

    def make_venv():
        made.append("venv")
        dev.venv_python().parent.mkdir(parents=True, exist_ok=True)
        dev.venv_python().touch()

    monkeypatch.setattr(dev, "call", call)
    monkeypatch.setattr(dev, "make_venv", make_venv)
    return made


def _installed(calls):
    return [call for call in calls if "install" in call and "--editable" not in call]


def test_the_first_call_makes_the_environment_and_installs_by_hash(project, calls):
    dev.set_up(dev.RUN_LOCK)
    assert calls[0] == "venv"
    assert [call.split()[-3:] for call in _installed(calls)] == [["--require-hashes", "-r", dev.RUN_LOCK]]
    assert any("--editable" in call and "--no-build-isolation" in call for call in calls)


def test_the_second_call_does_nothing(project, calls):
    dev.set_up(dev.RUN_LOCK)
    calls.clear()
    dev.set_up(dev.RUN_LOCK)
    assert calls == []


@pytest.mark.parametrize("changed", [dev.RUN_LOCK, "pyproject.toml"])
def test_a_changed_lock_or_declaration_installs_again_in_the_same_environment(project, calls, changed):
    dev.set_up(dev.RUN_LOCK)
    calls.clear()
    (project / changed).write_text("other", encoding="utf-8")
    dev.set_up(dev.RUN_LOCK)
    assert len(_installed(calls)) == 1
    assert "venv" not in calls


def test_the_developers_installation_serves_run_too_but_not_the_other_way_round(project, calls):
    dev.set_up(dev.DEV_LOCK)
    calls.clear()
    dev.set_up(dev.RUN_LOCK)
    assert calls == []
    (project / dev.RUN_LOCK).write_text("other", encoding="utf-8")
    dev.set_up(dev.RUN_LOCK)
    calls.clear()
    dev.set_up(dev.DEV_LOCK)
    assert len(_installed(calls)) == 1


def test_a_moved_folder_gets_a_new_environment(project, calls):
    dev.set_up(dev.RUN_LOCK)
    stamp = json.loads(dev.STAMP.read_text(encoding="utf-8"))
    dev.STAMP.write_text(json.dumps(dict.fromkeys(stamp, "elsewhere")), encoding="utf-8")
    calls.clear()
    dev.set_up(dev.RUN_LOCK)
    assert calls[0] == "venv"


def test_an_interrupted_installation_is_not_taken_for_a_finished_one(project, calls, monkeypatch):
    dev.set_up(dev.RUN_LOCK)
    (project / dev.RUN_LOCK).write_text("other", encoding="utf-8")

    def interrupted(command, *, quiet=False):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dev, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dev.set_up(dev.RUN_LOCK)
    (project / dev.RUN_LOCK).write_text(dev.RUN_LOCK, encoding="utf-8")
    calls.clear()
    dev.set_up(dev.RUN_LOCK)
    assert len(_installed(calls)) == 1


def test_one_failing_stage_does_not_hide_the_others(monkeypatch, capfd):
    monkeypatch.setattr(dev, "venv_python", lambda: sys.executable)
    stages: dict[str, tuple[str, ...]] = {
        "first": ("-c", "raise SystemExit(3)"),
        "second": ("-c", "print('second ran')"),
    }
    assert dev.run_stages(stages) == 1
    output = capfd.readouterr().out
    assert "second ran" in output
    assert "FAILED  first" in output
    assert "ok      second" in output
    assert dev.run_stages({"second": stages["second"]}) == 0


def test_arguments_of_test_go_to_pytest_alone(calls):
    dev.set_up(dev.DEV_LOCK)
    calls.clear()
    assert dev.main(["test", "-k", "money"]) == 0
    assert calls == ["-m pytest -k money"]


def test_the_whole_test_command_checks_everything(calls, monkeypatch):
    dev.set_up(dev.DEV_LOCK)
    calls.clear()
    dev.main(["test"])
    programs = [call.split()[1] for call in calls if call.startswith("-m")]
    assert programs == ["ruff", "ruff", "mypy", "pytest"]
    assert any("importlinter" in call for call in calls)


def test_an_unknown_command_names_the_known_ones():
    with pytest.raises(SystemExit, match=r"no command 'tset'.*run, test"):
        dev.main(["tset"])


def test_an_old_python_is_told_so(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    with pytest.raises(SystemExit, match=r"3\.11 or newer"):
        dev.main(["run"])


def test_without_a_command_all_are_listed(capsys):
    assert dev.main([]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(dev.COMMANDS)
