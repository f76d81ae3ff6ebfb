"""Why somebody may or may not see or change a record, for administrators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from builder.compiled.app import CompiledEntity
from builder.compiled.computing import viewer_values
from builder.definition.kinds import ROLES
from builder.fields.base import label_text
from builder.kernel.canonical import dump_json
from builder.kernel.text import Text, say
from builder.store.statement import Query, Unit
from formulas.schema import Context
from runtime.access.explaining import DEEDS, grant_text
from runtime.access.grants import ReadyGrant, roles_of
from runtime.access.sight import narrow, sight_of
from runtime.identity.actors import Actor
from runtime.query.variables import viewer
from runtime.records.caller import Caller
from runtime.records.holding import not_found
from runtime.records.rights import conditions_statement
from runtime.records.service import Records
from runtime.records.writer import Writing

JSON = Any
Also = Mapping[str, Callable[[Writing, Actor, CompiledEntity, str], Unit[dict[str, JSON]]]]


def explain(w: Writing, actor: Actor, entity: CompiledEntity, record_id: str) -> Unit[dict[str, JSON]]:
    """Return which grants let an actor do what with a record and its fields, texts in both languages.

    Raises:
        Problem: ``record.not_found`` for a record that is not there at all.
    """
    app = w.app
    roles = [role for role in app.definition.of(ROLES) if role.key in roles_of(app, actor)]
    shown: dict[str, JSON] = {
        "actor": {"id": actor.user_id, "name": actor.name, "role": actor.role},
        "roles": [{"key": role.key, "label": _both(label_text(role.label))} for role in roles],
    }
    if (not app.has_roles and actor.kind != "external") or actor.role == "admin":
        yield from holding_grants(w, actor, entity, record_id, ())
        reason = (
            say("管理员可以做一切", "An admin may do everything")
            if app.has_roles
            else say(
                "此应用没有角色:有账号的人都可读写", "The app has no roles: everybody with an account reads and writes"
            )
        )
        return {**shown, "deeds": {deed: _verdict(True, [reason]) for deed in DEEDS}, "fields": {}}
    sight = sight_of(narrow(app, frozenset(role.key for role in roles)))
    assert sight is not None
    grants = sight.grants.get(entity.key, ())
    holds = yield from holding_grants(w, actor, entity, record_id, grants)
    fine = [grant for grant, yes in zip(grants, holds, strict=True) if yes]
    seen = any(grant.may("read") for grant in fine)
    deeds = {}
    for deed in DEEDS:
        letting = [grant for grant in fine if grant.may(deed)]
        wanting = [grant for grant in grants if grant.may(deed) and grant not in fine]
        texts = [grant_text(app, grant.role, grant.grant, deed) for grant in letting]
        if not letting and not grants:
            texts = [say("没有角色涉及此实体", "No role names this entity")]
        elif not letting:
            texts = [_missed(grant_text(app, grant.role, grant.grant, deed)) for grant in wanting]
            texts = texts or [say("没有角色允许这样做", "No role lets do this")]
        deeds[deed] = _verdict(bool(letting) and (seen or deed == "create"), texts)
    fields = {key: _field_json(key, fine) for key in entity.fields}
    return {**shown, "deeds": deeds, "fields": fields}


def holding_grants(
    w: Writing, actor: Actor, entity: CompiledEntity, record_id: str, grants: tuple[ReadyGrant, ...]
) -> Unit[tuple[bool, ...]]:
    """Return for each of some grants of a person whether a record is among its rows.

    Raises:
        Problem: ``record.not_found`` for a record that is not there at all.
    """
    wanted = tuple((grant.rows,) for grant in grants)
    context = Context(now=w.now, zone=w.app.zone)
    statement = w.statements.kept(
        ("explain", entity.key, wanted),
        lambda dialect: conditions_statement(w.app, context, entity, wanted, dialect),
    )
    moment = viewer_values(viewer(w.app, actor, w.now))
    rows = yield Query(statement, {**moment, "ids": dump_json([record_id]).decode()})
    if not rows:
        raise not_found(entity, record_id)
    return tuple(bool(value) for value in rows[0][1:])


async def explain_record(
    records: Records, caller: Caller, app: str, entity: str, record_id: str, subject: Actor, also: Also
) -> dict[str, JSON]:
    """Return why somebody may or may not do things with a record; whoever asks has been let in by ``require_role``.

    Args:
        also: what other rooms say about it, by member.
    """

    def make(w: Writing, owner: CompiledEntity, known: str) -> Unit[dict[str, JSON]]:
        found = yield from explain(w, subject, owner, known)
        for member, say_more in also.items():
            found[member] = yield from say_more(w, subject, owner, known)
        return found

    return await records.read_beside(caller, app, entity, record_id, make)


def _missed(text: Text) -> Text:
    return say(f"{text.zh}(这条记录不符合)", f"{text.en} (this record does not fit)")


def _verdict(allowed: bool, texts: list[Text]) -> dict[str, JSON]:
    return {"allowed": allowed, "because": [_both(text) for text in texts]}


def _both(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def _field_json(key: str, fine: list[ReadyGrant]) -> dict[str, JSON]:
    whole = sorted({grant.role.key for grant in fine if key in grant.plain})
    part = sorted({grant.role.key for grant in fine if key in grant.masks})
    write = sorted({grant.role.key for grant in fine if grant.may("update") and key in grant.writable})
    return {"read": "whole" if whole else "part" if part else "hidden", "by": whole or part, "write": write}
