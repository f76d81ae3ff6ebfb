"""Who may ask for an approval of a record, and who may give it: what the grants of roles say. See docs/decisions/0019."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.definition.approval import Approval
from builder.definition.kinds import APPROVALS
from builder.fields.base import label_text
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from runtime.access.explaining import rows_text
from runtime.access.grants import ReadyGrant, ready_grants, roles_of
from runtime.identity.actors import Actor
from runtime.records.explaining import holding_grants
from runtime.records.rights import acting_sight
from runtime.records.seeing import whole_fields
from runtime.records.writer import Writing

JSON = Any
FindActor = Callable[[str], Unit[Actor | None]]
"""Finds a person with roles and place."""


class Answer(NamedTuple):
    """Whether something is allowed, and why (not)."""

    allowed: bool
    because: Text


def may_give(w: Writing, actor: Actor, entity: CompiledEntity, record_id: str, approval: str) -> Unit[Answer]:
    """Tell whether a person may give an approval of a record: one of their grants names it for such records.

    One that a later version has taken away runs on as it began, and no grant can name it any more: then who reads the record may.
    """
    app = w.app.whole
    if actor.role == "admin":
        return Answer(True, say("管理员可以做一切", "An admin may do everything"))
    if not app.has_roles and actor.kind != "external":
        return Answer(True, say("此应用没有角色", "The app has no roles"))
    granted = ready_grants(app, roles_of(app, actor)).get(entity.key, ())
    naming = tuple(grant for grant in granted if grant.grant.approvals == "all" or approval in grant.grant.approvals)
    if app.definition.find(APPROVALS, approval) is None:
        naming = tuple(grant for grant in granted if grant.may("read"))
    if not naming:
        return Answer(False, say("没有角色允许给出这个审批", "No role lets give this approval"))
    holds = yield from holding_grants(w, actor, entity, record_id, naming)
    held = [grant for grant, yes in zip(naming, holds, strict=True) if yes]
    text = _grant_text(w, (held or naming)[0])
    if held:
        return Answer(True, text)
    return Answer(False, say(f"{text.zh}(这条记录不符合)", f"{text.en} (this record does not fit)"))


def sees_field(w: Writing, actor: Actor, entity: CompiledEntity, record_id: str, field: str) -> Unit[bool]:
    """Tell whether a person sees a field of a record as it is."""
    app = w.app.whole
    if actor.role == "admin" or (not app.has_roles and actor.kind != "external"):
        return True
    granted = ready_grants(app, roles_of(app, actor)).get(entity.key, ())
    showing = tuple(grant for grant in granted if field in grant.plain)
    return bool(showing) and any((yield from holding_grants(w, actor, entity, record_id, showing)))


def with_seen_titles(w: Writing, found: Sequence[dict[str, JSON]]) -> Unit[list[dict[str, JSON]]]:
    """Return approvals with the titles of those records of which the caller sees the title."""
    sight = acting_sight(w)
    if sight is None:
        return list(found)
    ids: dict[str, set[str]] = {}
    for one in found:
        ids.setdefault(one["entity"], set()).add(one["record_id"])
    seen: set[tuple[str, str]] = set()
    for key in sorted(ids.keys() & w.app.entities.keys()):
        owner = w.app.entities[key]
        shown = yield from whole_fields(w, owner, ids[key])
        seen |= {(key, record_id) for record_id, fields in shown.items() if owner.title_key in fields}
    return [one if (one["entity"], one["record_id"]) in seen else {**one, "title": None} for one in found]


def _grant_text(w: Writing, ready: ReadyGrant) -> Text:
    name, rows = label_text(ready.role.label), rows_text(w.app.whole, ready.grant)
    return say(f"角色“{name.zh}”可以审批:{rows.zh}", f'The role "{name.en}" lets approve: {rows.en}')


def unable(
    w: Writing, find: FindActor, entity: CompiledEntity, record_id: str, approval: str, people: Sequence[str]
) -> Unit[dict[str, Text]]:
    """Return who of some people may not give an approval of a record, with their names and why."""
    found: dict[str, Text] = {}
    for user_id in people:
        actor = yield from find(user_id)
        if actor is None:
            found[user_id] = say("没有这个在职用户", "There is no such active user")
            continue
        answer = yield from may_give(w, actor, entity, record_id, approval)
        if not answer.allowed:
            zh, en = answer.because
            found[user_id] = say(f"{actor.name}:{zh}", f"{actor.name}: {en}")
    return found


def refuse_unable(reasons: Mapping[str, Text], what: Text) -> None:
    """Raise if there is anybody who may not give the approval.

    Raises:
        Problem: ``approval.refused`` with the names and the reasons.
    """
    if reasons:
        zh = f"{what.zh}:" + ";".join(reason.zh for reason in reasons.values())
        raise Problem("approval.refused", say(zh, f"{what.en}: " + "; ".join(reason.en for reason in reasons.values())))


def require_roles(w: Writing, document: Approval) -> None:
    """Let pass who has one of the roles that an approval asks for of who begins it; what the app does by itself passes.

    Raises:
        Problem: ``access.denied``.
    """
    actor = w.caller.actor
    if not document.roles or w.caller.for_app:
        return
    sight = acting_sight(w)
    held = frozenset({actor.role}) if sight is None and actor is not None else sight.roles if sight else frozenset()
    if actor is None or (actor.role != "admin" and held.isdisjoint(document.roles)):
        names = "、".join(document.roles), " or ".join(document.roles)
        raise Problem("access.denied", say(f"发起审批需要角色 {names[0]}", f"Asking for it needs the role {names[1]}"))


def explain_approvals(w: Writing, actor: Actor, entity: CompiledEntity, record_id: str) -> Unit[dict[str, JSON]]:
    """Return for each approval of an entity whether a person may give it for a record, and why, texts in both languages."""
    found: dict[str, JSON] = {}
    for document in w.app.whole.definition.of(APPROVALS):
        if document.entity == entity.key:
            answer = yield from may_give(w, actor, entity, record_id, document.key)
            found[document.key] = {"allowed": answer.allowed, "because": [answer.because._asdict()]}
    return found


def require_giver(w: Writing, actor: Actor, entity: CompiledEntity, record_id: str, approval: str) -> Unit[None]:
    """Let pass who may give an approval at this moment.

    Raises:
        Problem: ``access.denied`` with the reason.
    """
    answer = yield from may_give(w, actor, entity, record_id, approval)
    if not answer.allowed:
        raise Problem("access.denied", answer.because)
