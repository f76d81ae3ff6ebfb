"""Sample records: names become ids, fields read their cells, every fault has a place, and the order can be loaded."""

from __future__ import annotations

from typing import Any

import pytest

from builder.kernel.ids import find_uuid, sample_id
from builder.kernel.problems import Problem
from builder.packages import Package, Sample, parse_package, read_people, read_sample

TEXT = {"key": "name", "type": "text", "label": "名称", "required": True}
PEOPLE = {"zhangwei": "11111111-1111-7111-8111-111111111111"}


def entity(key: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "label": key, "fields": [TEXT, *fields]}


def reference(key: str, target: str, **options: Any) -> dict[str, Any]:
    return {"key": key, "type": "reference", "label": key, "entity": target, **options}


def package(*entities: dict[str, Any], **sample: str) -> Package:
    app = {"key": "shop", "label": "Shop"}
    return parse_package({"app": app, "entities": list(entities), "sample": sample})


def read(*entities: dict[str, Any], **sample: str) -> Sample:
    return read_sample(package(*entities, **sample), find_user=PEOPLE.get, find_department=lambda key: None)


def faults(*entities: dict[str, Any], **sample: str) -> list[tuple[Any, ...]]:
    with pytest.raises(Problem) as caught:
        read(*entities, **sample)
    assert caught.value.code == "package.invalid"
    return [
        (v.code, v.params.get("file"), v.params.get("line"), v.params.get("column")) for v in caught.value.violations
    ]


AMOUNT = {"key": "amount", "type": "decimal", "label": "Amount", "scale": 2}
OWNER = {"key": "owner", "type": "user", "label": "Owner"}
ROWS = {"key": "orders", "type": "children", "label": "Orders", "entity": "order", "via": "customer"}


def test_cells_become_values_and_names_become_ids():
    sample = read(
        entity("order", AMOUNT, OWNER, reference("customer", "customer")),
        entity("customer", ROWS),
        order='id,created_at,created_by,name,amount,owner,customer\no1,2026-01-02T09:00:00+08:00,zhangwei,甲,"1,200.50",zhangwei,c1\n,,,乙,,,\n',
        customer="id,name\nc1,医院\n",
    )
    assert [batch.entity for batch in sample.batches] == ["customer", "order"]
    assert sample.count == 3
    first, second = sample.batches[1].rows
    assert first == {
        "id": sample_id("shop", "order", "o1"),
        "created_at": "2026-01-02T01:00:00.000Z",
        "created_by": PEOPLE["zhangwei"],
        "name": "甲",
        "amount": "1200.50",
        "owner": PEOPLE["zhangwei"],
        "customer": sample_id("shop", "customer", "c1"),
    }
    assert second.keys() == {"id", "name"}
    assert find_uuid(second["id"])


def test_reading_twice_gives_the_same_ids():
    app = [entity("customer")]
    assert read(*app, customer="name\n甲\n乙\n") == read(*app, customer="name\n甲\n乙\n")


def test_a_uuid_may_stand_where_a_name_does():
    identity = "0190a000-0000-7000-8000-000000000001"
    sample = read(
        entity("customer"),
        entity("order", reference("customer", "customer")),
        customer=f"id,name\n{identity},甲\n",
        order=f"name,customer\n一,{identity}\n",
    )
    assert sample.batches[0].rows[0]["id"] == identity
    assert sample.batches[1].rows[0]["customer"] == identity


def test_every_fault_has_its_place():
    found = faults(
        entity("customer", AMOUNT, OWNER, reference("parent", "customer")),
        customer='id,name,amount,owner,parent\nc1,甲,many,zhangwie,c9\nc1,,5,,\nc2,甲\nc3,"a\nb",1,,\nc4,甲,x,,\n',
    )
    file = "sample/customer.csv"
    assert sorted(found, key=str) == sorted(
        [
            ("type", file, 2, "amount"),
            ("reference", file, 2, "owner"),
            ("reference", file, 2, "parent"),
            ("duplicate", file, 3, "id"),
            ("required", file, 3, "name"),
            ("cells", file, 4, None),
            ("character", file, 5, "name"),
            ("type", file, 7, "amount"),
        ],
        key=str,
    )


def test_columns_are_fields_with_a_column_of_their_own():
    customer, order = entity("customer", ROWS), entity("order", reference("customer", "customer"))
    found = faults(customer, order, customer="name,orders,nmae,revision,name\n甲,,,,\n")
    assert {(code, column) for code, _, _, column in found} == {
        ("unknown", "orders"),
        ("unknown", "nmae"),
        ("unknown", "revision"),
        ("duplicate", "name"),
    }


def test_numbers_that_the_system_gives_may_be_brought_along():
    number = {"key": "number", "type": "auto_number", "label": "No.", "pattern": "L-{yyyy}-{seq:3}", "reset": "yearly"}
    rows = read(entity("lead", number), lead="name,number\n甲,L-2025-001\n乙,\n").batches[0].rows
    assert [row.get("number") for row in rows] == ["L-2025-001", None]


def test_faults_end_at_the_number_anybody_reads():
    rows = "".join(f"甲,x{number}\n" for number in range(500))
    assert len(faults(entity("customer", AMOUNT), customer=f"name,amount\n{rows}")) == 100


def test_text_that_is_no_csv_is_told():
    assert faults(entity("customer"), customer='name\n甲\n"乙\n') == [("csv", "sample/customer.csv", 3, None)]
    assert faults(entity("customer"), customer='name\n"甲"x\n') == [("csv", "sample/customer.csv", 2, None)]


def test_the_byte_order_mark_and_line_ends_of_spreadsheets_are_no_error():
    assert read(entity("customer"), customer="\ufeffname\r\n甲\r\n").batches[0].rows[0]["name"] == "甲"


def test_parents_come_before_their_children():
    sample = read(entity("area", reference("parent", "area")), area="id,name,parent\nc,C,b\nb,B,a\na,A,\n")
    assert [row["name"] for row in sample.batches[0].rows] == ["A", "B", "C"]
    assert faults(entity("area", reference("parent", "area")), area="id,name,parent\na,A,b\nb,B,a\n") == [
        ("cycle", "sample/area.csv", None, "parent")
    ]


def test_a_circle_between_entities_is_closed_at_the_end():
    customer = entity("customer", reference("main_contact", "contact"))
    contact = entity("contact", reference("customer", "customer", required=True))
    sample = read(customer, contact, customer="id,name,main_contact\nc,甲,p\n", contact="id,name,customer\np,乙,c\n")
    assert [batch.entity for batch in sample.batches] == ["customer", "contact"]
    assert "main_contact" not in sample.batches[0].rows[0]
    assert [tuple(later) for later in sample.later] == [
        ("customer", sample_id("shop", "customer", "c"), {"main_contact": sample_id("shop", "contact", "p")})
    ]


def test_a_circle_of_required_references_can_never_be_loaded():
    customer = entity("customer", reference("main_contact", "contact", required=True))
    contact = entity("contact", reference("customer", "customer", required=True))
    with pytest.raises(Problem) as caught:
        read(customer, contact, customer="id,name,main_contact\nc,甲,p\n")
    assert [v.code for v in caught.value.violations] == ["cycle"]


DEPARTMENTS = "key,name,parent\nsales_east,华东区,sales\nsales,销售部,\n"
USERS = "username,name,email,department,manager,position\nlina,李娜,,sales_east,zhangwei,\nzhangwei,张伟,z@x.example,sales,,总监\n"


def test_people_come_after_their_superiors():
    people = read_people(package(_departments=DEPARTMENTS, _users=USERS))
    assert [department.key for department in people.departments] == ["sales", "sales_east"]
    assert [user.username for user in people.users] == ["zhangwei", "lina"]
    assert people.users[0].position == "总监"
    assert people.users[1].email is None


def test_a_package_without_people():
    assert read_people(package()).users == ()


@pytest.mark.parametrize(
    "sample, code, file, column",
    [
        ({"_users": "username,name\n,甲\n"}, "required", "sample/_users.csv", "username"),
        ({"_users": "username,name\na,\n"}, "required", "sample/_users.csv", "name"),
        ({"_users": "username,name\na,甲\na,乙\n"}, "duplicate", "sample/_users.csv", "username"),
        ({"_users": "username,name,manager\na,甲,b\n"}, "reference", "sample/_users.csv", "manager"),
        ({"_users": "username,name,department\na,甲,b\n"}, "reference", "sample/_users.csv", "department"),
        ({"_users": "username,name,manager\na,甲,b\nb,乙,a\n"}, "cycle", "sample/_users.csv", "manager"),
        ({"_departments": "key,name,parent\na,甲,a\n"}, "cycle", "sample/_departments.csv", "parent"),
        ({"_departments": "key,nam\na,甲\n"}, "unknown", "sample/_departments.csv", "nam"),
    ],
)
def test_faults_of_people_have_a_place(sample, code, file, column):
    with pytest.raises(Problem) as caught:
        read_people(package(**sample))
    assert (code, file, column) in [(v.code, v.params["file"], v.params.get("column")) for v in caught.value.violations]
