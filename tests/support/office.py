"""An office: the shop with automations that come and go, and a desk that runs what is due."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from runtime.services import Services
from tests.support import shop
from tests.support.desk import Desk, publish_definition
from tests.support.filled import Filled
from tests.support.service import Service, bearer, running

JSON = Any


class Office(Desk):
    """A desk whose app gets automations."""

    @property
    def services(self) -> Services:
        """What the instance stands on."""
        return self.service.app.services

    @property
    def url(self) -> str:
        """Address of the database."""
        return str(self.services.settings.database_url)

    def automate(self, *automations: JSON, app: str = shop.APP) -> None:
        """Publish the shop (under another key if one is given) with these automations, ``a0``, ``a1`` …; its orders have days."""
        document = shop.definition()
        document["app"]["key"] = app
        document["automations"] = [{"key": f"a{n}", "label": f"规则{n}", **a} for n, a in enumerate(automations)]
        for entity in document["entities"]:
            if entity["key"] == "order":
                entity["fields"] += [shop.field("date", "due_on"), shop.field("datetime", "due_at")]
        publish_definition(self.registry, document)

    async def order(self, **values: JSON) -> dict[str, JSON]:
        """Create an order of a new customer."""
        customer = await self.create("customer", name="甲", level="A")
        return await self.create("order", **{"title": "订单", "customer": customer["id"], **values})

    async def runs(self, key: str = "a0", app: str | None = None) -> list[JSON]:
        """The runs of an automation, the latest first."""
        reply = await self.client.get(f"/api/{app or self.app}/automations/{key}/runs")
        assert reply.status_code == 200, reply.text
        found: list[JSON] = reply.json()["data"]
        return found

    async def tick(self) -> int:
        """Let everything happen that is due."""
        await self.settle()
        return await self.services.ticker.until_quiet()

    async def pass_time(self, **length: float) -> None:
        """Let time pass, then everything happen that is due by then."""
        self.service.clock.advance(timedelta(**length))
        await self.tick()

    async def become(self, moment: datetime) -> None:
        """Let it become a moment, then everything happen that is due by then."""
        self.service.clock.advance(moment - self.service.clock.now())
        await self.tick()


async def fill_office(service: Service) -> str:
    """Publish the shop; return a session of somebody who builds it."""
    publish_definition(service.app.services.registry, shop.definition())
    service.add_user("builder", "builder")
    return service.session_of("builder")


@pytest.fixture
async def office(anyio_backend: str, filled: Filled) -> AsyncIterator[Office]:
    """An instance with the shop and somebody who builds it."""
    url, session = filled(fill_office)
    async with running(url) as service, service.client(headers=bearer(session)) as client:
        yield Office(service, client)


def sets(**values: JSON) -> JSON:
    """An action that sets constants."""
    return {"type": "set_fields", "set": [{"field": k, "value": v} for k, v in values.items()]}


def on(trigger: JSON, *actions: JSON, entity: str = "order", **members: JSON) -> JSON:
    """An automation over orders."""
    return {"entity": entity, "trigger": trigger, "actions": list(actions), **members}
