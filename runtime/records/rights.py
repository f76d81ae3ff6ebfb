"""Rights in the one write path: rows before and after a write, fields per record, links. See docs/decisions/0014.

What follows from a write (automations, timers) acts for the app and is not judged here, unless it is done in somebody's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import viewer_values
from builder.compiled.recompute import listed_ids
from builder.compiled.resolver import Joins
from builder.fields.base import Invalid
from builder.fields.parts.many import SOURCE
from builder.fields.reference import ReferenceField, unknown_target
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import errors_found, say
from builder.store.statement import Query, Unit
from builder.store.types import Identifier
from formulas.errors import CellError
from formulas.evaluate import Program
from formulas.nodes import asks_directory
from formulas.schema import Context
from formulas.tree import Tree
from runtime.access.sight import RoleSight, any_of
from runtime.query.json_rows import json_object
from runtime.query.statements import as_text, sql_dialect
from runtime.query.variables import viewer
from runtime.records.linking import pointer_in
from runtime.records.lookups import Lookups, looked_up
from runtime.records.rights_at_hand import holds_at_hand, is_at_hand, would_hold

if TYPE_CHECKING:
    from runtime.records.seams import Intent
    from runtime.records.writer import Writing

_CHUNK = 1_000


def acting_sight(w: Writing) -> RoleSight | None:
    """Return what the caller's roles see and may do; None: everything, as for what follows from a write."""
    return None if w.caller.for_app else w.sight


def body_entity(w: Writing, entity: CompiledEntity) -> CompiledEntity:
    """Return an entity with the fields that the caller's body may name."""
    sight = acting_sight(w)
    return entity if sight is None else sight.bodies.get(entity.key, entity)


class Rights:
    """The rule of the write path that judges by roles."""

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Every entity of an app with roles."""
        return app.whole.has_roles

    def judge(self, w: Writing, intents: Sequence[Intent]) -> Unit[list[Violation]]:
        """Refuse what no grant lets do; what only the written record can tell is looked at after the write.

        Raises:
            Problem: ``access.denied``, ``record.referenced`` for a hidden record that would go too.
        """
        sight = acting_sight(w)
        if sight is None:
            return []
        deed, entity = intents[0].deed, intents[0].entity
        if entity.link is not None:  # whoever may write the field may write its links, but only to what is seen
            if deed != "deleted":
                _links_of(w, sight).intents.append((entity, tuple(intents)))
            return []
        if deed == "deleted":
            yield from _judge_deletion(w, sight, entity, intents)
            return []
        if deed == "updated":
            yield from _judge_changes(w, sight, entity, [intent for intent in intents if intent.changed])
        elif not sight.may(entity.key, "create"):
            raise sight.refusal(entity.key, "create")
        _links_of(w, sight).intents.append((entity, tuple(intents)))
        w.course.after.append(partial(_look_after, sight=sight, entity=entity, intents=tuple(intents)))
        return []


# -- before ---------------------------------------------------------------------------------------------------------------


def require_seen(w: Writing, entity: CompiledEntity, record_id: str) -> Unit[bool]:
    """Tell whether the caller sees a record that is there."""
    sight = acting_sight(w)
    if sight is None or entity.link is not None or sight.sees_all(entity.key):
        return True
    return bool((yield from seen_ids(w, sight, entity, [record_id])))


def would_be_seen(w: Writing, entity: CompiledEntity, shown: Mapping[str, Any]) -> Unit[bool]:
    """Tell whether the caller would see a record if it was like this; where only the database could tell, they would not."""
    sight = acting_sight(w)
    if sight is None or sight.sees_all(entity.key):
        return True
    return (yield from would_hold(w, entity, sight.rows_for(entity.key, "read"), shown))


def may_change(w: Writing, entity: CompiledEntity, record_id: str) -> Unit[bool]:
    """Tell whether the caller may change a record that is there."""
    sight = acting_sight(w)
    if sight is None:
        return True
    rows = yield from _judged(w, sight, entity, "changeable", (sight.rows_for(entity.key, "update"),), [record_id])
    return rows.get(record_id) == (True,)


def require_changeable(w: Writing, entity: CompiledEntity, record_id: str) -> Unit[None]:
    """Let pass who may change a record that is there.

    Raises:
        Problem: ``access.denied``.
    """
    if not (yield from may_change(w, entity, record_id)):
        raise Problem("access.denied", say("您的角色不能修改这条记录", "Your roles do not let you change this record"))


def seen_of(w: Writing, entity: CompiledEntity, ids: Iterable[str]) -> Unit[set[str]]:
    """Return which of some records the caller sees, whoever that is."""
    sight = acting_sight(w)
    if sight is None or sight.sees_all(entity.key):
        return set(ids)
    return (yield from seen_ids(w, sight, entity, ids))


def seen_ids(w: Writing, sight: RoleSight, entity: CompiledEntity, ids: Iterable[str]) -> Unit[set[str]]:
    """Return which of some records the caller sees."""
    rows = yield from _judged(w, sight, entity, "seen", (sight.rows_for(entity.key, "read"),), ids)
    return {record_id for record_id, (fine,) in rows.items() if fine}


def _judge_changes(w: Writing, sight: RoleSight, entity: CompiledEntity, intents: Sequence[Intent]) -> Unit[None]:
    if not intents:
        return
    if not sight.may(entity.key, "update"):
        raise sight.refusal(entity.key, "update")
    grants = [grant for grant in sight.grants[entity.key] if grant.may("update")]
    wanted = tuple((grant.rows,) for grant in grants)
    rows = yield from _judged(w, sight, entity, "update", wanted, [intent.record_id for intent in intents])
    violations: list[Violation] = []
    for intent in intents:
        fine = rows.get(intent.record_id, ())
        held = [grant for grant, yes in zip(grants, fine, strict=False) if yes]
        if not held:
            text = say("您的角色不能修改这条记录", "Your roles do not let you change this record")
            raise Problem("access.denied", text, violations=[Violation("rows", intent.pointer, text)])
        writable = frozenset[str]().union(*(grant.writable for grant in held))
        kept = frozenset(w.course.warrants.get((entity.key, intent.record_id), ()))  # the transition's right
        violations += _fixed(sight, entity, intent.changed - writable - kept, intent.pointer)
    _deny(violations)


def _judge_deletion(w: Writing, sight: RoleSight, entity: CompiledEntity, intents: Sequence[Intent]) -> Unit[None]:
    ids = [intent.record_id for intent in intents]
    wanted = (sight.rows_for(entity.key, "read"), sight.rows_for(entity.key, "delete"))
    rows = yield from _judged(w, sight, entity, "delete", wanted, ids)
    for record_id in ids:
        seen, may_go = rows.get(record_id, (False, False))
        if not seen:
            raise hidden_reference()
        if not may_go:
            raise sight.refusal(entity.key, "delete")


def hidden_reference() -> Problem:
    """Say that a record cannot go because of others that the caller does not see."""
    return Problem("record.referenced", say("仍被引用,不能删除", "It is still referenced and cannot be deleted"))


def _fixed(sight: RoleSight, entity: CompiledEntity, keys: Iterable[str], pointer: str) -> list[Violation]:
    found = []
    for key in sorted(keys):
        if key in sight.bodies[entity.key].fields:
            message = say("您的角色不能填写或修改此字段", "Your roles do not let you write this field")
            found.append(Violation("fixed", f"{pointer}/{key}", message))
    return found


def _deny(violations: list[Violation]) -> None:
    if violations:
        count = len(violations)
        text = say(f"有 {count} 处没有权限", f"There are {count} things your roles do not let you do")
        raise Problem("access.denied", text, violations=violations)


# -- after ----------------------------------------------------------------------------------------------------------------


def _look_after(w: Writing, *, sight: RoleSight, entity: CompiledEntity, intents: Sequence[Intent]) -> Unit[None]:
    """Look at records as they were written: within the rows, with no field and no link they may not have."""
    deed = "create" if intents[0].deed == "created" else "update"
    intents = [intent for intent in intents if intent.changed or deed == "create"]
    if not intents:
        return
    grants = [grant for grant in sight.grants[entity.key] if grant.may(deed)]
    wanted = tuple((grant.after,) for grant in grants)
    rows = yield from _judged(w, sight, entity, f"after {deed}", wanted, [intent.record_id for intent in intents])
    violations: list[Violation] = []
    for intent in intents:
        held = [grant for grant, yes in zip(grants, rows.get(intent.record_id, ()), strict=False) if yes]
        if not held:
            text = say(
                "写入后的记录超出您的权限范围",
                "As written, the record would be outside of what your roles let you write",
            )
            violations.append(Violation("rows", intent.pointer, text))
        elif deed == "create":
            writable = frozenset[str]().union(*(grant.writable for grant in held))
            violations += _fixed(sight, entity, (intent.given or frozenset()) - writable, intent.pointer)
    _deny(violations)


class _Links:
    """Refuses links to what the caller does not see, in the words for what is not there."""

    def __init__(self, sight: RoleSight) -> None:
        self.sight = sight
        self.intents: list[tuple[CompiledEntity, tuple[Intent, ...]]] = []

    def __call__(self, w: Writing) -> Unit[None]:
        """Look at all links of a write."""
        violations: list[Violation] = []
        for entity, intents in self.intents:
            violations += yield from _hidden_links(w, self.sight, entity, intents)
        if violations:
            count = len(violations)
            raise Problem("record.invalid", errors_found(count), violations=violations)


def _links_of(w: Writing, sight: RoleSight) -> _Links:
    """Return what looks at links: first of all, and all at once, as the database refuses what is not there."""
    links = w.course.after[0] if w.course.after else None
    if not isinstance(links, _Links):
        links = _Links(sight)
        w.course.after.insert(0, links)
    return links


def _hidden_links(
    w: Writing, sight: RoleSight, entity: CompiledEntity, intents: Sequence[Intent]
) -> Unit[list[Violation]]:
    violations: list[Violation] = []
    for field in entity.plain:
        if not isinstance(field, ReferenceField) or field.key == SOURCE or sight.sees_all(field.entity):
            continue
        pointing = [(i, str(i.after[field.key])) for i in intents if field.key in i.changed and i.after.get(field.key)]
        if not pointing:
            continue
        seen = yield from seen_ids(w, sight, w.app.entities[field.entity], {target for _, target in pointing})
        for intent, target in pointing:
            if target not in seen:
                nowhere = unknown_target(target)
                place = pointer_in(intent.pointer, field.key)
                violations.append(Violation("reference", place, nowhere.message, nowhere.params))
    return violations


# -- statements -----------------------------------------------------------------------------------------------------------

_Rows = tuple[Tree | None, ...]


def _judged(
    w: Writing, sight: RoleSight, entity: CompiledEntity, name: str, wanted: tuple[_Rows, ...], ids: Iterable[str]
) -> Unit[dict[str, tuple[bool, ...]]]:
    """Return for each record that is there which of the conditions hold (each: any of some rows)."""
    listed = sorted(set(ids))
    known = _known_ahead(w, entity, wanted, listed)
    if known is not None:
        return (yield from _judged_at_hand(w, entity, wanted, known))
    statement = w.statements.kept(
        ("rights", sight.key, entity.key, name),
        lambda dialect: conditions_statement(w.app, sight.context, entity, wanted, dialect),
    )
    moment = viewer_values(viewer(w.app, w.caller.actor, w.now))
    found: dict[str, tuple[bool, ...]] = {}
    for start in range(0, len(listed), _CHUNK):
        rows = yield Query(statement, {**moment, "ids": dump_json(listed[start : start + _CHUNK]).decode()})
        found |= {str(row[0]): tuple(bool(value) for value in row[1:]) for row in rows}
    return found


def _known_ahead(
    w: Writing, entity: CompiledEntity, wanted: tuple[_Rows, ...], ids: Sequence[str]
) -> dict[str, Mapping[str, Any]] | None:
    """Return records as a write that is run ahead knows them, if they can be judged so."""
    ahead = w.course.ahead
    if ahead is None or not all((entity.key, record_id) in ahead.known for record_id in ids):
        return None
    if not all(is_at_hand(w, entity, rows) for rows in wanted):
        return None
    return {record_id: ahead.known[entity.key, record_id].shown for record_id in ids}


def _judged_at_hand(
    w: Writing, entity: CompiledEntity, wanted: tuple[_Rows, ...], known: Mapping[str, Mapping[str, Any]]
) -> Unit[dict[str, tuple[bool, ...]]]:
    found: dict[str, tuple[bool, ...]] = {}
    for record_id, shown in known.items():
        fine = []
        for rows in wanted:
            fine.append((yield from holds_at_hand(w, entity, rows, shown)))
        found[record_id] = tuple(fine)
    return found


def conditions_statement(
    app: CompiledApp, context: Context, entity: CompiledEntity, wanted: tuple[_Rows, ...], dialect: str
) -> sa.Select[Any]:
    """Return the statement that says of listed records which conditions hold."""
    whole = app.whole
    joins = Joins(whole, whole.entities[entity.key], entity.table, sql_dialect(dialect))
    conditions = [any_of(rows, joins, joins.dialect, context) for rows in wanted]
    flags: list[sa.ColumnElement[Any]] = [
        sa.case((condition, sa.literal_column("1")), else_=sa.literal_column("0")) for condition in conditions
    ]
    chosen = sa.select(entity.table.c.id, *flags).select_from(joins.from_clause())
    return chosen.where(entity.table.c.id.in_(listed_ids(dialect).correlate(None)))


# -- new records ----------------------------------------------------------------------------------------------------------


def with_role_defaults(w: Writing, entity: CompiledEntity, values: Mapping[str, Any]) -> Unit[dict[str, Any]]:
    """Return the values of a new record with what the caller's grants give where it says nothing."""
    filled = dict(values)
    sight = acting_sight(w)
    if sight is None:
        return filled
    context = viewer(w.app, w.caller.actor, w.now)
    for grant in sight.grants.get(entity.key, ()):
        if not grant.may("create"):
            continue
        for key, made in grant.defaults.items():
            if filled.get(key) is not None:
                continue
            if asks_directory(made.tree):
                value = yield from looked_up(w, partial(_asking, made, context))
            else:
                value = over_actor(made, context)
            if value is None:
                continue
            field = entity.fields[key]
            try:
                filled[key] = field.coerce(field.to_json(value))
            except Invalid:
                continue
    return filled


def _asking(made: Program, context: Context, lookups: Lookups) -> Any:
    return over_actor(made, replace(context, directory=lookups))


def over_actor(made: Program, context: Context) -> Any:
    """Return the value of a formula that knows the actor and no record; None for a blank or an error."""
    value = made.run(_Nothing(), context)
    return None if isinstance(value, CellError) else value


class _Nothing:
    """A record without values: defaults are over the actor."""

    def value(self, steps: tuple[str, ...]) -> Any:
        """Blank."""
        return None

    def rows(self, relation: tuple[str, ...]) -> Sequence[_Nothing]:
        """None."""
        return ()


def without_unchanged(
    w: Writing, entity: CompiledEntity, record_id: str, body: dict[str, Any], held: Mapping[str, Any]
) -> Unit[dict[str, Any]]:
    """Return a body without what merely came back as the caller sees it: the mask of a phone is no new phone."""
    sight = acting_sight(w)
    keys = [] if sight is None else sorted(k for k in body if (entity.key, k) in sight.fields and k in held)
    if sight is None or not keys:
        return body
    columns = tuple(keys)
    statement = w.statements.kept(
        ("as seen", sight.key, entity.key, columns),
        lambda dialect: _as_seen(w.app, sight, entity, columns, dialect),
    )
    values = {**viewer_values(viewer(w.app, w.caller.actor, w.now)), "id": record_id}
    rows = yield Query(statement, values)
    seen = parse_json(rows[0][0]) if rows else {}
    return {key: value for key, value in body.items() if not (key in seen and value == seen[key] != held[key])}


def _as_seen(
    app: CompiledApp, sight: RoleSight, entity: CompiledEntity, keys: tuple[str, ...], dialect: str
) -> sa.Select[Any]:
    """Return the statement that shows some fields of a record as the caller sees them, as JSON."""
    joins = Joins(replace(app, sight=sight, _whole=app), entity, entity.table, sql_dialect(dialect))
    members = [(key, entity.fields[key].json_sql(joins.at((key,)), dialect)) for key in keys]
    shown = as_text(json_object(members, dialect), dialect)
    here = entity.table.c.id == sa.bindparam("id", type_=Identifier())
    return sa.select(shown).select_from(joins.from_clause()).where(here)
