"""The record itself: who made it and when, and, in rules of a write, what it was before."""

from __future__ import annotations

from typing import Any

from formulas.functions.declare import Family, Result, same
from formulas.schema import Context
from formulas.types import BOOLEAN, DATETIME, PERSON, TEXT, Type

RECORD = Family("record", portable=False)

#: Functions that are names for a system field of the record; the checker puts the field in their place.
SYSTEM_FIELDS = {
    "RECORDID": "id",
    "CREATEDBY": "created_by",
    "CREATEDTIME": "created_at",
    "MODIFIEDBY": "updated_by",
    "MODIFIEDTIME": "updated_at",
}


def _system(name: str, result: Type, zh: str, en: str) -> None:
    RECORD.add(name, "", result, zh, en, nulls="N", gives_blank=True)(lambda: None)


_system("RECORDID", TEXT, "记录编号：本记录的 id", "The id of this record.")
_system("CREATEDBY", PERSON, "创建人：创建本记录的人", "Who created this record.")
_system("CREATEDTIME", DATETIME, "创建时间：本记录的创建时间", "When this record was created.")
_system("MODIFIEDBY", PERSON, "修改人：最后修改本记录的人", "Who last changed this record.")
_system("MODIFIEDTIME", DATETIME, "修改时间：本记录最后修改的时间", "When this record was last changed.")
_system("AUTONUMBER", TEXT, "自动编号：本记录的自动编号字段", "The auto number of this record.")


@RECORD.add(
    "LOOKUP",
    "A",
    same(),
    "取关联值：沿对一关联取值，与直接写路径相同",
    "The value at the end of a path over to-one relations; the same as the path alone.",
    ("LOOKUP(5)", 5),
    nulls="N",
)
def _lookup(value: Any) -> Any:
    return value


def _change(name: str, signature: str, result: Result, zh: str, en: str, run: Any) -> None:
    RECORD.add(name, signature, result, zh, en, nulls="N", needs_context=True, volatility="context", gives_blank=True)(
        run
    )


#: Functions whose argument is a field and not only its value; their trees carry the field's key as a first argument.
OF_FIELDS = ("PRIORVALUE", "ISCHANGED")


def _is_new(context: Context) -> bool:
    return context.before is None


def _prior(context: Context, key: str, _now: Any) -> Any:
    return None if context.before is None else context.before.get(key)


def _is_changed(context: Context, key: str, now: Any) -> bool:
    before: Any = _prior(context, key, now)
    return bool(before != now)


_change(
    "ISNEW",
    "",
    BOOLEAN,
    "是新记录：写入规则中，记录是否正在创建",
    "In rules of a write: whether the record is being created.",
    _is_new,
)
_change(
    "PRIORVALUE",
    "A",
    same(),
    "原值：写入规则中，字段修改前的值，如 PRIORVALUE(status)",
    "In rules of a write: the value a field had before, as in PRIORVALUE(status).",
    _prior,
)
_change(
    "ISCHANGED",
    "A",
    BOOLEAN,
    "已修改：写入规则中，字段的值是否改变，如 ISCHANGED(status)",
    "In rules of a write: whether the value of a field changes, as in ISCHANGED(status).",
    _is_changed,
)
