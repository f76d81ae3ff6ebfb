"""A desk: an instance with a published app and a client that may read and write its records."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import sqlalchemy as sa

from builder.definition.parse import parse_definition
from builder.kernel.canonical import dump_json, parse_json
from builder.registry import apps, publishing
from builder.registry.registry import Registry, load_published
from tests.support import shop
from tests.support.service import Service, bearer, running
from tests.support.timing import wait_until

JSON = Any
JSON_TYPE = {"content-type": "application/json"}


class Desk:
    """Short ways to say what tests of records say all day. Every path is below ``/api/{app}``."""

    def __init__(self, service: Service, client: httpx.AsyncClient, app: str = shop.APP) -> None:
        self.service = service
        self.client = client
        self.app = app

    @property
    def registry(self) -> Registry:
        """The registry of the instance."""
        return self.service.app.services.registry

    # -- requests ------------------------------------------------------------------------------------------------------

    async def send(
        self,
        method: str,
        path: str,
        body: JSON = None,
        *,
        params: Any = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Send any request."""
        if content is None and body is not None:
            content = dump_json(body)
        known = {**(JSON_TYPE if content is not None else {}), **(headers or {})}
        return await self.client.request(
            method, f"/api/{self.app}/{path}", content=content, headers=known, params=params
        )

    async def create(self, entity: str, **values: JSON) -> dict[str, JSON]:
        """Create a record that has to be taken."""
        reply = await self.send("POST", f"records/{entity}", values)
        assert reply.status_code == 201, reply.text
        return one(reply)

    async def create_many(self, entity: str, bodies: Iterable[JSON]) -> list[dict[str, JSON]]:
        """Create records in one batch that has to be taken."""
        reply = await self.send("POST", f"records/{entity}/batch", {"create": list(bodies)})
        assert reply.status_code == 201, reply.text
        return [row["record"] for row in many(reply)]

    async def try_create(self, entity: str, body: JSON, **options: Any) -> httpx.Response:
        """Create a record that may be refused."""
        return await self.send("POST", f"records/{entity}", body, **options)

    async def get(self, entity: str, record_id: str, **params: str) -> dict[str, JSON]:
        """Read a record that has to be there."""
        reply = await self.send("GET", f"records/{entity}/{record_id}", params=params)
        assert reply.status_code == 200, reply.text
        return one(reply)

    async def patch(self, entity: str, record_id: str, body: JSON, **headers: str) -> httpx.Response:
        """Change a record; header names with ``_`` for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send("PATCH", f"records/{entity}/{record_id}", body, headers=named)

    async def change(self, entity: str, record_id: str, **values: JSON) -> dict[str, JSON]:
        """Change a record; it has to be taken."""
        reply = await self.patch(entity, record_id, values)
        assert reply.status_code == 200, reply.text
        return one(reply)

    async def delete(self, entity: str, record_id: str, **headers: str) -> httpx.Response:
        """Delete a record."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send("DELETE", f"records/{entity}/{record_id}", headers=named)

    async def page(self, entity: str, **params: str | int) -> list[dict[str, JSON]]:
        """Read one page."""
        reply = await self.send("GET", f"records/{entity}", params=params)
        assert reply.status_code == 200, reply.text
        return many(reply)

    async def query(self, entity: str, **members: JSON) -> httpx.Response:
        """Ask by ``POST …/query``."""
        return await self.send("POST", f"records/{entity}/query", members)

    async def every(self, entity: str, **members: JSON) -> list[dict[str, JSON]]:
        """Walk all pages."""
        found: list[dict[str, JSON]] = []
        cursor = None
        while True:
            reply = await self.query(entity, **{"limit": 500, **members, "cursor": cursor})
            assert reply.status_code == 200, reply.text
            found += many(reply)
            cursor = parse_json(reply.content)["meta"]["next_cursor"]
            if cursor is None:
                return found

    async def settle(self) -> None:
        """Wait until the feed shows all that is committed: on PostgreSQL it holds back what is newer than any running transaction."""
        if self.registry.database.dialect == "postgresql":
            await asyncio.to_thread(self._wait_for_others)

    def _wait_for_others(self) -> None:
        engine = self.registry.database.engine
        with engine.begin() as connection:
            newest = connection.scalar(sa.text("SELECT pg_current_xact_id()::text::bigint"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            oldest = sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            # tests beside this one have transactions open on the same server
            assert wait_until(lambda: connection.scalar(oldest) > newest)

    async def feed(self, after: str | None = None, limit: int = 500) -> list[dict[str, JSON]]:
        """All events after a position, page by page."""
        await self.settle()
        found: list[dict[str, JSON]] = []
        while True:
            params = {"limit": limit, **({"after": after} if after else {})}
            reply = await self.send("GET", "events", params=params)
            assert reply.status_code == 200, reply.text
            page = many(reply)
            if not page:
                return found
            found += page
            after = parse_json(reply.content)["meta"]["after"]

    async def timeline(self, entity: str, record_id: str, **params: str | int) -> list[dict[str, JSON]]:
        """The history of a record, latest first."""
        reply = await self.send("GET", f"records/{entity}/{record_id}/timeline", params=params)
        assert reply.status_code == 200, reply.text
        return many(reply)

    # -- around the API ------------------------------------------------------------------------------------------------

    def publish(self, document: JSON, *, accept_lossy: bool = True) -> int:
        """Publish another definition of the app; return its version."""
        return publish_definition(self.registry, document, accept_lossy=accept_lossy)

    def fingerprint(self) -> str:
        """A hash of all rows: equal before and after what must change nothing."""
        return "\n".join(f"{name} {digest}" for name, digest in sorted(self.digests().items()))

    def digests(self) -> dict[str, str]:
        """Table -> hash of its rows, for the app's tables, its events and its counters."""
        published = load_published(self.registry, self.app)
        assert published is not None
        names = [entity.physical.name for entity in published.app.entities.values()]
        found = {}
        with self.registry.database.snapshot() as connection:
            for name in (*names, "dougong_event", "dougong_counter"):
                rows = connection.execute(sa.text(f'SELECT * FROM "{name}"')).fetchall()
                found[name] = hashlib.sha256(repr(sorted(map(repr, rows))).encode()).hexdigest()
        return found


def publish_definition(registry: Registry, document: JSON, *, accept_lossy: bool = True) -> int:
    """Create or change an app and publish it; return its version."""
    definition = parse_definition(document)
    known = load_published(registry, definition.key)
    if known is None:
        apps.create_app(registry, definition, None)
    else:
        apps.put_draft(registry, definition, None)
    publishing.publish_draft(registry, definition.key, base_version=None, plan_hash=None, accept_lossy=accept_lossy)
    published = load_published(registry, definition.key)
    assert published is not None
    return published.app.version


def counts(**given: int) -> dict[str, int]:
    """The counts of a batch's answer."""
    return {f"{deed}_count": given.get(deed, 0) for deed in ("created", "updated", "unchanged", "deleted", "refused")}


def one(reply: httpx.Response) -> dict[str, JSON]:
    """The record of an answer, numbers exact."""
    found: dict[str, JSON] = parse_json(reply.content)["data"]
    return found


def many(reply: httpx.Response) -> list[dict[str, JSON]]:
    """The records of an answer, numbers exact."""
    found: list[dict[str, JSON]] = parse_json(reply.content)["data"]
    return found


@asynccontextmanager
async def open_desk(database_url: str, token: str, app: str = shop.APP, **settings: Any) -> AsyncIterator[Desk]:
    """Run an instance on a database that has the app, with the client of a token."""
    async with running(database_url, **settings) as service, service.client(headers=bearer(token)) as client:
        yield Desk(service, client, app)
