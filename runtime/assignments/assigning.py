"""Carrying decisions out: giving, claiming, releasing, taking back. Units of the one write path."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from builder.compiled.app import CompiledEntity
from builder.definition.assignment import Assignment, Pool
from builder.definition.kinds import ASSIGNMENTS, names_of
from builder.kernel.problems import Problem, key_hint
from builder.kernel.text import Text, counted, say
from builder.store.statement import Unit
from runtime.approvals.rights import sees_field
from runtime.assignments.candidates import count_open, known_people
from runtime.assignments.choosing import decide
from runtime.assignments.lateness import came_late, may_claim, taken
from runtime.assignments.rows import (
    count_claims,
    decision_row,
    keep_decision,
    keep_pool,
    keep_turn,
    leave_pool,
    lost_since,
    note_pool_write,
    pooled,
    take_head,
    words_only,
)
from runtime.automations.ports import Chosen, Letter, Ports
from runtime.expressions.prepared import Subject
from runtime.identity.actors import SYSTEM
from runtime.records.caller import Caller
from runtime.records.changes import update_record
from runtime.records.rights import require_changeable
from runtime.records.writer import Writing

JSON = Any
_PUT_OFF = timedelta(days=1)


class RuleAssigner:
    """The port of the ``assign`` action, and what people do with the pool."""

    def __init__(self, ports: Callable[[], Ports]) -> None:
        self._ports = ports

    def assign(self, w: Writing, subject: Subject, rule: str) -> Unit[Chosen]:
        """Let a rule choose, write the choice into the record and keep the decision."""
        document = get_rule(w, rule)
        sequence = yield from take_head(w, document.entity)
        made = yield from decide(w, self._ports(), subject, document)
        former = subject.shown.get(document.person)
        if made.user_id is not None:
            yield from self._give(w, document, subject, made.user_id)
            yield from keep_turn(w, document.key, made.user_id, sequence)
            kind = "assigned"
        elif document.otherwise == "pool":
            yield from _write(w, subject, document.person, None)
            yield from keep_pool(w, document.key, document.entity, subject.record_id, None, None)
            kind = "pooled"
        else:
            kind = "left"
        row = decision_row(document, subject.record_id, kind, made.user_id, former, sequence)
        yield from keep_decision(w, row, words_only(made.text) | {"steps": made.to_json()})
        if kind == "pooled":
            return Chosen(None, say(f"进入公海:{made.text.zh}", f"To the pool: {made.text.en}"))
        return Chosen(made.user_id, made.text)

    def claim(self, w: Writing, subject: Subject) -> Unit[None]:
        """Give a record of the pool to who asks for it.

        Raises:
            Problem: ``pool.taken`` if somebody else was faster, ``pool.refused`` with the reason, ``access.denied`` if they could not
                change it then.
        """
        user_id = _person(w)
        sequence = yield from take_head(w, subject.entity.key)
        found = yield from pooled(w, subject.entity.key, subject.record_id)
        if found is None or found[1] is not None:
            if (yield from self.came_late(w, subject.entity, subject.record_id)):
                raise taken()
            raise refused(say("这条记录不在公海中", "This record is not in the pool"))
        document = get_rule(w, found[0])
        if subject.shown.get(document.person) is not None:
            raise refused(say("这条记录已有负责人", "Somebody has this record"))
        pool = document.pool or Pool()
        yield from self._check_quota(w, document, pool, subject, user_id)
        yield from self._give(w, document, subject, user_id)
        if pool.claimers is None:  # a seller may change what is theirs: it is asked once it is
            yield from require_changeable(w, subject.entity, subject.record_id)
        former = subject.shown.get(document.person)
        text = say("从公海领取", "Claimed from the pool")
        yield from keep_decision(
            w, decision_row(document, subject.record_id, "claimed", user_id, former, sequence), words_only(text)
        )

    def came_late(self, w: Writing, entity: CompiledEntity, record_id: str) -> Unit[bool]:
        """Whether somebody else was faster, so that who asks may be told."""
        return (yield from came_late(w, self._ports(), entity, record_id))

    def release(self, w: Writing, subject: Subject, reason: str) -> Unit[None]:
        """Put a record back into the pool: who has it may, and an admin.

        Raises:
            Problem: ``pool.refused``.
        """
        user_id = _person(w)
        sequence = yield from take_head(w, subject.entity.key)
        found = yield from pooled(w, subject.entity.key, subject.record_id)
        document = get_rule(w, found[0]) if found is not None else _pool_rule(w, subject.entity.key)
        former = subject.shown.get(document.person)
        if former is None:
            raise refused(say("这条记录没有负责人", "Nobody has this record"))
        is_admin = w.caller.actor is not None and w.caller.actor.role == "admin"
        if former != user_id and not is_admin:
            raise refused(say("只有负责人可以退回", "Only who has it can give it back"))
        yield from _write(_as_system(w), subject, document.person, None)
        yield from keep_pool(w, document.key, document.entity, subject.record_id, None, None)
        text = say(f"退回公海:{reason}", f"Given back to the pool: {reason}")
        yield from keep_decision(
            w, decision_row(document, subject.record_id, "released", None, former, sequence), words_only(text)
        )

    def reclaim(self, w: Writing, subject: Subject, rule: str, holder: str) -> Unit[bool]:
        """Take a record back whose holder has not worked on it; return whether it was."""
        document = w.app.definition.find(ASSIGNMENTS, rule)
        if document is None or document.pool is None or subject.shown.get(document.person) != holder:
            yield from leave_pool(w, subject.entity.key, subject.record_id)
            return False
        if (yield from self._ports().expressions.holds(w, subject, document.pool.kept_if)):
            yield from leave_pool(w, subject.entity.key, subject.record_id)
            return False
        sequence = yield from take_head(w, subject.entity.key)
        title = yield from self._title_for(w, subject, holder)  # as long as it is theirs
        yield from _write(w, subject, document.person, None)
        yield from keep_pool(w, rule, document.entity, subject.record_id, None, None)
        hours = document.pool.reclaim_hours or 0
        text = say(f"{hours} 小时内未跟进,收回公海", f"Nothing was done in {counted(hours, 'hour')}: back to the pool")
        yield from self._tell_holder(w, subject, holder, title, text)
        yield from keep_decision(
            w, decision_row(document, subject.record_id, "reclaimed", None, holder, sequence), words_only(text)
        )
        return True

    def put_off(self, w: Writing, subject: Subject, rule: str, holder: str, reason: Text) -> Unit[None]:
        """Leave a record with its holder for a day more, as it cannot be taken back; the reason is kept, and told to those who can mend it."""
        document = get_rule(w, rule)
        sequence = yield from take_head(w, subject.entity.key)
        yield from keep_pool(w, rule, document.entity, subject.record_id, holder, w.now + _PUT_OFF)
        text = say(f"到期未能收回:{reason.zh}", f"Due, and could not be taken back: {reason.en}")
        row = decision_row(document, subject.record_id, "kept", holder, holder, sequence)
        yield from keep_decision(w, row, words_only(text))
        ports, label = self._ports(), subject.entity.label()
        builders: list[str] = []
        for role in ("admin", "builder"):
            builders += yield from ports.people.with_role(w, role)
        if ports.outward is not None and builders:
            words = say(f"有{label.zh}收不回公海", f"{label.en} cannot go back to the pool")
            key = f"pool:{w.app.key}:{rule}:kept:{w.now.date().isoformat()}"
            about = (w.app.key, subject.entity.key, subject.record_id)
            yield from ports.outward.post_letter(
                w, Letter(key, tuple(dict.fromkeys(builders)), None, words, text, *about)
            )

    def _title_for(self, w: Writing, subject: Subject, user_id: str) -> Unit[str]:
        """Return the record's title if a person sees it."""
        names, key = self._ports().names, subject.entity.title_key
        actor = (yield from names.find_actor(user_id)) if names is not None else None
        if actor is None or key is None:
            return ""
        is_seen = yield from sees_field(w, actor, subject.entity, subject.record_id, key)
        return str(subject.shown.get(key) or "") if is_seen else ""

    def _tell_holder(self, w: Writing, subject: Subject, holder: str, title: str, why: Text) -> Unit[None]:
        """Tell who has lost a record; of who may claim it nobody is told, since a full pool would write to all of them all day."""
        outward = self._ports().outward
        people = yield from self._ports().people.active(w, [holder])
        if outward is None or not people:
            return
        label = subject.entity.label()
        named = say(f"{label.zh}“{title}”" if title else label.zh, f"{label.en} {title}".rstrip())
        words = say(f"{named.zh}已收回公海", f"{named.en} went back to the pool")
        key = f"pool:{w.app.key}:{subject.record_id}:{w.now.isoformat()}"
        about = (w.app.key, subject.entity.key, subject.record_id)
        yield from outward.post_letter(w, Letter(key, tuple(people), None, words, why, *about))

    def _give(self, w: Writing, rule: Assignment, subject: Subject, user_id: str) -> Unit[None]:
        yield from _write(_as_system(w), subject, rule.person, user_id)
        if rule.pool is None or rule.pool.reclaim_hours is None:
            yield from leave_pool(w, rule.entity, subject.record_id)
            return
        due = w.now + timedelta(hours=rule.pool.reclaim_hours)
        yield from keep_pool(w, rule.key, rule.entity, subject.record_id, user_id, due)

    def _check_quota(self, w: Writing, rule: Assignment, pool: Pool, subject: Subject, user_id: str) -> Unit[None]:
        if not (yield from may_claim(w, self._ports(), subject, pool, user_id)):
            raise refused(say("您不在可领取人员之列", "You are not among those who may claim"))
        candidates = yield from known_people(w, [user_id])
        yield from count_open(w, rule, candidates, subject.record_id)
        if pool.at_most is not None and candidates and candidates[0].open >= pool.at_most:
            count = candidates[0].open
            raise refused(
                say(f"您已有 {count} 条未结,上限 {pool.at_most}", f"You have {count} of at most {pool.at_most}")
            )
        if pool.per_day is not None:
            claimed = yield from count_claims(w, rule.key, user_id, _day_began(w))
            if claimed >= pool.per_day:
                raise refused(say(f"今天已领取 {claimed} 条", f"You have claimed {claimed} today"))
        since = w.now - timedelta(hours=pool.again_hours or 0)
        if pool.again_hours and (yield from lost_since(w, subject.entity.key, subject.record_id, user_id, since)):
            hours = pool.again_hours
            raise refused(
                say(f"退回后 {hours} 小时内不能再领", f"Not again within {counted(hours, 'hour')} after you lost it")
            )


def get_rule(w: Writing, key: str) -> Assignment:
    """Return a rule of the app.

    Raises:
        Problem: ``assignment.not_found``.
    """
    found = w.app.definition.find(ASSIGNMENTS, key)
    if found is None:
        hint = key_hint(key[:100], names_of(w.app.definition.of(ASSIGNMENTS)))
        zh, en = f"没有分配规则“{key[:100]}”{hint.zh}", f'There is no assignment rule "{key[:100]}"{hint.en}'
        raise Problem("assignment.not_found", say(zh, en))
    return found


def _pool_rule(w: Writing, entity: str) -> Assignment:
    found = next((r for r in w.app.definition.of(ASSIGNMENTS) if r.entity == entity and r.pool is not None), None)
    if found is None:
        raise refused(say("该实体没有公海", "This entity has no pool"))
    return found


def refused(reason: Text) -> Problem:
    """The pool does not allow it."""
    return Problem("pool.refused", reason)


def _person(w: Writing) -> str:
    actor = w.caller.actor
    if actor is None or actor.user_id is None:
        raise refused(say("只有用户可以这样做", "Only a person can do this"))
    return actor.user_id


def _as_system(w: Writing) -> Writing:
    """The pool writes for those who have no right to the record yet (or no more)."""
    caller = w.caller
    return w.acting_as(Caller(SYSTEM, caller.request_id, "automation", None, caller.cause, caller.depth))


def _write(w: Writing, subject: Subject, person: str, user_id: str | None) -> Unit[None]:
    note_pool_write(w, subject.record_id, user_id)
    yield from update_record(w, subject.entity, subject.record_id, {person: user_id}, None)


def _day_began(w: Writing) -> datetime:
    local = w.now.astimezone(w.app.zone)
    return datetime.combine(local.date(), time(), local.tzinfo).astimezone(UTC)
