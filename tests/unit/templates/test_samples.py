"""Sample records: written by the generator, resolvable, unique where they must be, adding up, and as many as promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from builder.fields.auto_number import AutoNumberField
from builder.kernel.ids import sample_id
from builder.packages import Package, get_template, read_people, read_sample
from tools.samples.build import BUILDERS, build
from tools.samples.days import BEIJING, FIRST_DAY, NOW
from tools.samples.places import CITIES, REGION_OF_PROVINCE

KEYS = tuple(sorted(BUILDERS))
HOME = Path(__file__).resolve().parents[3] / "templates_lib"
Rows = Sequence[Mapping[str, Any]]


@cache
def template(key: str) -> Package:
    return get_template(key)


#: What arises from work from now on, so that the sample year has none of it.
WITHOUT_HISTORY = {
    "lead": {"support_task", "spec_sheet", "activity", "opportunity", "feasibility_check", "script", "script_use"},
    "receivables": {"payment_block"},
}


@cache
def read(key: str) -> dict[str, list[dict[str, Any]]]:
    """All sample records of a template: entity -> rows of canonical values."""
    package = template(key)
    people = read_people(package)
    users = {user.username: sample_id("people", "user", user.username) for user in people.users}
    departments = {each.key: sample_id("people", "department", each.key) for each in people.departments}
    sample = read_sample(package, find_user=users.get, find_department=departments.get)
    assert sample.later == ()
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in sample.batches:
        entity = package.definition.find_entity(batch.entity)
        assert entity is not None
        fields = {field.key: field for field in entity.fields}
        found[batch.entity] = [
            {name: fields[name].coerce(value) if name in fields else value for name, value in row.items()}
            for row in batch.rows
        ]
    return found


def total(rows: Rows, name: str) -> Decimal:
    return sum((row.get(name) or Decimal(0) for row in rows), Decimal(0))


def by(rows: Rows, name: str) -> dict[Any, list[Mapping[str, Any]]]:
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row.get(name), []).append(row)
    return groups


@pytest.mark.parametrize("key", KEYS)
def test_generating_again_gives_the_same_bytes(key):
    found = {path.stem: path.read_bytes() for path in (HOME / key / "sample").glob("*.csv")}
    del found["_grants"]  # who has which role is written by hand, like the roles
    assert found == {name: text.encode() for name, text in build(key).items()}


def test_the_sample_files_stay_small():
    assert sum(path.stat().st_size for path in HOME.glob("*/sample/*.csv")) < 5_000_000


@pytest.mark.parametrize(
    "key, counts",
    [
        ("lead", {"sales_area": 18, "customer": 860, "contact": 2013, "lead": 3000, "communication": 6028}),
        ("store_sales", {"dealer": 37, "store": 420, "product": 24, "visit": 1840, "order": 1610}),
        ("receivables", {"customer": 257, "contract": 450, "invoice": 1741, "payment": 1425}),
    ],
)
def test_there_are_as_many_as_promised(key, counts):
    found = {entity: len(rows) for entity, rows in read(key).items()}
    assert {entity: found[entity] for entity in counts} == counts
    assert set(found) == {entity.key for entity in template(key).definition.entities} - WITHOUT_HISTORY.get(key, set())


@pytest.mark.parametrize("key", KEYS)
def test_what_is_unique_is_unique(key):
    for entity in template(key).definition.entities:
        rows = read(key).get(entity.key, [])
        sets = [(field.key,) for field in entity.fields if field.unique] + list(entity.unique)
        for keys in sets:
            values = [tuple(row.get(name) for name in keys) for row in rows]
            complete = [value for value in values if None not in value]
            assert [value for value, count in Counter(complete).items() if count > 1] == [], (entity.key, keys)


@pytest.mark.parametrize("key", KEYS)
def test_records_are_of_the_sample_year_and_numbers_of_their_month(key):
    first = datetime.combine(FIRST_DAY, datetime.min.time(), BEIJING)
    for entity in template(key).definition.entities:
        numbered = [field for field in entity.fields if isinstance(field, AutoNumberField)]
        for row in read(key).get(entity.key, []):
            if "created_at" not in row:
                continue
            at = datetime.fromisoformat(row["created_at"])
            assert first <= at <= NOW
            for field in numbered:
                counted = field.find_counted(row[field.key])
                assert counted is not None
                assert counted.period == field.period(at.astimezone(BEIJING).date())


@pytest.mark.parametrize("key", KEYS)
def test_numbers_count_without_gaps_in_the_order_of_the_file(key):
    for entity in template(key).definition.entities:
        for field in entity.fields:
            if isinstance(field, AutoNumberField):
                counts: Counter[str] = Counter()
                for row in read(key).get(entity.key, []):
                    counted = field.find_counted(row[field.key])
                    assert counted is not None
                    counts[counted.period] += 1
                    assert counted.sequence == counts[counted.period]


# --- lead -------------------------------------------------------------------------------------------------------------

STAGES = ("to_assign", "assigned", "first_visit", "need_confirmed", "proposal", "to_sign")


def test_the_funnel_narrows_and_a_fifth_is_won():
    leads = read("lead")["lead"]
    reached = [sum(STAGES.index(lead["stage"]) >= place for lead in leads) for place in range(len(STAGES))]
    won = sum(lead["outcome"] == "won" for lead in leads)
    assert reached[0] == 3000
    assert reached == sorted(set(reached), reverse=True)
    assert 0.17 < won / len(leads) < 0.25
    assert {lead["stage"] for lead in leads if lead["outcome"] == "won"} == {"to_sign"}


def test_leads_follow_the_seasons_the_fairs_and_the_funnel_of_today():
    leads = read("lead")["lead"]
    per_month = Counter(lead["number"][2:8] for lead in leads)
    assert per_month["202610"] == 287
    assert min(list(per_month)[1:-1], key=per_month.__getitem__) == "202602"
    fair = [lead for lead in leads if lead["number"][2:8] in ("202604", "202610")]
    other = [lead for lead in leads if lead not in fair]
    assert share(fair, "source", "expo_scan") > 2 * share(other, "source", "expo_scan")
    still_open = Counter(lead["stage"] for lead in leads if lead["outcome"] == "open")
    assert set(still_open) == set(STAGES)
    assert sum(still_open.values()) > 200


def share(rows: Rows, name: str, value: str) -> float:
    return [row[name] for row in rows].count(value) / len(rows)


def test_leads_are_consistent_in_themselves():
    customers = {row["id"]: row for row in read("lead")["customer"]}
    contacts = {row["id"]: row for row in read("lead")["contact"]}
    for lead in read("lead")["lead"]:
        assert ("owner" in lead) == (lead["stage"] != "to_assign")
        assert ("closed_on" in lead) == (lead["outcome"] != "open")
        assert ("deal_amount" in lead) == (lead["outcome"] == "won")
        assert ("lost_reason" in lead) == (lead["outcome"] in ("lost", "invalid"))
        assert ("customer" in lead) != ("company" in lead)
        if "contact" in lead:
            assert contacts[lead["contact"]]["customer"] == lead["customer"]
        if "customer" in lead:
            assert customers[lead["customer"]]["region"] == lead["region"]
            assert customers[lead["customer"]]["created_at"] < lead["created_at"]
        created = datetime.fromisoformat(lead["created_at"])
        assert created <= lead.get("assigned_at", NOW) <= lead.get("first_visit_at", NOW) <= NOW
        assert lead["stage_since"] >= created.astimezone(UTC)


def test_owners_work_in_the_area_of_their_leads():
    departments: dict[Any, set[str]] = {}
    for lead in read("lead")["lead"]:
        departments.setdefault(lead.get("department"), set()).add(lead["region"])
    assert all(len(regions) == 1 for department, regions in departments.items() if department)


def test_communications_belong_to_their_lead_and_tell_when_customers_were_reached():
    leads = {row["id"]: row for row in read("lead")["lead"]}
    last: dict[str, datetime] = {}
    for talk in read("lead")["communication"]:
        lead = leads[talk["lead"]]
        assert talk.get("customer") == lead.get("customer")
        assert talk["owner"] == lead["owner"]
        assert lead["assigned_at"] <= talk["happened_at"]
        if "closed_on" in lead:
            assert talk["happened_at"].astimezone(BEIJING).date() <= lead["closed_on"]
        if "customer" in talk:
            last[talk["customer"]] = max(talk["happened_at"], last.get(talk["customer"], talk["happened_at"]))
    customers = {row["id"]: row["last_contacted_at"] for row in read("lead")["customer"] if row["id"] in last}
    assert customers == last


def test_key_customers_have_the_three_roles_to_reach():
    roles: dict[str, set[str]] = {}
    for contact in read("lead")["contact"]:
        roles.setdefault(contact["customer"], set()).add(contact["role"])
    keys = [row["id"] for row in read("lead")["customer"] if row["is_key_account"]]
    complete = [key for key in keys if {"purchasing", "technical", "finance"} <= roles[key]]
    assert 0.5 < len(complete) / len(keys) < 1
    assert set(roles) == {row["id"] for row in read("lead")["customer"]}


def test_areas_are_one_tree_of_twelve_provinces():
    areas = read("lead")["sales_area"]
    levels = Counter(area["level"] for area in areas)
    assert levels == {"country": 1, "region": 5, "province": 12}
    targets = by(areas, "level")
    assert total(targets["province"], "yearly_target") == total(targets["region"], "yearly_target") == 180_000_000
    assert {city.province for city in CITIES} == set(REGION_OF_PROVINCE)


# --- store_sales ------------------------------------------------------------------------------------------------------


def test_orders_are_the_sum_of_their_lines():
    shop = read("store_sales")
    lines, stores = by(shop["order_line"], "order"), {row["id"]: row for row in shop["store"]}
    prices = {row["id"]: row["list_price"] for row in shop["product"]}
    for line in shop["order_line"]:
        assert line["amount"] == line["quantity"] * line["price"]
        assert line["price"] == prices[line["product"]]
    for order in shop["order"]:
        assert order["amount"] == total(lines[order["id"]], "amount")
        assert order["rebate_rate"] == stores[order["store"]]["rebate_rate"]
        assert abs(order["rebate"] - order["amount"] * order["rebate_rate"]) <= Decimal("0.005")


def test_stock_goes_on_where_it_closed():
    for _, rows in by(
        [{**row, "of": (row["dealer"], row["product"])} for row in read("store_sales")["stock_report"]], "of"
    ).items():
        closing = None
        for row in rows:
            assert row["closing"] == row["opening"] + row["received"] - row["sold"]
            assert closing in (None, row["opening"])
            closing = row["closing"]


def test_new_stores_of_the_last_quarter_were_lost_as_the_story_tells():
    new = [row for row in read("store_sales")["store"] if date(2026, 7, 1) <= row["opened_on"] <= date(2026, 9, 30)]
    assert len(new) == 56
    assert sum(row["status"] == "lost" for row in new) == 23  # 41 %


def test_one_seller_wrote_the_same_words_seventeen_times_far_from_the_stores():
    visits, stores = read("store_sales")["visit"], {row["id"]: row for row in read("store_sales")["store"]}
    copied = [visit for visit in visits if visit["summary"] == "沟通产品优势，客户表示认可"]
    assert len(copied) == 17
    assert len({visit["owner"] for visit in copied}) == 1
    far = [visit for visit in visits if abs(visit["latitude"] - stores[visit["store"]]["latitude"]) > Decimal("0.002")]
    assert {visit["id"] for visit in far} <= {visit["id"] for visit in copied}
    assert len(far) > 10


def test_uses_of_material_are_counted():
    shop = read("store_sales")
    uses = by(shop["material_use"], "material")
    assert all(row["use_count"] == len(uses.get(row["id"], [])) for row in shop["material"])


# --- receivables ------------------------------------------------------------------------------------------------------


def test_contracts_are_the_sum_of_their_lines_and_of_their_plan():
    book = read("receivables")
    lines, plan, invoices = (by(book[name], "contract") for name in ("contract_line", "payment_plan", "invoice"))
    for contract in book["contract"]:
        own = contract["id"]
        assert contract["amount"] == total(lines[own], "amount") == total(plan[own], "amount")
        assert sum(part["share"] for part in plan[own]) == 1
        assert contract["invoiced_amount"] == total(invoices.get(own, []), "amount") <= contract["amount"]
        assert contract["paid_amount"] == total(invoices.get(own, []), "paid_amount")
        assert (contract["status"] == "completed") == (contract["paid_amount"] == contract["amount"])
    assert all(line["amount"] == line["quantity"] * line["price"] for line in book["contract_line"])


def test_invoices_are_the_sum_of_their_lines_and_stay_within_their_plan():
    book = read("receivables")
    lines = by(book["invoice_line"], "invoice")
    for invoice in book["invoice"]:
        for name in ("net_amount", "tax_amount", "amount"):
            assert invoice[name] == total(lines[invoice["id"]], name)
        assert invoice["amount"] == invoice["net_amount"] + invoice["tax_amount"]
        assert abs(invoice["net_amount"] * Decimal("0.13") - invoice["tax_amount"]) < Decimal("0.03")
    plan = {row["id"]: row["amount"] for row in book["payment_plan"]}
    assert all(total(rows, "amount") <= plan[key] for key, rows in by(book["invoice"], "plan").items())


def test_payments_are_matched_to_invoices_to_the_cent():
    book = read("receivables")
    of_payment, of_invoice = by(book["allocation"], "payment"), by(book["allocation"], "invoice")
    for payment in book["payment"]:
        assert payment["allocated_amount"] == total(of_payment[payment["id"]], "amount")
        assert payment["amount"] == payment["allocated_amount"] + payment["unallocated_amount"]
    payers = {row["id"]: row["customer"] for row in book["payment"]}
    for invoice in book["invoice"]:
        parts = of_invoice.get(invoice["id"], [])
        assert invoice["paid_amount"] == total(parts, "amount")
        still_open = invoice["amount"] - invoice["paid_amount"]
        assert still_open >= 0
        assert {payers[part["payment"]] for part in parts} <= {invoice["customer"]}
        assert (invoice["status"] == "paid") == (still_open == 0) == ("paid_on" in invoice)
        assert (invoice["status"] == "overdue") == (still_open > 0 and invoice["due_on"] < NOW.date())
        assert invoice["node_since"] <= NOW


def test_customers_balance_equals_their_invoices_less_their_payments():
    book = read("receivables")
    invoices, payments = by(book["invoice"], "customer"), by(book["payment"], "customer")
    for customer in book["customer"]:
        own = customer["id"]
        assert customer["balance"] == total(invoices.get(own, []), "amount") - total(payments.get(own, []), "amount")
        due = [row for row in invoices.get(own, []) if row["due_on"] < NOW.date()]
        punctual = [row for row in due if row.get("paid_on", date.max) <= row["due_on"]]
        rate = (Decimal(len(punctual)) / len(due)).quantize(Decimal("0.0001")) if due else None
        assert customer.get("on_time_rate") == rate


def test_statements_go_on_where_the_last_one_closed_and_hold_every_movement():
    book = read("receivables")
    for _, rows in by(book["statement"], "customer").items():
        closing = Decimal(0)
        for row in rows:
            assert row["opening"] == closing
            assert row["closing"] == row["opening"] + row["invoiced"] - row["paid"]
            assert row.get("difference", 0) == row.get("customer_balance", row["closing"]) - row["closing"]
            closing = row["closing"]
    end = date(2026, 10, 31)
    assert total(book["statement"], "invoiced") == total(
        [row for row in book["invoice"] if row["issued_on"] <= end], "amount"
    )
    assert total(book["statement"], "paid") == total(
        [row for row in book["payment"] if row["received_on"] <= end], "amount"
    )
    assert any(row["status"] == "disputed" for row in book["statement"])


def test_money_comes_in_after_about_two_months():
    invoices = read("receivables")["invoice"]
    open_share = 1 - total(invoices, "paid_amount") / total(invoices, "amount")
    assert 45 < open_share * 365 < 75  # DSO in days
    late = [row for row in invoices if row["status"] == "overdue"]
    assert 60 < len(late) < 200
    assert all(row["issued_on"] + timedelta(days=120) >= row["due_on"] for row in invoices)
