"""The bundled templates can be installed beside each other: published, and every sample record passes the one write path."""

from __future__ import annotations

import asyncio
from typing import Any

from builder.kernel.problems import Problem
from builder.packages import get_template, list_templates
from builder.packages.sample import count_rows
from runtime.install import install_template
from tests.support.service import Service, running

KEYS = tuple(info.key for info in list_templates())


async def install_all(service: Service) -> list[Any]:
    """Install every template; return how many records came in, or what was refused."""
    try:
        return [await install_template(service.app.services, key) for key in KEYS]
    except Problem as problem:
        return list(problem.violations[:20]) or [problem.detail]


def test_all_templates_are_installed_with_all_their_records_and_only_once(migrated_database_url):
    async def run() -> tuple[list[Any], list[Any], int]:
        async with running(migrated_database_url) as service:
            first = await install_all(service)
            again = await install_all(service)
            return first, again, len(service.identity.users.list_users(after="", limit=100))

    first, again, users = asyncio.run(run())
    assert first == [count_rows(get_template(key).sample) for key in KEYS]
    assert again == [0] * len(KEYS)
    assert users == 47
