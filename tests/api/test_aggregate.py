"""``POST|GET /api/{app}/records/{entity}/aggregate``: groups, measures, having, totals, labels; and what is refused."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from builder.kernel import limits
from builder.registry.registry import load_published
from builder.store.statement import prepare
from runtime.query.aggregate_request import read_aggregate
from runtime.query.aggregate_statement import aggregate_statement
from runtime.records.aggregates import plan_groups
from runtime.records.caller import system_caller
from tests.support.query_app import definition, identifier, load, publish
from tests.support.service import Service, pointers, problem

pytestmark = pytest.mark.anyio

URL = "/api/sales/records/deal/aggregate"


@pytest.fixture
async def client(service: Service) -> httpx.AsyncClient:
    """A logged-in client of an app with a few records."""
    publish(service, definition())
    areas = [{"id": identifier(n), "name": name} for n, name in ((1, "华东"), (2, "华北"))]
    customers = [
        {"id": identifier(11), "name": "甲", "level": "A", "area": identifier(1)},
        {"id": identifier(12), "name": "乙", "level": "B", "area": identifier(1)},
        {"id": identifier(13), "name": "丙", "level": "A", "area": identifier(2)},
        {"id": identifier(14), "name": "丁"},
    ]
    rows: list[tuple[int | None, Any, Any, Any, Any]] = [
        (11, "100.10", 1, "2026-01-31", "2026-01-31T16:00:00Z"),  # 1 February in Shanghai
        (11, "0.20", 2, "2026-02-01", "2026-01-31T15:59:59.999Z"),
        (12, "300.00", 3, "2026-12-31", "2025-12-31T16:00:00Z"),
        (13, "-50.05", 4, "2027-01-01", None),
        (14, None, None, None, None),
        (None, "7.77", 5, "2026-02-28", "2026-06-15T00:00:00Z"),
    ]
    deals = [
        {
            "id": identifier(100 + n),
            "title": f"deal {n}",
            "customer": None if customer is None else identifier(customer),
            "amount": amount,
            "count": count,
            "due_on": due,
            "closed_at": closed,
        }
        for n, (customer, amount, count, due, closed) in enumerate(rows)
    ]
    payments = [
        {"id": identifier(200 + n), "deal": identifier(100 + deal), "paid": paid, "method": method}
        for n, (deal, paid, method) in enumerate(
            ((0, "50.00", "bank"), (0, "50.10", "cash"), (2, "300.00", "bank"), (2, None, None))
        )
    ]
    await load(service, area=areas, customer=customers, deal=deals, payment=payments)
    return service.client_of("member")


async def ask(client: httpx.AsyncClient, **members: Any) -> dict[str, Any]:
    reply = await client.post(URL, json=members)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_the_answer_is_exact_to_the_byte(client: httpx.AsyncClient):
    body = {
        "group_by": ["customer.area.name"],
        "measures": {
            "total": {"sum": "amount"},
            "n": {"count": "*"},
            "mean": {"avg": "amount"},
            "part": {"share": "n"},
        },
        "sort": ["-total"],
        "totals": True,
    }
    reply = await client.post(URL, json=body)
    assert reply.content == (
        b'{"data":['
        + '{"customer.area.name":"华东","total":400.30,"n":3,"mean":133.4333333333,"part":0.5},'.encode()
        + b'{"customer.area.name":null,"total":7.77,"n":2,"mean":7.77,"part":0.3333333333},'
        + '{"customer.area.name":"华北","total":-50.05,"n":1,"mean":-50.05,"part":0.1666666667}'.encode()
        + b'],"meta":{"has_more":false,"totals":{"total":358.02,"n":6,"mean":71.604,"part":1}}}'
    )


async def test_without_groups_there_is_one_row_also_of_nothing(client: httpx.AsyncClient):
    measures = {"n": {"count": "*"}, "s": {"sum": "amount"}, "m": {"median": "amount"}, "a": {"avg": "amount"}}
    found = await ask(client, measures={**measures, "low": {"min": "due_on"}}, filter={"title": "nobody"})
    assert found["data"] == [{"n": 0, "s": 0.0, "m": None, "a": None, "low": None}]


async def test_without_measures_the_groups_are_the_distinct_values(client: httpx.AsyncClient):
    found = await ask(client, group_by=["customer.level"])
    assert found["data"] == [{"customer.level": None}, {"customer.level": "A"}, {"customer.level": "B"}]


async def test_days_of_instants_are_those_of_the_zone(client: httpx.AsyncClient):
    found = await ask(client, group_by=["closed_at:month"], measures={"n": {"count": "*"}})
    assert [(row["closed_at:month"], row["n"]) for row in found["data"]] == [
        (None, 2),
        ("2026-01", 2),
        ("2026-02", 1),
        ("2026-06", 1),
    ]


@pytest.mark.parametrize(
    "bucket, expected",
    [
        ("day", ["2026-01-31", "2026-02-01", "2026-02-28", "2026-12-31", "2027-01-01"]),
        ("week", ["2026-W05", "2026-W09", "2026-W53"]),
        ("month", ["2026-01", "2026-02", "2026-12", "2027-01"]),
        ("quarter", ["2026-Q1", "2026-Q4", "2027-Q1"]),
        ("year", ["2026", "2027"]),
    ],
)
async def test_buckets_of_a_date(client: httpx.AsyncClient, bucket: str, expected: list[str]):
    group = {"path": "due_on", "bucket": bucket, "as": "when"}
    found = await ask(client, group_by=[group], filter={"due_on": {"_nnull": True}}, measures={"n": {"count": "*"}})
    assert [row["when"] for row in found["data"]] == expected
    assert sum(row["n"] for row in found["data"]) == 5


async def test_joins_multiply_nothing_and_children_are_summed_by_their_record(client: httpx.AsyncClient):
    measures = {
        "amount": {"sum": "amount"},
        "paid": {"sum": "payments.paid"},
        "payments": {"count": "payments"},
        "with_sum": {"count": "payments.paid"},
        "mean": {"avg": "payments.paid"},
        "most": {"max": "payments.paid"},
    }
    found = await ask(client, group_by=["customer.name"], measures=measures, filter={"customer.name": ["甲", "乙"]})
    assert found["data"] == [
        {"customer.name": "乙", "amount": 300, "paid": 300, "payments": 2, "with_sum": 1, "mean": 300, "most": 300},
        {
            "customer.name": "甲",
            "amount": 100.3,
            "paid": 100.1,
            "payments": 2,
            "with_sum": 2,
            "mean": 50.05,
            "most": 50.1,
        },
    ]


async def test_distinct_median_extremes(client: httpx.AsyncClient):
    measures = {
        "customers": {"count_distinct": "customer"},
        "areas": {"count_distinct": "customer.area"},
        "middle": {"median": "amount"},
        "first": {"min": "closed_at"},
        "last": {"max": "due_on"},
        "least": {"min": "amount"},
        "name": {"max": "customer.name"},
    }
    found = await ask(client, measures=measures, totals=True)
    assert found["data"] == [
        {
            "customers": 4,
            "areas": 2,
            "middle": 7.77,
            "first": "2025-12-31T16:00:00.000Z",
            "last": "2027-01-01",
            "least": -50.05,
            "name": "甲",
        }
    ]
    assert found["meta"]["totals"] == found["data"][0]


async def test_having_is_a_filter_over_measures(client: httpx.AsyncClient):
    measures = {"total": {"sum": "amount"}, "n": {"count": "*"}, "mean": {"avg": "amount"}, "last": {"max": "due_on"}}
    cases: list[tuple[Any, list[Any]]] = [
        ({"total": {"_gt": 100}}, ["乙", "甲"]),
        ({"total": {"_gte": "100.30"}, "n": 2}, ["甲"]),
        ({"_or": [{"mean": {"_lt": 0}}, {"last": {"_gt": "2026-06-01"}}]}, ["丙", "乙"]),
        ({"mean": {"_null": True}}, ["丁"]),
        ({"_not": {"mean": {"_null": True}}, "mean": {"_in": [50.15, -50.05, "1e5"[:1]]}}, ["丙", "甲"]),
        ({"mean": {"_between": ["50.1499999999", "50.1500000001"]}}, ["甲"]),
        ({"total": {"_lt": "0.00000000000000000001"}}, ["丙", "丁"]),
        ({"total": {"_lt": "9" * 90}}, [None, "丁", "丙", "乙", "甲"]),
    ]
    for having, expected in cases:
        found = await ask(client, group_by=["customer.name"], measures=measures, having=having)
        assert sorted(map(str, (row["customer.name"] for row in found["data"]))) == sorted(map(str, expected)), having


async def test_order_limit_and_whether_there_is_more(client: httpx.AsyncClient):
    asked = {"group_by": ["customer.name"], "measures": {"total": {"sum": "amount"}, "n": {"count": "amount"}}}
    first = await ask(client, **asked, sort=["-n", "-customer.name"], limit=2)
    assert [row["customer.name"] for row in first["data"]] == ["甲", "乙"]
    assert first["meta"] == {"has_more": True}
    everything = await ask(client, **asked, sort=["total"])
    assert [row["total"] for row in everything["data"]] == [-50.05, 0, 7.77, 100.3, 300]
    assert everything["meta"] == {"has_more": False}


async def test_labels_of_options_and_of_records(client: httpx.AsyncClient):
    asked = {"group_by": ["customer.level", "customer"], "labels": True}
    reply = await client.post(URL, json=asked, headers={"accept-language": "en"})
    labels = reply.json()["meta"]["labels"]
    assert labels["customer.level"] == {"A": "Key", "B": "普通"}
    assert labels["customer"] == {identifier(n): name for n, name in ((11, "甲"), (12, "乙"), (13, "丙"), (14, "丁"))}


async def test_a_query_string_says_the_same(client: httpx.AsyncClient):
    given = (
        "group_by=customer.level,due_on:year&measures[total][sum]=amount&having[total][_gt]=50&sort=-total&totals=true"
    )
    by_string = await client.get(f"{URL}?{given}&filter[customer][_nnull]=true")
    by_body = await client.post(
        URL,
        json={
            "group_by": ["customer.level", {"path": "due_on", "bucket": "year"}],
            "measures": {"total": {"sum": "amount"}},
            "having": {"total": {"_gt": 50}},
            "sort": ["-total"],
            "totals": True,
            "filter": {"customer": {"_nnull": True}},
        },
    )
    assert by_string.status_code == 200, by_string.text
    assert by_string.content == by_body.content
    assert len(by_body.json()["data"]) == 2
    formula = {"filter": 'amount > 100 AND customer.level = "A"', "measures[n][count]": "*"}
    assert (await client.get(URL, params=formula)).json()["data"] == [{"n": 1}]
    encoded = {"measures": json.dumps({"n": {"count": "*"}}), "limit": "1"}
    assert (await client.get(URL, params=encoded)).json()["data"] == [{"n": 6}]


async def test_sums_beyond_64_bits_are_exact_and_travel_as_strings(service: Service, client: httpx.AsyncClient):
    big = "999999999999.999999"
    await load(service, deal=[{"title": "big", "rate": big} for _ in range(40)])
    measures = {"s": {"sum": "rate"}, "a": {"avg": "rate"}, "m": {"median": "rate"}, "x": {"max": "rate"}}
    found = await ask(
        client, group_by=["title"], measures=measures, filter={"title": "big"}, having={"s": {"_gt": "1"}}
    )
    assert found["data"][0] | {"a": 0, "m": 0} == {
        "title": "big",
        "s": "39999999999999.999960",
        "a": 0,
        "m": 0,
        "x": big,
    }
    assert (
        '"a":999999999999.999999'
        in (await client.post(URL, json={"measures": measures, "filter": {"title": "big"}})).text
    )


async def test_a_measure_over_a_revision_of_a_published_app_follows_it(client: httpx.AsyncClient):
    first = await client.post(URL, json={"measures": {"n": {"count": "*"}}})
    again = await client.post(URL, json={"measures": {"n": {"count": "*"}}})
    assert first.content == again.content


# -- what is refused ------------------------------------------------------------------------------------------------------


REFUSED: list[tuple[Any, str, str, str]] = [
    ({"group_by": ["custmer.name"]}, "request.unknown_name", "/group_by/0", "customer"),
    ({"group_by": ["customer.nam"]}, "request.unknown_name", "/group_by/0", "name"),
    ({"measures": {"t": {"sum": "amont"}}}, "request.unknown_name", "/measures/t/sum", "amount"),
    ({"measures": {"t": {"summ": "amount"}}}, "query.invalid", "/measures/t", "sum"),
    ({"measures": {"t": {"sum": "title"}}}, "query.invalid", "/measures/t/sum", "title"),
    ({"measures": {"t": {"sum": "*"}}}, "query.invalid", "/measures/t/sum", "*"),
    ({"measures": {"t": {"sum": "amount", "avg": "amount"}}}, "query.invalid", "/measures/t", "sum"),
    ({"measures": {"t": {"sum": {"x": 1}}}}, "query.invalid", "/measures/t/sum", "path"),
    ({"measures": {"t": {"median": "payments.paid"}}}, "query.invalid", "/measures/t/median", "to-many"),
    ({"measures": {"t": {"sum": "payments.lines.place"}}}, "query.invalid", "/measures/t/sum", "one to-many"),
    ({"measures": {"t": {"share": "x"}}}, "request.unknown_name", "/measures/t/share", "x"),
    ({"measures": {"t": {"share": "m"}, "m": {"avg": "amount"}}}, "query.invalid", "/measures/t/share", "sum"),
    ({"measures": {"t'; DROP TABLE x; --": {"count": "*"}}}, "query.invalid", "/measures", "small letter"),
    ({"measures": {'a"b': {"count": "*"}}}, "query.invalid", "/measures", "small letter"),
    ({"measures": {"n": {"count": "*"}}, "having": {"nn": 1}}, "request.unknown_name", "/having/nn", "n"),
    (
        {"measures": {"n": {"count": "*"}}, "having": {"n": {"_contains": "1"}}},
        "query.invalid",
        "/having/n/_contains",
        "_contains",
    ),
    ({"measures": {"n": {"count": "*"}}, "having": {"n": {"_gt": "x"}}}, "query.invalid", "/having/n/_gt", "number"),
    ({"measures": {"n": {"count": "*"}}, "sort": ["-m"]}, "request.unknown_name", "/sort/0", "m"),
    ({"group_by": ["title"], "measures": {"title": {"count": "*"}}}, "query.invalid", "/group_by", "title"),
    ({"group_by": ["title", "title"]}, "query.invalid", "/group_by", "title"),
    ({"group_by": ["title:month"]}, "query.invalid", "/group_by/0", "no date"),
    ({"group_by": ["due_on:mounth"]}, "query.invalid", "/group_by/0", "month"),
    ({"group_by": [{"path": "due_on", "bucket": "month", "as": "x; --"}]}, "query.invalid", "/group_by/0/as", "small"),
    ({"group_by": [{"path": "due_on", "bukket": "month"}]}, "query.invalid", "/group_by/0/bukket", "bucket"),
    ({"group_by": ["payments"]}, "query.invalid", "/group_by/0", "payments"),
    ({"group_by": ["tags"]}, "query.invalid", "/group_by/0", "tags"),
    ({"group_by": ["title.x"]}, "query.invalid", "/group_by/0", "relation"),
    ({"group_by": [""]}, "request.unknown_name", "/group_by/0", ""),
    ({"group_by": ["title"] * 1000}, "query.invalid", "/group_by", str(limits.GROUP_KEYS)),
    ({"measures": {f"m{n}": {"count": "*"} for n in range(1000)}}, "query.invalid", "/measures", str(limits.MEASURES)),
    ({"group_by": [".".join(["customer"] * 50)]}, "query.invalid", "/group_by/0", str(limits.QUERY_HOPS)),
    ({"limit": limits.GROUPS + 1}, "query.invalid", "/limit", str(limits.GROUPS)),
    ({"limit": True}, "query.invalid", "/limit", str(limits.GROUPS)),
    ({"totals": 1}, "query.invalid", "/totals", "totals"),
    ({"group": []}, "query.invalid", "/group", "group_by"),
    ({"group_by": "title"}, "query.invalid", "/group_by", "list"),
    ({"measures": []}, "query.invalid", "/measures", "sum"),
    ({"filter": {"nope": 1}}, "request.unknown_name", "/filter/nope", "nope"),
]


async def test_what_cannot_be_is_refused_where_it_stands(client: httpx.AsyncClient):
    for body, code, pointer, hint in REFUSED:
        reply = await client.post(URL, json=body, headers={"accept-language": "en"})
        document = problem(reply, code)
        assert pointer in pointers(document), (body, document)
        assert hint in str(document["errors"]), (body, document)


async def test_a_query_string_is_refused_as_well(client: httpx.AsyncClient):
    for given in ("measures=x", "limit=-1", "limit=1e3", "totals=yes", "sort=a&sort=b", "measures[n]=x", "x[y]=1"):
        problem(await client.get(f"{URL}?{given}"), "query.invalid")
    problem(await client.get(f"{URL}?measures[n][count]=*&measures=%7B%7D"), "query.invalid")
    problem(await client.post(URL, json=[]), "query.invalid")
    problem(await client.post("/api/sales/records/deel/aggregate", json={}), "entity.not_found")
    problem(await client.put(URL, json={}), "request.method")


async def test_a_token_needs_the_right_to_read(service: Service, client: httpx.AsyncClient):
    writer = service.client_of("member", "records:write")
    problem(await writer.post(URL, json={"measures": {"n": {"count": "*"}}}), "access.denied")
    problem(await service.client().post(URL, json={}), "auth.required")


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_an_index_that_an_app_declares_answers_a_report_by_itself(service: Service):
    value = definition()
    deal = next(entity for entity in value["entities"] if entity["key"] == "deal")
    deal["indexes"] = [["title", "due_on", "amount"]]
    publish(service, value)
    services = service.app.services
    published = load_published(services.registry, "sales")
    assert published is not None
    asked = read_aggregate({"group_by": ["title", "due_on:month"], "measures": {"amount": {"sum": "amount"}}})
    caller = system_caller("test", "rest")
    plan, _ = plan_groups(published.app, caller, published.app.own["deal"], asked, service.clock.now())
    statement = prepare(aggregate_statement(published.app, plan.shape, "sqlite"), "sqlite")
    with services.database.engine.connect() as connection:
        values = statement.bind({**plan.values, "app": "sales"})
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.sql}", values).fetchall()
    assert any("USING COVERING INDEX ix_sales__deal__title__due_on__amount" in step[3] for step in steps), steps
