"""A small world for the tests of the language: entities, rows, and both databases that hold them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from formulas import sqlite_functions
from formulas.batch_sql import from_sql
from formulas.schema import Context, FieldInfo
from formulas.sql import Dialect, to_condition, to_sql
from formulas.sqlforms.binds import DATE_TEXT, INSTANT_TEXT, SET_JSON, SET_TEXT, Scaled
from formulas.tree import Path, Tree
from formulas.types import BOOLEAN, DATE, DATETIME, PERSON, TEXT, decimal, integer, option, record, set_of

POSTGRES = os.environ.get("DOUGONG_FORMULA_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
CONTEXT = Context(now=datetime(2026, 11, 22, 12, 44, tzinfo=UTC), user="u1")

MONEY = decimal(2)
TAGS = option(("vip", "new", "cold"), (("贵宾", "vip"), ("cold", "new"), ("冷", "cold"), ("冷", "new")))
SCHEMA: dict[str, dict[str, FieldInfo]] = {
    "deal": {
        "id": FieldInfo("id", TEXT, label="编号"),
        "name": FieldInfo("name", TEXT, label="名称"),
        "level": FieldInfo("level", option(("A", "B", "C"), (("重点", "A"),)), label="客户等级"),
        "amount": FieldInfo("amount", MONEY, label="金额（元）"),
        "count": FieldInfo("count", integer(9), label="数量"),
        "won": FieldInfo("won", BOOLEAN, label="已赢单"),
        "due_on": FieldInfo("due_on", DATE, label="到期日"),
        "touched_at": FieldInfo("touched_at", DATETIME, label="最近跟进"),
        "tags": FieldInfo("tags", set_of(TAGS), label="标签"),
        "owner": FieldInfo("owner", PERSON, label="负责人"),
        "customer": FieldInfo("customer", record("customer"), "customer", label="客户"),
        "payments": FieldInfo("payments", set_of(record("payment")), "payment", many=True, label="回款"),
    },
    "customer": {
        "id": FieldInfo("id", TEXT, label="编号"),
        "name": FieldInfo("name", TEXT, label="客户名称"),
        "level": FieldInfo("level", option(("A", "B", "C")), label="等级"),
        "parent": FieldInfo("parent", record("customer"), "customer", label="上级"),
        "deals": FieldInfo("deals", set_of(record("deal")), "deal", many=True, label="商机"),
    },
    "payment": {
        "id": FieldInfo("id", TEXT, label="编号"),
        "amount": FieldInfo("amount", MONEY, label="金额"),
        "status": FieldInfo("status", option(("paid", "open")), label="状态"),
        "paid_on": FieldInfo("paid_on", DATE, label="到账日"),
        "deal": FieldInfo("deal", record("deal"), "deal", label="商机"),
    },
}


class WorldSchema:
    def find_field(self, entity: str, key: str) -> FieldInfo | None:
        return SCHEMA.get(entity, {}).get(key)

    def fields(self, entity: str) -> Iterable[tuple[str, str]]:
        return [(field.key, field.label) for field in SCHEMA.get(entity, {}).values()]


WORLD = WorldSchema()

CUSTOMERS: list[dict[str, Any]] = [
    {"id": "c1", "name": "张三公司", "level": "A", "parent": None},
    {"id": "c2", "name": "Élan", "level": "B", "parent": "c1"},
    {"id": "c3", "name": None, "level": None, "parent": "c2"},
]
_DEAL_KEYS = ("id", "name", "level", "amount", "count", "won", "due_on", "touched_at", "tags", "owner", "customer")
_NOON = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
_DEALS: list[tuple[Any, ...]] = [
    ("d1", "张三 100%", "A", Decimal("1234.50"), 3, True, date(2024, 2, 29), _NOON, ("vip", "new"), "u1", "c1"),
    ("d2", "É_tude", "B", Decimal("0.00"), 0, False, date(2024, 3, 1), None, (), "u2", "c2"),
    ("d3", None, None, None, None, None, None, None, None, None, None),
    ("d4", "abc", "C", Decimal("-0.05"), -7, False, date(1999, 12, 31), CONTEXT.now, ("cold",), "u1", "c3"),
    ("d5", "ABC", "A", Decimal("9999999999.99"), 7, None, date(2026, 11, 22), _NOON, ("new",), None, "c1"),
    ("d6", "李四\u3000😀", "A", Decimal("12.34"), 2, True, None, None, ("vip", "new", "cold"), "u3", None),
]
DEALS = [dict(zip(_DEAL_KEYS, row, strict=True)) for row in _DEALS]
PAYMENTS: list[dict[str, Any]] = [
    {"id": "p1", "amount": Decimal("100.10"), "status": "paid", "paid_on": date(2024, 1, 31), "deal": "d1"},
    {"id": "p2", "amount": Decimal("0.90"), "status": "open", "paid_on": None, "deal": "d1"},
    {"id": "p3", "amount": None, "status": "paid", "paid_on": date(2024, 5, 1), "deal": "d1"},
    {"id": "p4", "amount": Decimal("7.00"), "status": None, "paid_on": None, "deal": "d2"},
    {"id": "p5", "amount": Decimal("10.00"), "status": "paid", "paid_on": date(2026, 1, 1), "deal": "d5"},
    {"id": "p6", "amount": Decimal("10.00"), "status": "open", "paid_on": date(2025, 1, 1), "deal": "d5"},
]


def column_type(field: FieldInfo, dialect: Dialect) -> Any:
    """The storage of a field, as a product would choose it."""
    plain: dict[str, Any] = {"integer": sa.BigInteger(), "boolean": sa.Boolean()}
    if field.type.kind in plain:
        return plain[field.type.kind]
    if dialect == "sqlite":
        special = {"decimal": Scaled(field.type.scale), "date": DATE_TEXT, "datetime": INSTANT_TEXT, "set": SET_TEXT}
        return special.get(field.type.kind, sa.Text())
    numeric = sa.Numeric(30, field.type.scale)
    native = {"decimal": numeric, "date": sa.Date(), "datetime": sa.TIMESTAMP(timezone=True), "set": SET_JSON}
    return native.get(field.type.kind, sa.Text(collation="C"))


def make_tables(dialect: Dialect) -> dict[str, sa.Table]:
    metadata = sa.MetaData()
    prefixes = ["TEMPORARY"]
    return {
        entity: sa.Table(
            f"formula_{entity}",
            metadata,
            *(sa.Column(field.key, column_type(field, dialect)) for field in fields.values() if not field.many),
            prefixes=prefixes,
        )
        for entity, fields in SCHEMA.items()
    }


class Rows:
    """A resolver over plain tables: to-one paths become outer joins, to-many relations correlated selects."""

    def __init__(self, tables: dict[str, sa.Table], entity: str) -> None:
        self.tables = tables
        self.entity = entity
        self.root = tables[entity].alias()
        self.joins: dict[tuple[str, ...], tuple[str, sa.FromClause]] = {(): (entity, self.root)}
        self.source: Any = self.root

    def target(self, steps: tuple[str, ...]) -> tuple[str, sa.FromClause]:
        if steps not in self.joins:
            entity, alias = self.target(steps[:-1])
            info = SCHEMA[entity][steps[-1]]
            assert info.target_entity is not None
            joined = self.tables[info.target_entity].alias()
            self.source = self.source.outerjoin(joined, alias.c[steps[-1]] == joined.c.id)
            self.joins[steps] = (info.target_entity, joined)
        return self.joins[steps]

    def column(self, path: Path) -> sa.ColumnElement[Any]:
        _, alias = self.target(path.steps[:-1])
        return alias.c[path.steps[-1]]

    def related(self, relation: tuple[str, ...]) -> RelatedRows:
        entity, alias = self.target(relation[:-1])
        info = SCHEMA[entity][relation[-1]]
        assert info.target_entity is not None
        return RelatedRows(Rows(self.tables, info.target_entity), alias, entity)


class RelatedRows:
    def __init__(self, rows: Rows, parent: sa.FromClause, parent_entity: str) -> None:
        self.resolver = rows
        self.parent = parent
        self.back = parent_entity

    def select(self, columns: Sequence[Any], condition: Any) -> sa.Select[Any]:
        query = sa.select(*columns).select_from(self.resolver.source)
        query = query.where(self.resolver.root.c[self.back] == self.parent.c.id)
        query = query.correlate_except(*(alias for _, alias in self.resolver.joins.values()))
        return query if condition is None else query.where(condition)


class Base:
    """One database with the rows of this world in temporary tables."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect: Dialect = dialect
        url = "sqlite://" if dialect == "sqlite" else POSTGRES.replace("postgresql://", "postgresql+psycopg://")
        self.engine = sa.create_engine(url, poolclass=sa.pool.StaticPool)
        self.connection = self.engine.connect()
        if dialect == "sqlite":
            sqlite_functions.install(self.connection.connection.dbapi_connection)  # type: ignore[arg-type]
        self.tables = make_tables(dialect)
        next(iter(self.tables.values())).metadata.create_all(self.connection, checkfirst=False)
        for entity, rows in (("customer", CUSTOMERS), ("deal", DEALS), ("payment", PAYMENTS)):
            self.connection.execute(self.tables[entity].insert(), rows)

    def close(self) -> None:
        self.connection.close()
        self.engine.dispose()

    def values(self, tree: Tree, entity: str = "deal") -> dict[str, Any]:
        """The value of a tree for every row, by id."""
        rows = Rows(self.tables, entity)
        column = to_sql(tree, rows, self.dialect, CONTEXT)
        query = sa.select(rows.root.c.id, column.label("value")).select_from(rows.source)
        return {row.id: from_sql(row.value, tree.type) for row in self.connection.execute(query)}

    def matching(self, tree: Tree, entity: str = "deal", values: tuple[Any, ...] = ()) -> list[str]:
        """The ids of the rows that a condition finds."""
        rows = Rows(self.tables, entity)
        condition = to_condition(tree, rows, self.dialect)
        query = sa.select(rows.root.c.id).select_from(rows.source).where(condition).order_by(rows.root.c.id)
        parameters = {f"p{index}": value for index, value in enumerate(values)}
        return list(self.connection.execute(query, parameters).scalars())


def nested(entity: str, record: dict[str, Any], depth: int = 4) -> dict[str, Any]:
    """A record as the record back end reads it: relations followed, to a depth."""
    sources = {"customer": CUSTOMERS, "deal": DEALS, "payment": PAYMENTS}
    found = dict(record)
    for field in SCHEMA[entity].values():
        if field.target_entity is None or depth == 0:
            continue
        rows = sources[field.target_entity]
        if field.many:
            inner = [row for row in rows if row[entity] == record["id"]]
            found[field.key] = [nested(field.target_entity, row, depth - 1) for row in inner]
        else:
            one = next((row for row in rows if row["id"] == record[field.key]), None)
            found[field.key] = None if one is None else nested(field.target_entity, one, depth - 1)
    return found
