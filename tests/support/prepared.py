"""A database with the shop app published and a token that may do everything."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.support import shop
from tests.support.desk import publish_definition
from tests.support.filled import Filled
from tests.support.service import Service

USERS = ("ann", "ben", "cho")
"""Members; ``admin`` is the actor of the token."""


class Prepared(NamedTuple):
    """A database with the app, and what is needed to use it."""

    url: str
    token: str
    users: dict[str, str]
    """username -> id"""
    departments: tuple[str, ...]
    """ids"""


async def fill_shop(service: Service) -> tuple[str, dict[str, str], tuple[str, ...]]:
    """Publish the app; return the token, the users and the departments."""
    service.add_user("admin", "admin")
    users = {name: service.add_user(name).id for name in USERS}
    departments = service.identity.departments
    sales = departments.create_department("sales", "销售部", None)
    east = departments.create_department("east", "华东", sales.id)
    publish_definition(service.app.services.registry, shop.definition())
    return service.token_of("admin", "records:read", "records:write"), users, (sales.id, east.id)


@pytest.fixture
def prepared(filled: Filled) -> Prepared:
    """A prepared database."""
    url, known = filled(fill_shop)
    return Prepared(url, *known)
