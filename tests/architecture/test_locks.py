"""The lock files: complete, by hash, without addresses, and in step with pyproject.toml."""

import re

import pytest

from tests.support.tree import ROOT, pyproject

LOCKS = ("requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)(.*?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


def _pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {name: version for name, version, _, _ in PIN.findall(text)}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_a_pin_with_hashes_or_a_comment(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    rest = [line for line in PIN.sub("", text).splitlines() if line and not line.lstrip().startswith("#")]
    assert rest == []
    assert "://" not in text


def test_the_developers_lock_holds_every_pin_of_the_other():
    run, dev = (_pins(lock) for lock in LOCKS)
    assert {name: version for name, version in run.items() if dev.get(name) != version} == {}


def test_every_declared_dependency_is_locked():
    project = pyproject()["project"]
    assert _names(project["dependencies"]) <= set(_pins("requirements.lock"))
    assert _names(project["optional-dependencies"]["dev"]) <= set(_pins("requirements-dev.lock"))
