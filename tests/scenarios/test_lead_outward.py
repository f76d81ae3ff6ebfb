"""The outward parts of the lead app against real receivers: look-up of companies, voice calls, the push of won deals."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from builder.packages import dump_package, get_template
from runtime.records.caller import system_caller
from tests.support.desk import Desk, publish_definition
from tests.support.receiver import Reply, http_receiver
from tests.support.service import running

JSON = Any
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_companies_are_looked_up_owners_called_and_won_deals_pushed(
    anyio_backend: str, migrated_database_url: str, tmp_path: Path
) -> None:
    settings = {"files_folder": tmp_path / "files", "outbound_allow": ("127.0.0.1",), "sqlite_durable": False}
    async with running(migrated_database_url, **settings) as service, http_receiver() as world:
        world.answer = lambda got: Reply(200, {"credit_code": "91310000123456789X", "city": "上海"})
        service.add_user("chief", "admin")
        seller = service.add_user("seller", phone="13900000000")
        package = dump_package(get_template("lead"))
        publish_definition(service.app.services.registry, {k: v for k, v in package.items() if k != "sample"})
        service.identity.grants.give("lead", "seller", "user", seller.id)
        async with service.client_of("chief") as chief, service.client_of("seller") as client:
            desk = Desk(service, client, "lead")
            tick = service.app.services.ticker.until_quiet
            place = {"industry": "hospital", "region": "east"}
            early = await desk.create("customer", name="早医院", **place)
            await tick()
            (run,) = (await desk.send("GET", f"records/customer/{early['id']}/runs")).json()["data"]
            assert (run["state"], run["outcomes"][0]["state"]) == (
                "done",
                "passed",
            )  # no connection yet: told, not failed
            for key, options in (
                ("registry", {"url": world.url + "/registry"}),
                ("voice", {"url": world.url + "/voice", "body": {"call": "{{phone}}", "say": "{{text}}"}}),
                ("erp", {"url": world.url + "/erp"}),
            ):
                made = await chief.post("/api/connections", json={"key": key, "kind": "http", "options": options})
                assert made.status_code == 201, made.text
            customer = await desk.create("customer", name="第一医院", **place)
            await tick()
            (asked,) = world.requests
            assert (asked.method, asked.path) == (
                "GET",
                "/registry/companies?name=" + "%E7%AC%AC%E4%B8%80%E5%8C%BB%E9%99%A2",
            )
            assert (await desk.get("customer", customer["id"]))["city"] == "上海"
            lead = {"source": "website_form", "product_line": "smart_cabinet", "region": "east", "stage": "assigned"}
            await desk.create("lead", title="耗材柜", customer=customer["id"], contact_name="李主任", **lead)
            service.clock.advance(timedelta(days=1))
            await tick()
            spoken = next(got for got in world.requests if got.path == "/voice")
            assert spoken.json == {"call": "13900000000", "say": "请尽快联系 李主任。"}
            ripe = {
                **lead,
                "id": service.app.services.ids.record_id(),
                "title": "二期",
                "stage": "to_sign",
                "owner": seller.id,
            }
            await service.app.services.records.load(system_caller("test", "install"), "lead", [("lead", [ripe])])
            reply = await desk.send(
                "POST", f"records/lead/{ripe['id']}/transitions/win", {"fields": {"deal_amount": "280000"}}
            )
            assert reply.status_code == 200, reply.text
            await tick()
            pushed = next(got for got in world.requests if got.path == "/erp")
            assert pushed.json["record"]["contract"]["amount"] == 280000
            assert pushed.headers["idempotency-key"] == pushed.json["key"]
