"""Approvals on their way, as units of the one write path: begin, answer, pass on, end. See docs/decisions/0019."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from builder.compiled.app import CompiledEntity
from builder.definition.actions.base import ActionModel, Who, audience_words
from builder.definition.approval import Approval, ApprovalStep
from builder.definition.kinds import APPROVALS, dump_document, names_of
from builder.definition.parse import DocumentInvalid, parse_document
from builder.fields.base import label_text
from builder.kernel.canonical import dump_sorted
from builder.kernel.problems import Problem, key_hint
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from runtime.approvals import rows
from runtime.approvals.rights import FindActor, refuse_unable, require_roles, sees_field, unable
from runtime.approvals.rows import APPROVED, JUST_DECIDED, REJECTED, RUNNING, WITHDRAWN, Running, Task
from runtime.automations.actions.base import ActionFailed, Occasion, audience
from runtime.automations.following import follow
from runtime.automations.ports import Letter, Ports
from runtime.expressions.prepared import Subject
from runtime.records.holding import hold_record
from runtime.records.writer import Writing, make_event, write_events

JSON = Any
_LEVELS = 10
"""How far up the line somebody is looked for who answers for one who has left."""
VACANT = "vacant"
"""The act of telling that there is nobody."""
_LETTERS = {
    VACANT: say("审批人已离职,请改派", "The approver has left: name another"),
    "task": say("等待您审批", "Waits for your approval"),
    APPROVED: say("审批已通过", "Approved"),
    REJECTED: say("审批未通过", "Rejected"),
    "returned": say("审批被退回", "Sent back"),
    WITHDRAWN: say("审批已撤回", "Withdrawn"),
}


class Course:
    """Lets approvals run. It also is the port by which actions and transitions begin them."""

    def __init__(self, ports: Callable[[], Ports], find_actor: FindActor) -> None:
        self._ports = ports  # asked late: the ports hold the course
        self._find_actor = find_actor

    # -- beginning -------------------------------------------------------------------------------------------------------

    def start(self, w: Writing, subject: Subject, approval: str) -> Unit[None]:
        """Begin an approval of a record, for an action or a transition."""
        yield from self.begin(w, subject, approval)

    def begin(self, w: Writing, subject: Subject, key: str, comment: str | None = None) -> Unit[str]:
        """Begin an approval of a record that is held; return its id.

        Raises:
            Problem: ``approval.not_found``, ``approval.conflict``, ``approval.refused``, ``access.denied``.
        """
        document = _find(w, subject.entity, key)
        running = yield from rows.of_records(w, [subject.record_id], RUNNING)
        if any(found.approval == key for found in running):
            raise Problem("approval.conflict", say("这条记录已在审批中", "It is being approved already"))
        ports = self._ports()
        if not (yield from ports.expressions.holds(w, subject, document.when)):
            raise Problem("approval.refused", say("这条记录不符合提交条件", "The record does not meet the condition"))
        steps = []
        for step in document.steps:
            if (yield from ports.expressions.holds(w, subject, step.when)):
                steps.append((yield from self._step(w, subject, document, step)))
        approval_id = w.ids.record_id()
        body = {"document": dump_document(document), "steps": steps, "title": _title(subject)}
        values = {
            "id": approval_id,
            "app": w.app.key,
            "entity": subject.entity.key,
            "record_id": subject.record_id,
            "approval": key,
            "version": w.app.version,
            "body": dump_sorted(body).decode(),
            "state": RUNNING,
            "step": 0,
            "asked_by": w.caller.actor_id,
            "asked_at": w.now,
        }
        yield from rows.insert_approval(w, values)
        yield from rows.insert_act(w, approval_id, "asked", comment=comment)
        found = yield from rows.hold_approval(w, approval_id)
        assert found is not None
        yield from self._tell(w, found, "asked", comment)
        yield from self._open(w, found, 0)
        return approval_id

    def _step(self, w: Writing, subject: Subject, document: Approval, step: ApprovalStep) -> Unit[dict[str, JSON]]:
        """Return a step with the people who are asked.

        Raises:
            Problem: ``approval.refused`` if there is nobody.
        """
        people = yield from self._people(w, subject, step.approvers)
        asker = w.caller.actor.user_id if w.caller.actor else None
        if not document.allow_self and asker in people:
            people.remove(asker)
            manager = (yield from self._ports().people.manager_of(w, asker, 1)) if asker else None
            if manager is not None and manager not in people:
                people.append(manager)
        label = label_text(step.label)
        reasons = yield from unable(w, self._find_actor, subject.entity, subject.record_id, document.key, people)
        if reasons and (step.mode in ("all", "in_order") or len(reasons) == len(people)):
            # whoever has to agree cannot be left out; of those who merely may answer, others can
            what = say(f"步骤“{label.zh}”的审批人没有权限", f"Who is to approve {label.en} may not")
            refuse_unable(reasons, what)
        people = [user_id for user_id in people if user_id not in reasons]
        if not people:
            whom = audience_words(step.approvers)
            detail = say(
                f"步骤“{label.zh}”没有可以审批的人:{whom.zh}没有在用的成员,或只有提交人自己(不能审批自己的单据)",
                f"There is nobody to approve {label.en}: {whom.en} leads to nobody who is active and has not asked himself",
            )
            raise Problem("approval.refused", detail, extra={"step": step.key})
        return {
            "key": step.key,
            "mode": step.mode,
            "share_percent": step.share_percent,
            "limit_hours": step.limit_hours,
            "people": people,
        }

    def _people(self, w: Writing, subject: Subject, who: Sequence[Who]) -> Unit[list[str]]:
        try:
            return (yield from audience(Occasion(w, self._ports(), subject, ""), who))
        except ActionFailed as failed:
            raise Problem("approval.refused", failed.message) from failed

    def _open(self, w: Writing, a: Running, place: int) -> Unit[None]:
        """Open a step; behind the last one the approval is given."""
        if place >= len(a.steps):
            yield from self.end(w, a, APPROVED)
            return
        step = a.steps[place]
        if place != a.step:
            yield from rows.change_approval(w, a.id, step=place)
        made = [
            self._new_task(w, a, place, number, user_id, "step", waits=step["mode"] == "in_order" and number > 0)
            for number, user_id in enumerate(step["people"])
        ]
        yield from rows.insert_tasks(w, made)
        yield from self._ask(w, a, [task for task in made if task["state"] == "open"])

    def _new_task(
        self, w: Writing, a: Running, step: int, place: int, user_id: str, source: str, *, waits: bool = False
    ) -> dict[str, Any]:
        return {
            "id": w.ids.record_id(),
            "approval_id": a.id,
            "step": step,
            "place": place,
            "user_id": user_id,
            "source": source,
            "state": "waiting" if waits else "open",
            "opened_at": None if waits else w.now,
            "due_at": None if waits else _due(w, a.steps[step]),
        }

    # -- answers ---------------------------------------------------------------------------------------------------------

    def answer(self, w: Writing, a: Running, task: Task, act: str, comment: str | None) -> Unit[None]:
        """Take an answer (``approve``, ``reject``, ``return``) to an open task."""
        state = {"approve": APPROVED, "reject": REJECTED, "return": "returned"}[act]
        yield from rows.change_task(w, task.id, state=state, decided_at=w.now, comment=comment)
        yield from rows.insert_act(w, a.id, state, comment=comment)
        yield from self._tell(w, a, act, comment)
        if act == "return":
            yield from self.end(w, a, "returned", comment)
            return
        tasks = [t for t in (yield from rows.tasks_of(w, a.id)) if t.step == a.step]
        for other in tasks:  # of one place the first answer counts
            if other.place == task.place and other.id != task.id and other.state == "open":
                yield from rows.change_task(w, other.id, state="closed", decided_at=w.now)
        verdict = _verdict(a.steps[a.step], tasks)
        if verdict == APPROVED:
            yield from self._close_step(w, tasks, task.place)
            yield from self._open(w, a, a.step + 1)
        elif verdict == REJECTED:
            yield from self.end(w, a, REJECTED, comment)
        else:
            yield from self._open_next(w, a, tasks)

    def _close_step(self, w: Writing, tasks: Sequence[Task], answered: int) -> Unit[None]:
        for other in tasks:
            if other.place != answered and other.state in ("open", "waiting"):
                yield from rows.change_task(w, other.id, state="closed", decided_at=w.now)

    def _open_next(self, w: Writing, a: Running, tasks: Sequence[Task]) -> Unit[None]:
        waiting = [task for task in tasks if task.state == "waiting"]
        if a.steps[a.step]["mode"] != "in_order" or not waiting:
            return
        first = min(waiting, key=lambda task: (task.place, task.id))
        yield from rows.change_task(w, first.id, state="open", opened_at=w.now, due_at=_due(w, a.steps[a.step]))
        yield from self._ask(w, a, [{"id": first.id, "user_id": first.user_id}])

    def delegate(self, w: Writing, a: Running, task: Task, user_id: str, comment: str | None) -> Unit[None]:
        """Let somebody else answer in somebody's place."""
        yield from self._refuse_person(w, a, user_id)
        yield from rows.change_task(w, task.id, state="delegated", decided_at=w.now, comment=comment)
        made = self._new_task(w, a, task.step, task.place, user_id, "delegated")
        yield from rows.insert_tasks(w, [made])
        yield from rows.insert_act(w, a.id, "delegated", user_id=user_id, comment=comment)
        yield from self._tell(w, a, "delegate", comment)
        yield from self._ask(w, a, [made])

    def add_signer(self, w: Writing, a: Running, user_id: str, comment: str | None) -> Unit[None]:
        """Ask one person more in the step that is running; where people answer in order, after those who are asked already."""
        yield from self._refuse_person(w, a, user_id)
        tasks = [task for task in (yield from rows.tasks_of(w, a.id)) if task.step == a.step]
        place = max(task.place for task in tasks) + 1
        waits = a.steps[a.step]["mode"] == "in_order"
        made = self._new_task(w, a, a.step, place, user_id, "signer", waits=waits)
        yield from rows.insert_tasks(w, [made])
        yield from rows.insert_act(w, a.id, "signer_added", user_id=user_id, comment=comment)
        yield from self._tell(w, a, "add_signer", comment)
        if not waits:
            yield from self._ask(w, a, [made])

    def _refuse_person(self, w: Writing, a: Running, user_id: str) -> Unit[None]:
        active = yield from self._ports().people.active(w, [user_id])
        if not active:
            raise Problem("approval.refused", say("没有这个在职用户", "There is no such active user"))
        if user_id == a.asked_by and not a.document.get("allow_self"):
            raise Problem("approval.refused", say("提交人不能审批自己的单据", "Nobody approves what he asked for"))
        entity = w.app.entities.get(a.entity)
        if entity is not None:
            reasons = yield from unable(w, self._find_actor, entity, a.record_id, a.approval, [user_id])
            refuse_unable(reasons, say("此人没有审批权限", "This person may not give the approval"))
        for task in (yield from rows.tasks_of(w, a.id)):
            if task.step == a.step and task.user_id == user_id and task.state in ("open", "waiting"):
                raise Problem("approval.refused", say("此人已在这一步的审批人中", "This person is asked already"))

    def escalate(self, w: Writing, a: Running, task: Task) -> Unit[None]:
        """Time is up for a task: ask somebody besides. The answer of either is the answer of the place."""
        yield from rows.change_task(w, task.id, escalated_at=w.now)
        entity = w.app.entities.get(a.entity)
        document = _read(a)
        people: list[str] = []
        step = next((step for step in document.steps if step.key == a.steps[task.step]["key"]), None)
        if entity is not None and step is not None and step.escalate_to:
            held = yield from hold_record(w, entity, a.record_id)
            people = yield from self._people(w, Subject(entity, a.record_id, held.shown), step.escalate_to)
        else:
            manager = yield from self._ports().people.manager_of(w, task.user_id, 1)
            people = [manager] if manager is not None else []
        there = {t.user_id for t in (yield from rows.tasks_of(w, a.id)) if t.step == a.step and t.state == "open"}
        fresh = [i for i in people if i not in there and (i != a.asked_by or document.allow_self)]
        if entity is not None:
            reasons = yield from unable(w, self._find_actor, entity, a.record_id, a.approval, fresh)
            fresh = [user_id for user_id in fresh if user_id not in reasons]
        made = [self._new_task(w, a, task.step, task.place, user_id, "escalated") for user_id in fresh]
        yield from rows.insert_tasks(w, made)
        for task_row in made:
            yield from rows.insert_act(w, a.id, "escalated", user_id=task_row["user_id"])
        if not made:
            yield from rows.insert_act(w, a.id, "overdue", user_id=task.user_id)
        yield from self._tell(w, a, "escalate", None)
        yield from self._ask(w, a, made)

    def replace_leaver(self, w: Writing, a: Running, task: Task) -> Unit[None]:
        """Let somebody answer for one who has left: the next up the line who may; if there is nobody, administrators are told, once."""
        entity = w.app.entities.get(a.entity)
        tasks = [t for t in (yield from rows.tasks_of(w, a.id)) if t.step == a.step and t.state in ("open", "waiting")]
        passed = {t.user_id for t in tasks} | (set() if a.document.get("allow_self") else {a.asked_by})
        heir: str | None = None
        for level in range(1, _LEVELS + 1):
            above = yield from self._ports().people.manager_of(w, task.user_id, level)
            if above is None or above in passed:
                passed.add(above)
                continue
            reasons = {} if entity is None else (yield from self._unable(w, entity, a, above))
            if not reasons:
                heir = above
                break
            passed.add(above)
        if heir is None:
            yield from rows.insert_act(w, a.id, VACANT, user_id=task.user_id)
            admins = yield from self._ports().people.with_role(w, "admin")
            yield from self._write_to(w, a, admins, VACANT, task.id)
            return
        yield from rows.change_task(w, task.id, state="delegated", decided_at=w.now)
        made = self._new_task(w, a, task.step, task.place, heir, "delegated")
        yield from rows.insert_tasks(w, [made])
        yield from rows.insert_act(w, a.id, "replaced", user_id=heir)
        yield from self._tell(w, a, "replace", None)
        yield from self._ask(w, a, [made])

    def _unable(self, w: Writing, entity: CompiledEntity, a: Running, user_id: str) -> Unit[Mapping[str, Text]]:
        return (yield from unable(w, self._find_actor, entity, a.record_id, a.approval, [user_id]))

    # -- the end ---------------------------------------------------------------------------------------------------------

    def end(self, w: Writing, a: Running, state: str, comment: str | None = None) -> Unit[None]:
        """End an approval and do what follows, in the same transaction; a move that follows has the comment as its reason.

        Raises:
            Problem: what an action raises; then nothing of the answer is kept.
        """
        told = [a.asked_by] if a.asked_by else []
        if state == WITHDRAWN:  # whoever asked knows; those who were to answer do not
            told = [task.user_id for task in (yield from rows.tasks_of(w, a.id)) if task.state == "open"]
        yield from rows.close_tasks(w, a.id)
        yield from rows.change_approval(w, a.id, state=state, decided_at=w.now)
        w.course.warrants[JUST_DECIDED, a.id] = {}
        yield from self._tell(w, a, state, None)
        yield from self._write_to(w, a, told, state, a.id, comment)
        entity = w.app.entities.get(a.entity)
        actions: Sequence[ActionModel] = getattr(_read(a), f"on_{state}")
        if entity is None or not actions:
            return
        held = yield from hold_record(w, entity, a.record_id)
        key = f"approval:{a.id}:{state}"
        because = say(comment, comment) if comment else _LETTERS[state]
        occasion = Occasion(w.for_the_app(key), self._ports(), Subject(entity, a.record_id, held.shown), key, because)
        try:
            yield from follow(occasion, actions, "approval", f"{a.approval}.{state}")
        except ActionFailed as failed:
            raise Problem("approval.refused", failed.message) from failed

    # -- telling ---------------------------------------------------------------------------------------------------------

    def _tell(self, w: Writing, a: Running, act: str, comment: str | None) -> Unit[None]:
        """Leave an event with the record."""
        entity = w.app.entities.get(a.entity)
        if entity is None:
            return
        held = yield from hold_record(w, entity, a.record_id)
        event = make_event(w, entity, a.record_id, "approval", held.revision, {})
        detail = {"approval": a.approval, "id": a.id, "act": act, "comment": comment}
        event["detail"] = dump_sorted(detail).decode()
        yield from write_events(w, [event])

    def _ask(self, w: Writing, a: Running, tasks: Sequence[Mapping[str, Any]]) -> Unit[None]:
        for task in tasks:
            yield from self._write_to(w, a, [task["user_id"]], "task", task["id"])

    def _write_to(
        self, w: Writing, a: Running, people: Sequence[str], what: str, name: str, comment: str | None = None
    ) -> Unit[None]:
        outward = self._ports().outward
        words = _LETTERS.get(what)
        if outward is None or not people or words is None:
            return
        label = label_text(_read(a).label)
        titled: list[str] = []
        for person in people:
            if (yield from self._sees_title(w, a, person)):
                titled.append(person)
        title = str(a.body.get("title") or "")
        named = say(f"{label.zh}:{title}", f"{label.en}: {title}")
        about = (w.app.key, a.entity, a.record_id)
        said = f"\n{comment}" if comment else ""
        for about_it, some in ((named, titled), (label, [person for person in people if person not in titled])):
            if some:
                text = say(about_it.zh + said, about_it.en + said)
                letter = Letter(f"approval:{name}:{what}", tuple(some), None, words, text, *about)
                yield from outward.post_letter(w, letter)

    def _sees_title(self, w: Writing, a: Running, user_id: str) -> Unit[bool]:
        entity, actor = w.app.entities.get(a.entity), (yield from self._find_actor(user_id))
        if entity is None or actor is None or entity.title_key is None:
            return False
        return (yield from sees_field(w, actor, entity, a.record_id, entity.title_key))


def _verdict(step: Mapping[str, JSON], tasks: Sequence[Task]) -> str:
    """Return what the answers so far make of a step: approved, rejected or running."""
    places: dict[int, str] = {}
    for task in tasks:
        if task.state in (APPROVED, REJECTED):
            places[task.place] = task.state
        else:
            places.setdefault(task.place, RUNNING)
    yes = sum(state == APPROVED for state in places.values())
    no = sum(state == REJECTED for state in places.values())
    if step["mode"] == "any":
        return APPROVED if yes else REJECTED if no else RUNNING
    if step["mode"] == "vote":
        needed = step["share_percent"] * len(places)
        if yes * 100 >= needed:
            return APPROVED
        return REJECTED if (len(places) - no) * 100 < needed else RUNNING
    if no:
        return REJECTED
    return APPROVED if yes == len(places) else RUNNING


def _due(w: Writing, step: Mapping[str, JSON]) -> Any:
    return None if step["limit_hours"] is None else w.now + timedelta(hours=step["limit_hours"])


def _find(w: Writing, entity: CompiledEntity, key: str) -> Approval:
    known = {a.key: a for a in w.app.definition.of(APPROVALS) if a.entity == entity.key}
    if key not in known:
        hint = key_hint(key[:100], names_of(known.values()))
        detail = say(
            f"“{entity.key}”没有审批“{key[:100]}”{hint.zh}", f'"{entity.key}" has no approval "{key[:100]}"{hint.en}'
        )
        raise Problem("approval.not_found", detail)
    require_roles(w, known[key])
    return known[key]


def _read(a: Running) -> Approval:
    """Return the document of an approval as it was when it began."""
    try:
        return parse_document(APPROVALS, a.document)
    except DocumentInvalid as invalid:  # a later release reads what an earlier one wrote, or says so
        raise Problem(
            "service.internal", Text("审批定义无法读取", "The document of the approval cannot be read")
        ) from invalid


def _title(subject: Subject) -> str | None:
    key = subject.entity.title_key
    value = subject.shown.get(key) if key is not None else None
    return None if value is None else str(value)
