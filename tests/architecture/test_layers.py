"""The import contracts (pyproject.toml, checked by import-linter) must cover what exists."""

import pytest

from tests.support.tree import ROOT, pyproject

CONTRACTS = {contract["id"]: contract for contract in pyproject()["tool"]["importlinter"]["contracts"]}


def _named(contract: str, package: str) -> set[str]:
    """The modules of a package that a layers contract orders."""
    names = set()
    for layer in CONTRACTS[contract]["layers"]:
        for name in layer.replace("|", ":").split(":"):
            name = name.strip(" ()")
            if name.startswith(f"{package}."):
                names.add(name.removeprefix(f"{package}."))
    return names


def _rooms(package: str) -> set[str]:
    """Modules and packages directly inside a package."""
    folder = ROOT / package
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return modules | {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}


def test_every_room_of_the_builder_has_its_place_in_the_order():
    assert _rooms("builder") - _named("layers", "builder") == set()


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_contract_has_a_name_that_reads_as_a_rule(contract):
    assert len(CONTRACTS[contract]["name"].split()) > 3
