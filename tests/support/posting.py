"""Posting messages in tests: in a transaction of records, without an automation around."""

from __future__ import annotations

from typing import Any

from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.outbox.orders import Call, Letter
from runtime.records.caller import system_caller
from runtime.records.writer import Writing
from tests.support.service import Service

RECORD = "01a20244-e800-71d1-86b3-dc4a718de59f"


async def post(service: Service, app: str, *orders: Letter | Call, fail: bool = False) -> None:
    """Put orders down in one transaction; ``fail`` rolls it back."""
    services = service.app.services
    published = await services.records._pins.get(app)
    w: Writing = services.records.writing(published, system_caller("test", "automation"))

    def unit() -> Unit[None]:
        for order in orders:
            if isinstance(order, Letter):
                yield from services.delivery.outbox.post_letter(w, order)
            else:
                yield from services.delivery.outbox.post_call(w, order)
        if fail:
            raise RuntimeError("rolled back")

    await services.database.write(unit)


def letter(key: str, *user_ids: str, channel: str | None = None, **more: Any) -> Letter:
    """A message about nothing in particular."""
    values = {
        "subject": say(f"提醒 {key}", f"Notice {key}"),
        "text": say("内容", "Text"),
        "app": "shop",
        "entity": "customer",
    }
    return Letter(key=key, user_ids=user_ids, channel=channel, record_id=RECORD, **{**values, **more})


def call(key: str, connection: str, body: Any = None, **more: Any) -> Call:
    """A request about nothing in particular."""
    values = {"method": "POST", "path": "", "query": {}, "app": "shop", "entity": "customer", "record_id": RECORD}
    return Call(key=key, connection=connection, body=body, **{**values, **more})
