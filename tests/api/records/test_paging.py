"""Paging by cursor: under any order nothing is lost and nothing comes twice, and a cursor is checked like any input."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import pytest

from builder.kernel.canonical import parse_json
from tests.support.desk import Desk, many
from tests.support.prepared import Prepared
from tests.support.service import problem

pytestmark = pytest.mark.anyio

VALUES: dict[str, list[Any]] = {
    "name": ["b", "a", "B", "é", "张", "😀", "a b", "a\u3000b"],
    "story": ["x" * 300 + "1", "x" * 300 + "2", "x" * 10_000, "a\nb", "长" * 250, "z"],
    "mail": ["a@b.cn", "b@a.cn"],
    "phone": ["13812345678", "021-68881234"],
    "link": ["https://a.cn/", "http://b.cn/x"],
    "whole": [0, -1, 2**53 - 1, -(2**53) + 1, 5],
    "exact": ["0.001", "-0.001", "999999999999.999", "1.5", 0],
    "wide": ["-99999999999999.9999", "99999999999999.9999", "0.0001"],
    "tiny": ["0.0000000001", "-0.0000000001", "99"],
    "price": [1, "1.01", "-5"],
    "share": ["0.1234", 1],
    "flag": [True, False],
    "day": ["0001-01-01", "9999-12-31", "2026-11-22"],
    "moment": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "2026-11-22T08:00:00.001Z"],
    "level": ["A", "B", "C"],
}


async def fill(desk: Desk, prepared: Prepared, count: int = 40) -> None:
    people = list(prepared.users.values())
    rows: list[dict[str, Any]] = []
    for n in range(count):
        row = {
            key: values[(n * 7 + place) % len(values)]
            for place, (key, values) in enumerate(VALUES.items())
            if (n + place) % 3
        }
        rows.append({**row, "owner": people[n % 3] if n % 4 else None})
    made = await desk.create_many("thing", rows)
    for n, row in enumerate(made[: count // 2]):
        await desk.change("thing", row["id"], other=made[-1 - n % 5]["id"])


def key_of(value: Any) -> tuple[bool, Any]:
    """Blanks are the smallest; texts by code point, as Python has it."""
    return (value is not None, value if value is not None else 0)


@pytest.mark.parametrize("limit", [7])
async def test_every_type_sorts_and_pages_both_ways_with_blanks_first(
    desk: Desk, prepared: Prepared, limit: int
) -> None:
    await fill(desk, prepared)
    whole = await desk.every("thing")
    assert len(whole) == 40
    for key in (*VALUES, "owner", "other", "number", "id", "revision", "created_at", "updated_by"):
        for order in (key, f"-{key}"):
            paged = await desk.every("thing", sort=[order], limit=limit, fields=[key])
            assert sorted(row["id"] for row in paged) == sorted(row["id"] for row in whole), order
            found = [_comparable(key, row[key]) for row in paged]
            assert found == sorted(found, reverse=order.startswith("-")), order
            assert paged == await desk.every("thing", sort=[order], fields=[key]), order


def _comparable(key: str, value: Any) -> Any:
    if key in ("wide",) and value is not None:
        from decimal import Decimal

        value = Decimal(value)
    return key_of(value[:200] if key == "story" and value is not None else value)


async def test_orders_of_several_keys_over_relations(desk: Desk, prepared: Prepared) -> None:
    await fill(desk, prepared)
    rows = {row["id"]: row for row in await desk.every("thing")}
    for sort in (
        ["other.whole", "level"],
        ["-other.name", "flag", "-whole"],
        ["level", "-day", "price"],
        ["other.other.id", "-id"],
        ["-created_at", "name"],
        ["-created_at", "-id"],
        ["updated_at", "id"],
    ):
        paged = await desk.every("thing", sort=sort, limit=3, fields=["id"])
        assert sorted(row["id"] for row in paged) == sorted(rows), sort
        if sort == ["level", "-day", "price"]:
            values = [rows[row["id"]] for row in paged]
            for before, after in pairwise(values):
                if before["level"] == after["level"]:
                    assert key_of(before["day"]) >= key_of(after["day"])


async def test_what_comes_and_goes_between_pages_disturbs_nothing_else(desk: Desk, prepared: Prepared) -> None:
    await fill(desk, prepared, 30)
    for sort in (["whole"], ["-level", "name"], []):
        there = {row["id"] for row in await desk.every("thing")}
        gone: set[str] = set()
        seen: list[str] = []
        cursor = None
        while True:
            reply = await desk.query("thing", sort=sort, limit=4, cursor=cursor)
            page = [row["id"] for row in many(reply)]
            seen += page
            cursor = parse_json(reply.content)["meta"]["next_cursor"]
            if cursor is None:
                break
            await desk.delete("thing", page[-1])  # the record that the cursor stands on
            left = next(iter(there - gone - set(seen)), None)
            if left is not None:
                gone.add(left)
                await desk.delete("thing", left)
            await desk.create("thing", whole=len(seen), name="new", level="B")
        assert len(seen) == len(set(seen)), sort
        assert there - gone <= set(seen), sort


async def test_foreign_and_broken_cursors_are_refused(desk: Desk, prepared: Prepared) -> None:
    await fill(desk, prepared, 6)
    await desk.create_many("region", [{"name": f"r{n}"} for n in range(3)])

    async def first(entity: str, **members: Any) -> str:
        reply = await desk.query(entity, limit=1, **members)
        return str(parse_json(reply.content)["meta"]["next_cursor"])

    cursor = await first("thing", sort=["whole"])
    assert (await desk.query("thing", sort=["whole"], cursor=cursor)).status_code == 200
    assert (await desk.send("GET", "records/thing", params={"sort": "whole", "cursor": cursor})).status_code == 200
    others = [
        {"sort": ["-whole"]},
        {"sort": ["exact"]},
        {"sort": ["whole", "exact"]},
        {},
    ]
    for members in others:
        problem(await desk.query("thing", cursor=cursor, **members), "query.cursor")
    problem(await desk.query("region", cursor=await first("thing")), "query.cursor")
    problem(await desk.query("thing", cursor=await first("region")), "query.cursor")

    decoded = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for place in range(len(decoded)):
        broken = bytearray(decoded)
        broken[place] ^= 1
        text = base64.urlsafe_b64encode(bytes(broken)).decode().rstrip("=")
        problem(await desk.query("thing", sort=["whole"], cursor=text), "query.cursor")
    for text in ("x", "é", "=" * 8, cursor + "!", cursor[:-3], "A" * 50_000, "\x00", "张三", "'; --", " "):
        problem(await desk.query("thing", sort=["whole"], cursor=text), "query.cursor")
    wrong: list[Any] = [5, [], {}, True]
    for value in wrong:
        problem(await desk.query("thing", cursor=value), "query.cursor")
    problem(await desk.send("GET", "records/thing", params={"cursor": "%00"}), "query.cursor")


async def test_values_that_nobody_could_store_are_refused_in_a_cursor_with_a_true_mark(desk: Desk) -> None:
    """Whoever knows how cursors are marked can make one; its values are checked all the same."""
    from runtime.query.cursor import write_cursor

    ident = "0193f7a0-1b2c-7d3e-8f40-112233445566"
    bad: list[tuple[str, str]] = [
        ("whole", "1e400"),
        ("whole", str(2**70)),
        ("whole", "1.5"),
        ("whole", '"x"'),
        ("whole", "true"),
        ("exact", "1e30"),
        ("exact", "1" * 40),
        ("exact", '"NaN"'),
        ("flag", "5"),
        ("day", '"2026-02-30"'),
        ("day", "5"),
        ("moment", '"soon"'),
        ("moment", '"0001-01-01T00:00:00+14:00"'),
        ("name", "5"),
        ("name", '"\\u0000"'),
        ("name", "{}"),
        ("owner", '"ann"'),
        ("other", '"1; DROP TABLE x"'),
        ("id", "null, 5"),
    ]
    for key, value in bad:
        order = f"shop thing {key}" + ("" if key == "id" else ",id")
        values = f"[{value}]" if key == "id" else f'[{value}, "{ident}"]'
        problem(await desk.query("thing", sort=[key], cursor=write_cursor(order, values)), "query.cursor")
        problem(await desk.query("thing", sort=[key], cursor=write_cursor(order, "[]")), "query.cursor")
        problem(await desk.query("thing", sort=[key], cursor=write_cursor(order, '{"a": 1}')), "query.cursor")
    good = write_cursor("shop thing name,id", f'["x", "{ident}"]')
    assert (await desk.query("thing", sort=["name"], cursor=good)).status_code == 200


async def test_numbered_pages_together_are_the_list(desk: Desk, prepared: Prepared) -> None:
    await fill(desk, prepared, 23)
    whole = [row["id"] for row in await desk.every("thing", sort=["level", "-whole"])]
    found: list[str] = []
    for page in (1, 2, 3, 4):
        reply = await desk.query("thing", sort=["level", "-whole"], limit=10, page=page, count="exact")
        assert (reply.json()["meta"]["page"], reply.json()["meta"]["count"]) == (page, 23)
        assert (reply.json()["meta"]["next_cursor"] is None) == (page >= 3)
        found += [row["id"] for row in reply.json()["data"]]
    assert found == whole
    listed = await desk.send("GET", "records/thing", params={"sort": "level,-whole", "limit": 10, "page": 2})
    assert [row["id"] for row in listed.json()["data"]] == whole[10:20]
    onward = {"sort": "level,-whole", "limit": 10, "cursor": listed.json()["meta"]["next_cursor"]}
    rest = await desk.send("GET", "records/thing", params=onward)
    assert [row["id"] for row in rest.json()["data"]] == whole[20:]


@pytest.mark.parametrize("wrong", ["0", "-1", "x", "1.5", "", "99999999999"])
async def test_a_page_is_a_number_from_one(desk: Desk, wrong: str) -> None:
    problem(await desk.send("GET", "records/thing", params={"page": wrong}), "query.invalid")


async def test_a_page_goes_with_no_cursor(desk: Desk, prepared: Prepared) -> None:
    await fill(desk, prepared, 5)
    cursor = (await desk.query("thing", limit=2)).json()["meta"]["next_cursor"]
    problem(await desk.query("thing", limit=2, cursor=cursor, page=2), "query.invalid")
    for body in ({"page": True}, {"page": 0}, {"page": "2"}, {"page": [1]}):
        problem(await desk.query("thing", **body), "query.invalid")
    assert len((await desk.query("thing", page=None, limit=2)).json()["data"]) == 2
