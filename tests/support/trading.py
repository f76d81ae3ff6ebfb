"""The trade app running: who is who, and which records there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.desk import Desk, publish_definition
from tests.support.filled import Filled
from tests.support.rights_app import APP, definition
from tests.support.service import Service, bearer, running

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


class Known(NamedTuple):
    """Who and what is there, by name."""

    users: dict[str, str]
    departments: dict[str, str]
    records: dict[str, str]
    sessions: dict[str, str]


class Trading:
    """The running app, a desk per person, and ids by name."""

    def __init__(self, service: Service, known: Known) -> None:
        self.service = service
        self.desks: dict[str, Desk] = {}
        self.users = dict(known.users)
        self.departments = dict(known.departments)
        self.ids = dict(known.records)

    def __getitem__(self, name: str) -> Desk:
        """The desk of a person."""
        return self.desks[name]

    def name_of(self, record_id: str) -> str:
        """The name of a record in ``ids``."""
        return next(name for name, known in self.ids.items() if known == record_id)


@asynccontextmanager
async def open_trading(
    filled: Filled, files_folder: Path, document: JSON | None = None, **settings: Any
) -> AsyncIterator[Trading]:
    """Run an instance on a copy of the app with its people and records."""
    url, known = filled(fill_trading, document or definition())
    async with running(url, files_folder=files_folder, **settings) as service, AsyncExitStack() as stack:
        made = Trading(service, known)
        for name, session in known.sessions.items():
            client = await stack.enter_async_context(service.client(headers=bearer(session)))
            made.desks[name] = Desk(service, client, APP)
        yield made


async def fill_trading(service: Service, document: JSON) -> Known:
    """Make people, publish, give roles, and write records as the admin."""
    identity = service.identity
    known = Known({}, {}, {}, {})
    for key, parent in (("sales", None), ("office", None), ("east", "sales"), ("west", "sales")):
        known.departments[key] = identity.departments.create_department(
            key, key, known.departments.get(parent or "")
        ).id
    service.add_user("root", "admin")
    publish_definition(service.app.services.registry, document)
    for name, (department, roles) in PEOPLE.items():
        user = service.add_user(
            name, department_id=known.departments[department], areas=["华东"] if name == "wang" else []
        )
        known.users[name] = user.id
        for role in roles:
            identity.grants.give(APP, role, "user", user.id)
    known.sessions.update((name, service.session_of(name)) for name in ("root", *PEOPLE))
    async with service.client(headers=bearer(known.sessions["root"])) as client:
        await _write(Desk(service, client, APP), known)
    return known


async def _write(root: Desk, known: Known) -> None:
    for name, owner, level, number in (("alpha", "wang", "B", 1), ("beta", "li", "A", 2), ("gamma", "zhao", "B", 3)):
        record = await root.create(
            "customer",
            name=name,
            owner=known.users[owner],
            department=known.departments[PEOPLE[owner][0]],
            level=level,
            phone=f"1380000123{number}",
            secret=f"secret {name}",
            limit=number * 100,
            region="华东" if number < 3 else "华北",
        )
        known.records[name] = str(record["id"])
        for state, amount in (("won", 10 * number), ("open", 7 * number)):
            order = await root.create(
                "order", title=f"{name} {state}", customer=record["id"], state=state, amount=amount
            )
            known.records[f"{name} {state}"] = str(order["id"])
