"""Rules about single files."""

import ast
import re

import pytest

from tests.support.tree import PACKAGES, ROOT, project_files, python_files, relative

LONGEST_FILE = 450

# spelled in pieces, so that this file does not hold what it forbids
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.])/(?:"
    + "|".join(["wo" + "rk", "ro" + "ot", "home/[a-z]+", "Users/[A-Za-z]+"])
    + ")/",
    "a folder of one machine's packages": "/opt/" + "(?:pypi|wheels)",
    "a package registry": r"(?:pypi|python"
    + r"hosted|npm"
    + r"js|np"
    + r"mmirror)\.(?:org|com|cn)|registry\."
    + "np"
    + "m",
}


def test_no_file_is_too_long_to_read_in_one_sitting():
    lengths = {relative(path): path.read_text(encoding="utf-8").count("\n") for path in python_files(*PACKAGES)}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_every_package_says_what_it_is_for():
    folders = {path.parent for path in python_files("formulas", "builder", "runtime", "tools")}
    silent = []
    for folder in folders:
        init = folder / "__init__.py"
        if not init.exists() or not ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))):
            silent.append(relative(folder))
    assert silent == []


def test_templates_are_data_only():
    code = [relative(path) for path in python_files("templates_lib") if path.name != "__init__.py"]
    assert code == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names_a_machine_or_a_registry(what):
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or the like
        found += [f"{relative(path)}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    "what, text",
    [
        ("a path of one machine", "see /ro" + "ot/x"),
        ("a path of one machine", "'/home/li" + "/x'"),
        ("a package registry", "https://py" + "pi.org/simple"),
        ("a package registry", "https://registry.np" + "mjs.org/x"),
    ],
)
def test_the_patterns_find_what_they_are_for(what, text):
    assert re.search(FORBIDDEN[what], text)


def test_the_ci_script_is_executable_and_calls_the_test_command():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text(encoding="utf-8").rstrip().endswith("dev.py test")
