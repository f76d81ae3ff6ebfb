"""``search=``: every word in any text, whatever the case, Chinese too; the best match first."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from builder.kernel import limits
from builder.kernel.problems import Problem
from tests.support.query_app import definition, identifier, load, publish
from tests.support.service import Service, problem

pytestmark = pytest.mark.anyio

URL = "/api/sales/records/deal"
TITLES = {
    1: ("华东大区 年度合同", "客户张三要求八折"),
    2: ("张三", "续约"),
    3: ("张三丰 合同", None),
    4: ("李四合同", "由张三转介绍"),
    5: ("100% cotton_x \\ shirt", "ABC"),
    6: ("100x cottonyx", "Straße ÉCOLE"),
    7: (None, "Abc 合同"),
}


@pytest.fixture
async def client(service: Service) -> httpx.AsyncClient:
    publish(service, definition())
    deals = [{"id": identifier(n), "title": title, "note": note} for n, (title, note) in TITLES.items()]
    await load(service, deal=deals)
    return service.client_of("member")


async def found(client: httpx.AsyncClient, search: str, **params: Any) -> list[int]:
    reply = await client.get(URL, params={"search": search, **params})
    assert reply.status_code == 200, reply.text
    return [int(deal["id"][-12:]) for deal in reply.json()["data"]]


async def test_the_best_match_comes_first(client: httpx.AsyncClient):
    assert await found(client, "张三") == [2, 3, 4, 1]
    assert await found(client, "合同") == [4, 3, 1, 7]
    assert await found(client, "张三", sort="id") == [1, 2, 3, 4]


async def test_every_word_must_be_somewhere(client: httpx.AsyncClient):
    assert await found(client, "合同 张三") == [3, 4, 1]
    assert await found(client, "  张三\t合同 张三 ") == [3, 4, 1]
    assert await found(client, "张三 王五") == []


async def test_one_character_and_words_inside_words(client: httpx.AsyncClient):
    assert await found(client, "丰") == [3]
    assert await found(client, "otton") == [6, 5]


async def test_case_does_not_count_and_signs_are_plain(client: httpx.AsyncClient):
    assert await found(client, "abc") == await found(client, "ABC") == [7, 5]
    assert await found(client, "école") == [6]
    assert await found(client, "100%") == [5]
    assert await found(client, "n_x") == [5]
    assert await found(client, "\\") == [5]
    assert await found(client, "'; DROP TABLE sales__deal; --") == []


async def test_together_with_filter_count_cursor_and_expand(client: httpx.AsyncClient):
    assert await found(client, "张三", filter='{"note":{"_null":true}}') == [3]
    first = (await client.get(URL, params={"search": "合同", "limit": "2", "count": "exact"})).json()
    assert first["meta"]["count"] == 4
    assert await found(client, "合同", limit="9", cursor=first["meta"]["next_cursor"]) == [1, 7]
    by_body = await client.post(f"{URL}/query", json={"search": "张三", "expand": ["payments"], "count": "estimated"})
    assert by_body.json()["meta"]["count"] == 4


async def test_nothing_to_look_for_is_no_search(client: httpx.AsyncClient):
    assert len(await found(client, "  ")) == len(TITLES)


async def test_what_is_too_much_or_no_text_is_refused(client: httpx.AsyncClient):
    for search in ("x" * (limits.SEARCH_LENGTH + 1), " ".join("abcdefghij"), "a\x00b"):
        problem(await client.post(f"{URL}/query", json={"search": search}), "query.invalid")
    problem(await client.post(f"{URL}/query", json={"search": ["a"]}), "query.invalid")
    problem(await client.get(URL, params={"search": "合同", "cursor": "e30"}), "query.cursor")


async def test_an_entity_may_name_what_is_searched(service: Service):
    value = definition()
    deal = next(entity for entity in value["entities"] if entity["key"] == "deal")
    deal["search"] = ["note"]
    publish(service, value)
    await load(service, deal=[{"id": identifier(n), "title": t, "note": note} for n, (t, note) in TITLES.items()])
    assert await found(service.client_of("member"), "张三") == [4, 1]


async def test_only_texts_can_be_named(service: Service):
    value = definition()
    deal = next(entity for entity in value["entities"] if entity["key"] == "deal")
    deal["search"] = ["title", "amount"]
    with pytest.raises(Problem) as caught:
        publish(service, value)
    assert [violation.pointer[-9:] for violation in caught.value.violations] == ["/search/1"]
