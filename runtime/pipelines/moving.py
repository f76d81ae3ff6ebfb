"""Moving a record: the only way in which a stage changes. A unit of the one write path, for people, automations and approvals alike."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.compiled.pipelines import CompiledPipeline, Place, place_named
from builder.definition.actions.base import ActionModel
from builder.definition.guards import AnyGuard
from builder.definition.guards.required import RequiredGuard
from builder.definition.pipeline import Transition
from builder.fields.base import label_text
from builder.fields.parts.choices import ChoiceField
from builder.kernel.problems import Problem, Violation, key_hint
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from runtime.automations.actions.base import ActionFailed, Occasion
from runtime.automations.following import follow
from runtime.automations.ports import Ports
from runtime.expressions.prepared import Subject
from runtime.pipelines.guards.base import Standing
from runtime.pipelines.history import Stay, change_stay, how_moved, open_beside
from runtime.pipelines.judging import Beside, foresee, unmet
from runtime.pipelines.todo import Todo, discreet, of_violation, refused
from runtime.records.changes import Change, apply_change, plan_whole_change
from runtime.records.spreading import spread
from runtime.records.values import with_aliases
from runtime.records.writer import Telling, Writing

JSON = Any
_NAME_SHOWN = 100


@dataclass(frozen=True)
class Order:
    """A move that somebody wants."""

    transition: str
    fields: Mapping[str, JSON] = field(default_factory=dict)
    """Values that are set with the move."""
    reason: str | None = None
    node: str | None = None
    """A node of the stage that is entered; its first if left out."""
    if_match: int | None = None
    override: bool = False
    """Past what is not met: only admins, and with a reason."""
    by_hand: bool = True
    """False: an approval or an automation moves."""


class Moved(NamedTuple):
    """What became of a move."""

    shown: dict[str, JSON]
    pipeline: str
    source: Place
    target: Place


class Way(NamedTuple):
    """A transition of an entity with its pipeline."""

    pipeline: CompiledPipeline
    transition: Transition


class Step(NamedTuple):
    """A way from one place to another."""

    pipeline: CompiledPipeline
    transition: Transition
    source: Place
    target: Place

    @property
    def guards(self) -> tuple[AnyGuard, ...]:
        """What it is asked."""
        return self.pipeline.guards(self.transition, self.source, self.target)

    @property
    def key(self) -> Hashable:
        """Names its guards within the published version."""
        return ("move", self.pipeline.key, self.transition.key, self.source, self.target)

    @property
    def names(self) -> dict[str, JSON]:
        """What it is called to callers."""
        return {"transition": self.transition.key, "from": self.source.name, "to": self.target.name}


def find_way(w: Writing, entity: CompiledEntity, key: str) -> Way:
    """Return a transition of an entity.

    Raises:
        Problem: ``transition.not_found`` with the nearest name.
    """
    pipelines = w.app.pipelines.get(entity.key, ())
    for pipeline in pipelines:
        if key in pipeline.transitions:
            return Way(pipeline, pipeline.transitions[key])
    ways = [way for pipeline in pipelines for way in pipeline.transitions.values()]
    shown, hint = (
        key[:_NAME_SHOWN],
        key_hint(key, ((way.key, words) for way in ways for words in label_text(way.label))),
    )
    detail = say(f"“{entity.key}”没有流转“{shown}”{hint.zh}", f'"{entity.key}" has no transition "{shown}"{hint.en}')
    raise Problem("transition.not_found", detail)


def may_take(w: Writing, entity: CompiledEntity, transition: Transition) -> bool:
    """Whether the caller has one of the roles that a transition asks for, and a grant that lets take it; admins have all.

    In an app without roles of its own the roles of the platform count.
    """
    actor, sight = w.caller.actor, w.sight
    if actor is None:
        return False
    if sight is None:
        return not transition.roles or actor.role == "admin" or actor.role in transition.roles
    if transition.roles and sight.roles.isdisjoint(transition.roles):
        return False
    grants = [grant for grant in sight.grants.get(entity.key, ()) if grant.may("update")]
    return any(g.grant.transitions == "all" or transition.key in g.grant.transitions for g in grants)


def target_of(pipeline: CompiledPipeline, transition: Transition, node: str | None = None) -> Place:
    """Return where a transition leads.

    Raises:
        Problem: ``request.malformed`` if that stage has no such node.
    """
    named = place_named(transition.enters)
    if named.node is not None or node is None:
        target = named if named.node is not None else pipeline.entrance(named.stage)
        if node is None or node == target.node:
            return target
    elif (target := Place(named.stage, node)) in pipeline.nodes:
        _refuse_own_way(pipeline, target)
        return target
    message = say(
        f"这个流转不进入节点“{node[:_NAME_SHOWN]}”", f'The transition does not lead to "{node[:_NAME_SHOWN]}"'
    )
    raise Problem("request.malformed", message, violations=[Violation("unknown", "/node", message)])


def _refuse_own_way(pipeline: CompiledPipeline, target: Place) -> None:
    """Refuse to choose a node to which a way of its own leads: its guards, roles and approvals would be passed by.

    Raises:
        Problem: ``request.malformed``.
    """
    own = [way for way in pipeline.transitions.values() if place_named(way.enters) == target]
    if own:
        label = label_text(own[0].label)
        zh, en = f"节点“{target.node}”要由流转“{label.zh}”进入", f'The node "{target.node}" is entered by {label.en}'
        raise Problem("request.malformed", violations=[Violation("unknown", "/node", say(zh, en))])


class Mover:
    """Moves records. It also is the port by which actions do (``runtime/automations/ports.py``)."""

    def __init__(self, ports: Callable[[], Ports]) -> None:
        self._ports = ports  # asked late: the ports hold the mover

    def move(self, w: Writing, subject: Subject, transition: str, reason: Text | None) -> Unit[None]:
        """Carry out a transition for an action."""
        words = None if reason is None else reason.pick(w.app.definition.app.language)
        order = Order(transition, reason=words, by_hand=False)
        yield from self.carry_out(w, subject.entity, subject.record_id, order)

    def carry_out(self, w: Writing, entity: CompiledEntity, record_id: str, order: Order) -> Unit[Moved]:
        """Move a record, or say what is missing.

        Raises:
            Problem: ``record.not_found``, ``record.changed``, ``transition.not_found``, ``transition.unavailable``,
                ``transition.refused``, ``access.denied``.
        """
        pipeline, transition = find_way(w, entity, order.transition)
        _refuse_hands(w, entity, transition, order)
        target = target_of(pipeline, transition, order.node)
        violations: list[Violation] = []
        kept = _kept(w, pipeline, target, order, violations)
        body = {key: value for key, value in order.fields.items() if key not in kept}
        w.course.warrants[entity.key, record_id] = kept
        beside = open_beside(w, record_id, pipeline.key)
        if beside is not None and (guards := pipeline.foreseen(transition, target)) is not None:
            foresee(Standing(w, entity, record_id, {}), guards, ("move", pipeline.key, transition.key, target), beside)
        change = yield from plan_whole_change(
            w, entity, record_id, body, "/fields", violations, if_match=order.if_match
        )
        del w.course.warrants[entity.key, record_id]
        source = pipeline.place_of(change.held.shown)
        if not pipeline.leads_from(transition, source):
            raise _unavailable(entity, pipeline, transition, source)
        step = Step(pipeline, transition, source, target)
        missing = reasonless(step, order)
        if violations:
            missing += [of_violation(entity, violation) for violation in violations]
            missing += yield from self._still_blank(w, change, step)
            raise refused("transition.refused", missing, **step.names)
        how = how_moved(pipeline, source, target)
        detail = {"pipeline": pipeline.key, **step.names, "how": how, "reason": order.reason}
        shown = yield from apply_change(w, change, Telling("moved", detail))
        shown = with_aliases(entity, shown)
        yield from spread(w)  # guards see computed fields as they will be
        w.changes.clear()
        missing += yield from self.missing(Standing(w, entity, record_id, shown), step, beside)
        overridden = _override(missing, order)
        if missing and not overridden:
            raise refused("transition.refused", missing, **step.names)
        fresh = Stay(entity.key, record_id, pipeline.key, target, how, w.now, 1, transition.key, order.reason)
        fresh = fresh._replace(overridden=overridden, actor=w.caller.actor_id)
        number = yield from change_stay(w, fresh, beside.row if beside is not None else None)
        yield from self._follow(w, Subject(entity, record_id, shown), step, number)
        return Moved(shown, pipeline.key, source, target)

    def missing(self, standing: Standing, step: Step, beside: Beside | None = None) -> Unit[list[Todo]]:
        """Return what is missing before a record, as it is shown, may take a step; ``beside``: see ``unmet``."""
        missing = yield from unmet(self._ports().expressions, standing, step.guards, step.key, beside)
        return (yield from discreet(standing.w, standing.entity, standing.record_id, missing))

    def _still_blank(self, w: Writing, change: Change, step: Step) -> Unit[list[Todo]]:
        """Of a move whose values are wrong, say also what they leave blank; the rest is asked once they are right."""
        guards = [guard for guard in step.guards if isinstance(guard, RequiredGuard)]
        shown = {**change.held.shown, **{key: value for key, value in change.whole.items() if value is not None}}
        standing = Standing(w, change.entity, change.id, shown)
        return (yield from unmet(self._ports().expressions, standing, guards, ()))

    def _follow(self, w: Writing, subject: Subject, step: Step, number: int) -> Unit[None]:
        """Do what follows a move, in its transaction."""
        ports, approval, actions = self._ports(), step.transition.starts_approval, actions_of(step)
        if approval is not None or actions:
            w.course.rewritten.add(subject.record_id)  # whoever moved it is told how it is after all that
        if approval is not None:
            assert ports.approvals is not None, "the composition root fits approvals in with pipelines"
            yield from ports.approvals.start(w, subject, approval)
        if not actions:
            return
        key = f"move:{subject.record_id}:{step.pipeline.key}:{number}"
        occasion = Occasion(w.for_the_app(key), ports, subject, key, label_text(step.transition.label))
        try:
            yield from follow(occasion, actions, "move", f"{step.pipeline.key}.{step.transition.key}")
        except ActionFailed as failed:
            raise refused("transition.refused", [Todo("action", failed.message)], **step.names) from failed


def actions_of(step: Step) -> Sequence[ActionModel]:
    """Return what follows a move, in order."""
    pipeline, transition, source, target = step
    found: list[ActionModel] = []
    if source in pipeline.nodes and source != target:
        found += pipeline.nodes[source].on_leave
    if source.stage in pipeline.stages and source.stage != target.stage:
        found += pipeline.stages[source.stage].on_leave
    found += transition.actions
    if source.stage != target.stage:
        found += pipeline.stages[target.stage].on_enter
    if target in pipeline.nodes and source != target:
        found += pipeline.nodes[target].on_enter
    return found


def _kept(
    w: Writing, pipeline: CompiledPipeline, target: Place, order: Order, violations: list[Violation]
) -> dict[str, Any]:
    """Return the values of the fields that the move itself sets; nobody may give them."""
    definition = pipeline.definition
    for key in pipeline.kept:
        if key in order.fields:
            message = say("此字段由流转本身设置", "The move itself sets this field")
            violations.append(Violation("assigned", f"/fields/{key}", message))
    kept: dict[str, Any] = {definition.field: target.stage}
    if definition.node_field is not None:
        kept[definition.node_field] = target.node
    if definition.since_field is not None:
        kept[definition.since_field] = w.now
    return kept


def _refuse_hands(w: Writing, entity: CompiledEntity, transition: Transition, order: Order) -> None:
    actor = w.caller.actor
    label = label_text(transition.label)
    if order.by_hand and transition.automatic:
        raise Problem(
            "access.denied",
            say(f"“{label.zh}”由审批或自动化执行", f"{label.en} is carried out by approvals and automations"),
        )
    if (order.by_hand or w.caller.own_rights) and not may_take(w, entity, transition):
        raise Problem(
            "access.denied", say(f"您的角色不能执行“{label.zh}”", f"Your roles do not let you take {label.en}")
        )
    if order.override and (actor is None or actor.role != "admin"):
        raise Problem("access.denied", say("只有管理员可以越过条件", "Only an admin may move past what is not met"))


def _place_text(entity: CompiledEntity, pipeline: CompiledPipeline, place: Place) -> Text:
    """Return what people read for a place: the labels of its options."""
    named = [(pipeline.definition.field, place.stage), (pipeline.definition.node_field, place.node)]
    labels = []
    for key, option in named:
        field = entity.fields.get(key or "")
        if option:
            labels.append(field.option_label(option) if isinstance(field, ChoiceField) else say(option, option))
    return say(" / ".join(label.zh for label in labels) or "-", " / ".join(label.en for label in labels) or "-")


def _unavailable(entity: CompiledEntity, pipeline: CompiledPipeline, transition: Transition, source: Place) -> Problem:
    label = label_text(transition.label)
    here = _place_text(entity, pipeline, source)
    leading = [other.key for other in pipeline.leaving(source)]
    detail = say(
        f"记录现在在“{here.zh}”,不能执行“{label.zh}”",
        f'The record is in "{here.en}"; {label.en} does not lead on from there',
    )
    return Problem("transition.unavailable", detail, extra={"place": source.name, "transitions": leading})


def reasonless(step: Step, order: Order) -> list[Todo]:
    """Return the line that asks for a reason, if one is needed and not given."""
    needs = step.pipeline.needs_reason(step.transition, step.source, step.target) or order.override
    if not needs or (order.reason or "").strip():
        return []
    return [Todo("reason", say("请填写原因", "Give a reason"), "/reason", label=say("原因", "Reason"))]


def _override(missing: Sequence[Todo], order: Order) -> tuple[str, ...]:
    """Return what is passed over; nothing if something is missing that cannot be."""
    if not order.override or any(todo.code == "reason" for todo in missing):
        return ()
    return tuple(f"{todo.code}:{todo.field}" if todo.field else todo.code for todo in missing)
