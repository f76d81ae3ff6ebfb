"""Fixtures and settings of all tests. What they are made of lives in ``tests/support``."""

from __future__ import annotations

import os
from typing import Any

import hypothesis
import pytest

from runtime.identity.passwords import Cost, Passwords
from tests.support import databases
from tests.support.databases import (
    database_url,
    dialect,
    make_database,
    make_migrated_database,
    migrated_database_url,
    migrated_file,
    migrated_template,
    postgres_databases,
    postgres_url,
)
from tests.support.filled import filled, filled_templates
from tests.support.office import office
from tests.support.prepared import prepared

__all__ = [
    "database_url",
    "dialect",
    "filled",
    "filled_templates",
    "make_database",
    "make_migrated_database",
    "migrated_database_url",
    "migrated_file",
    "migrated_template",
    "office",
    "postgres_databases",
    "postgres_url",
    "prepared",
]

# A busy machine must not fail a property, and a found counterexample must be reproducible from the output.
# The same examples in every run, so that a change is judged by itself and a failure can be repeated;
# DOUGONG_HYPOTHESIS=explore looks for new ones (what it finds becomes an example of the test).
hypothesis.settings.register_profile("repeatable", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("DOUGONG_HYPOTHESIS", "repeatable"))

# Hashing passwords at their usual cost was a quarter of the whole run. What depends on the cost asks for ``usual_cost``.
Passwords.cost = Cost(memory_kib=8, passes=1)


@pytest.fixture
def usual_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords as outside of tests; to be named before the service."""
    monkeypatch.setattr(Passwords, "cost", Cost())


@pytest.fixture
def anyio_backend() -> str:
    """Coroutine tests (``@pytest.mark.anyio``) run on asyncio, the only loop the product runs on."""
    return "asyncio"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist: hand the server to a test process."""
    databases.share_server(node.config, node.workerinput)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which PostgreSQL the tests ran on."""
    line = databases.server_line(config)
    if line:
        terminalreporter.write_line(line)
