"""An index behind ``search=`` changes nothing but the time: the same records in the same order, whatever was written and published."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Any

import pytest

from builder.registry.doctor import examine
from builder.registry.publishing import roll_back
from builder.store.searching.rows import list_rows
from tests.support.desk import Desk, publish_definition
from tests.support.query_app import field
from tests.support.service import running

pytestmark = pytest.mark.anyio
JSON = Any

ROUNDS = 20 * int(os.environ.get("DOUGONG_TEST_MANY", "1"))
SIGNS = "张三李四合同公司有限丰ABCabcÉéßİıΣσς10-_%\"'*\\.😀👩‍👩 \u3000\u00a0\u0301"
WORDS = ("张三", "公司", "三", "abc", "É", "10", "-_", '"', "😀", "ß", "i̇", "σς", "合同 张三", "a 1", "不存在", "*")


def package(stage: int) -> JSON:
    """The app in the course of its life: a field comes, is renamed, changes its type, is listed, goes."""
    fields = [field("name", "text", max_length=80), field("note", "long_text"), field("code", "barcode")]
    if stage % 6 in (1, 2):
        fields.append(field("more", "text"))
    if stage % 6 == 2:
        fields.append(field("standard", "text", default="标准合同 ABC"))
    if stage % 6 == 3:
        fields[1] = field("remark", "long_text", renamed_from="note")
    if stage % 6 == 4:
        fields[2] = field("code", "text")
    card: dict[str, JSON] = {"key": "card", "label": "card", "fields": fields, "trash": True}
    if stage % 6 == 5:
        card["search"] = ["name"]
    link = {"key": "link", "label": "link", "fields": [field("card", "reference", entity="card")]}
    return {"app": {"key": "find", "label": "find"}, "entities": [card, link]}


class Life:
    """Writes at random and searches after each step."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.chance = random.Random(seed)
        self.there: list[str] = []
        self.trash: list[str] = []
        self.texts = ["张三合同 Abc"]
        self.stage = 0

    def text(self, most: int = 14) -> str:
        made = "".join(self.chance.choices(SIGNS, k=self.chance.randint(1, most))).strip() or "空"
        self.texts.append(made)
        return made

    def values(self) -> dict[str, JSON]:
        names = {1: ["more"], 2: ["more", "standard"]}.get(self.stage % 6, [])
        long = "remark" if self.stage % 6 == 3 else "note"
        return {"name": self.text(), long: self.text(40), **{key: self.text() for key in names}}

    async def create(self) -> None:
        self.there.append((await self.desk.create("card", **self.values()))["id"])

    async def batch(self) -> None:
        made = await self.desk.create_many("card", [self.values() for _ in range(self.chance.randint(2, 9))])
        self.there += [record["id"] for record in made]

    async def update(self) -> None:
        for one in self.chance.sample(self.there, min(3, len(self.there))):
            reply = await self.desk.send("PATCH", f"records/card/{one}", self.values())
            assert reply.status_code == 200, reply.text

    async def delete(self) -> None:
        for _ in range(min(2, len(self.there))):
            one = self.there.pop(self.chance.randrange(len(self.there)))
            assert (await self.desk.send("DELETE", f"records/card/{one}")).status_code == 204
            self.trash.append(one)

    async def restore(self) -> None:
        if self.trash:
            one = self.trash.pop()
            reply = await self.desk.send("POST", f"records/card/{one}/restore", {})
            assert reply.status_code == 200, reply.text
            self.there.append(one)

    async def purge(self) -> None:
        if self.trash:
            assert (await self.desk.send("DELETE", f"records/card/trash/{self.trash.pop()}")).status_code == 204

    async def merge(self) -> None:
        if len(self.there) > 2:
            other, stays = self.there.pop(0), self.there[0]
            reply = await self.desk.send("POST", f"records/card/{stays}/merge", {"others": [other]})
            assert reply.status_code == 200, reply.text
            undo = f"records/card/{stays}/merges/{reply.json()['meta']['merge']}/undo"
            if self.chance.random() < 0.5:
                assert (await self.desk.send("POST", undo, {})).status_code == 200
                self.there.append(other)

    async def publish(self) -> None:
        self.stage += 1
        publish_definition(self.desk.registry, package(self.stage))

    async def tick(self) -> None:
        await self.desk.service.app.services.ticker.until_quiet()

    # -- looking ----------------------------------------------------------------------------------------------------------

    def words(self) -> list[str]:
        text = self.chance.choice(self.texts[-6:])  # what was written last is what may be missed
        at = self.chance.randrange(len(text))
        piece = text[at : at + self.chance.randint(1, 4)].strip()
        return [*self.chance.sample(WORDS, 3), piece or "张三", self.texts[-1][:3], self.chance.choice(self.texts)[-3:]]

    async def compare(self) -> None:
        for word in self.words():
            for params in ({"limit": "200", "count": "exact"}, {"limit": "3", "sort": "name", "count": "estimated"}):
                asked = {"search": word, **params}
                found = await self._ask(asked)
                with scanning(self.desk):
                    assert found == await self._ask(asked), (word, params)

    async def _ask(self, params: Mapping[str, str]) -> JSON:
        reply = await self.desk.send("GET", "records/card", params=params)
        assert reply.status_code == 200, reply.text
        body = reply.json()
        return [record["id"] for record in body["data"]], body["meta"].get("count")


class scanning:
    """While it lasts no search asks an index."""

    def __init__(self, desk: Desk) -> None:
        self._apps = desk.service.app.services.records._pins._apps

    def __enter__(self) -> None:
        self._kept = self._apps["find"]
        self._apps["find"] = self._kept._replace(key=f"{self._kept.key} scan", search_indexes={})

    def __exit__(self, *_: object) -> None:
        self._apps["find"] = self._kept


def is_used(desk: Desk) -> bool:
    return "card" in desk.service.app.services.records._pins._apps["find"].search_indexes


@pytest.mark.parametrize("seed", [1])
async def test_an_index_changes_nothing_but_the_time(migrated_database_url: str, seed: int) -> None:
    async with running(migrated_database_url, search_index_from=0) as service:
        service.add_user("admin", "admin")
        publish_definition(service.app.services.registry, package(0))
        async with service.client_of("admin", "records:read", "records:write") as client:
            desk = Desk(service, client, "find")
            life = Life(desk, seed)
            await life.batch()
            await life.tick()
            used = 0
            deeds = [life.create, life.batch, life.update, life.delete, life.restore, life.purge, life.merge]
            for _ in range(ROUNDS):
                await life.chance.choice([*deeds, life.publish, life.publish])()
                if life.chance.random() < 0.6:
                    await life.tick()
                await life.compare()
                used += is_used(desk)
            assert used > ROUNDS / 2
            assert service.lines("tick.failed") == []
            await life.tick()
            assert examine(desk.registry) == []
            roll_back(desk.registry, "find", 1)
            await life.compare()
            await life.tick()
            await life.compare()
            assert is_used(desk)
            assert examine(desk.registry) == []
            with desk.registry.database.snapshot() as connection:
                assert [row.entity for row in list_rows(connection, "find")] == ["card"]
