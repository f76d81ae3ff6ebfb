"""The trade app running: who is who, and which records there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.support.desk import Desk, publish_definition
from tests.support.rights_app import APP, definition
from tests.support.service import Service

JSON = Any

PEOPLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "wang": ("east", ("seller",)),
    "li": ("east", ("seller",)),
    "zhao": ("west", ("seller",)),
    "boss": ("sales", ("chief",)),
    "eastboss": ("east", ("chief",)),
    "money": ("office", ("finance",)),
    "both": ("east", ("seller", "finance")),
    "nobody": ("east", ()),
}


class Trading:
    """The running app, a desk per person, and ids by name."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.desks: dict[str, Desk] = {}
        self.users: dict[str, str] = {}
        self.departments: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    def __getitem__(self, name: str) -> Desk:
        """The desk of a person."""
        return self.desks[name]

    def name_of(self, record_id: str) -> str:
        """The name of a record in ``ids``."""
        return next(name for name, known in self.ids.items() if known == record_id)


@asynccontextmanager
async def open_trading(service: Service, document: JSON | None = None) -> AsyncIterator[Trading]:
    """Make people, publish, give roles, and write records as the admin."""
    made = Trading(service)
    identity = service.identity
    for key, parent in (("sales", None), ("office", None), ("east", "sales"), ("west", "sales")):
        made.departments[key] = identity.departments.create_department(key, key, made.departments.get(parent or "")).id
    service.add_user("root", "admin")
    publish_definition(service.app.services.registry, document or definition())
    for name, (department, roles) in PEOPLE.items():
        user = service.add_user(
            name, department_id=made.departments[department], areas=["华东"] if name == "wang" else []
        )
        made.users[name] = user.id
        for role in roles:
            identity.grants.give(APP, role, "user", user.id)
    async with AsyncExitStack() as stack:
        for name in ("root", *PEOPLE):
            client = await stack.enter_async_context(service.client_of(name))
            made.desks[name] = Desk(service, client, APP)
        await _fill(made)
        yield made


async def _fill(made: Trading) -> None:
    root = made["root"]
    for name, owner, level, number in (("alpha", "wang", "B", 1), ("beta", "li", "A", 2), ("gamma", "zhao", "B", 3)):
        record = await root.create(
            "customer",
            name=name,
            owner=made.users[owner],
            department=made.departments[PEOPLE[owner][0]],
            level=level,
            phone=f"1380000123{number}",
            secret=f"secret {name}",
            limit=number * 100,
            region="华东" if number < 3 else "华北",
        )
        made.ids[name] = str(record["id"])
        for state, amount in (("won", 10 * number), ("open", 7 * number)):
            order = await root.create(
                "order", title=f"{name} {state}", customer=record["id"], state=state, amount=amount
            )
            made.ids[f"{name} {state}"] = str(order["id"])
