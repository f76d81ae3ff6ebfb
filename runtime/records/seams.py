"""Where other rooms stand in the one write path: rules judge what a write is about to do, reactions follow what it has done.

Both run inside the write's transaction, on every door. A rule only reads; what it finds joins the other violations of the write. A
reaction may write (through this same path); what it writes is judged and reacted to in turn, up to ``CAUSATION_DEPTH`` rounds.
Neither costs anything for entities it does not concern: that is asked once per published version, not per write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.kernel.limits import CAUSATION_DEPTH
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.statement import Rows, Statement, Unit
from formulas.schema import Context
from runtime.records.spreading import spread

if TYPE_CHECKING:
    from runtime.identity.actors import Actor
    from runtime.records.ahead import Ahead
    from runtime.records.caller import Caller
    from runtime.records.values import NewRecord
    from runtime.records.writer import Writing

JSON = Any
S = TypeVar("S", bound="Filler | WriteRule | Reaction")
Deed = Literal["created", "updated", "deleted"]


class Intent(NamedTuple):
    """What a write is about to do to one record. Who writes and through which door stands in the ``w.caller`` of ``judge``."""

    deed: Deed
    entity: CompiledEntity
    record_id: str
    before: Mapping[str, JSON]
    """The record as the API shows it, held until the end of the transaction; empty for a new one."""
    after: Mapping[str, Any]
    """Its plain values in canonical form, as they will be; empty for one that goes. A value that was refused is as it was."""
    changed: frozenset[str]
    """Keys of fields whose values change; of a new record those that are not blank."""
    pointer: str
    """Where in the request the record stands."""
    given: frozenset[str] | None = None
    """Of a new record: keys that its body gives."""


class Fact(NamedTuple):
    """What a write has done to one record."""

    deed: Deed
    entity: CompiledEntity
    record_id: str
    revision: int
    before: Mapping[str, JSON]
    """As the API showed it; empty for a new one."""
    after: Mapping[str, JSON]
    """As the API shows it, without what the database computes afterwards; empty for one that is gone."""
    changed: frozenset[str]
    caller: Caller
    """Who wrote it: of what followed from a write, on whose behalf it was done and how far down the chain."""


class Filler(Protocol):
    """Gives new records values that neither the caller nor a default gives: where they begin."""

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Whether it may have anything to fill in on records of an entity."""
        ...

    def fill(self, w: Writing, record: NewRecord) -> None:
        """Set values that are blank; doing it twice has to change nothing."""
        ...


class WriteRule(Protocol):
    """Judges writes: stages, locks, row rules."""

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Whether it may have anything to say about records of an entity."""
        ...

    def judge(self, w: Writing, intents: Sequence[Intent]) -> Unit[list[Violation]]:
        """Return what is wrong with these, all of one entity; or raise a ``Problem`` that says more than a violation can."""
        ...


class Reaction(Protocol):
    """Follows writes: timers, automations, outbox."""

    rewrites: bool
    """Whether it may change the records again whose writes it follows."""

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Whether it may have anything to do after writes to records of an entity."""
        ...

    def react(self, w: Writing, facts: Sequence[Fact]) -> Unit[None]:
        """Do what follows; facts come in the order in which they happened, of all entities it concerns."""
        ...


@dataclass(frozen=True)
class Seams:
    """The rules and reactions of an instance, in the order in which they act."""

    rules: tuple[WriteRule, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    fillers: tuple[Filler, ...] = ()


class StandBy:
    """Who of an instance concerns the entities of one compiled app; each is asked once."""

    def __init__(self, app: CompiledApp, seams: Seams) -> None:
        self._app = app
        self._seams = seams
        self.reactions = seams.reactions
        self._fillers: dict[str, tuple[Filler, ...]] = {}
        self._rules: dict[str, tuple[WriteRule, ...]] = {}
        self._reactions: dict[str, tuple[Reaction, ...]] = {}

    def rules_of(self, entity: CompiledEntity) -> tuple[WriteRule, ...]:
        """Return the rules that concern an entity."""
        found = self._rules.get(entity.key)
        if found is None:
            found = self._rules[entity.key] = self._concerned(self._seams.rules, entity)
        return found

    def fillers_of(self, entity: CompiledEntity) -> tuple[Filler, ...]:
        """Return the fillers that concern an entity."""
        found = self._fillers.get(entity.key)
        if found is None:
            found = self._fillers[entity.key] = self._concerned(self._seams.fillers, entity)
        return found

    def reactions_of(self, entity: CompiledEntity) -> tuple[Reaction, ...]:
        """Return the reactions that concern an entity."""
        found = self._reactions.get(entity.key)
        if found is None:
            found = self._reactions[entity.key] = self._concerned(self._seams.reactions, entity)
        return found

    def _concerned(self, those: tuple[S, ...], entity: CompiledEntity) -> tuple[S, ...]:
        return tuple(each for each in those if each.concerns(self._app, entity))


@dataclass(slots=True)
class Course:
    """What stands by in one write, and what has happened in it so far."""

    stand_by: StandBy
    facts: list[Fact] = field(default_factory=list)
    warrants: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    """What this write may do besides: (entity, id) of a record -> values of its kept fields, given and taken back by the move that
    sets them; approvals that it has decided."""
    told: list[Mapping[str, Any]] = field(default_factory=list)
    """The events of a write that is only tried."""
    started: list[Mapping[str, Any]] = field(default_factory=list)
    """What such a write sets off: ``automation``, ``state``, ``entity``, ``record_id``."""
    after: list[Callable[[Writing], Unit[None]]] = field(default_factory=list)
    """What rules want to look at when all is written and computed, before anything follows from it."""
    ahead: Ahead | None = None
    """Of a write that is run ahead of its transaction: what it wants to write, and the records as they will be."""
    in_vain: Callable[[], None] = lambda: None
    """Counts an attempt that ended with nothing, once the long form has written what it was for; it outlives the tries."""
    following: bool = False
    """Reactions are at work: what is written now follows from what was asked for."""
    rewritten: set[str] = field(default_factory=set)
    """Ids of records that reactions have changed: what was asked for is not all that happened to them."""
    contexts: dict[int, tuple[Actor | None, Context]] = field(default_factory=dict)
    """What formulas see of the moment and of each person in whose name something was done in it."""
    remembered: dict[str | tuple[str, str], Any] = field(default_factory=dict)
    """What a reaction has looked up and need not look up again in this write."""
    looked_up: dict[tuple[Statement, tuple[tuple[str, Any], ...]], Rows] = field(default_factory=dict)
    """What was asked of people and connections, which no write of records changes."""

    def begin(self) -> None:
        """Forget what an earlier try has done."""
        self.facts.clear()
        self.told.clear()
        self.started.clear()
        self.warrants.clear()
        self.after.clear()
        self.remembered.clear()
        self.looked_up.clear()
        self.ahead = None
        self.following = False
        self.rewritten.clear()

    def mark(self) -> Callable[[], None]:
        """Return what goes back to what is known now; for a part that may be undone."""
        facts, after, told, started, warrants, rewritten = (
            list(self.facts),
            list(self.after),
            len(self.told),
            len(self.started),
            dict(self.warrants),
            set(self.rewritten),
        )
        following = self.following

        def go_back() -> None:
            self.facts, self.after, self.warrants, self.rewritten = facts, after, warrants, rewritten
            self.following = following
            del self.told[told:]
            del self.started[started:]
            self.remembered.clear()

        return go_back

    def rules_of(self, entity: CompiledEntity) -> tuple[WriteRule, ...]:
        """Return the rules that concern an entity."""
        return self.stand_by.rules_of(entity)

    def fillers_of(self, entity: CompiledEntity) -> tuple[Filler, ...]:
        """Return the fillers that concern an entity."""
        return self.stand_by.fillers_of(entity)

    def reactions_of(self, entity: CompiledEntity) -> tuple[Reaction, ...]:
        """Return the reactions that concern an entity."""
        return self.stand_by.reactions_of(entity)


def judge(w: Writing, intents: Sequence[Intent]) -> Unit[list[Violation]]:
    """Return what the rules say about intents of one entity."""
    violations: list[Violation] = []
    for rule in w.course.rules_of(intents[0].entity) if intents else ():
        violations += yield from rule.judge(w, intents)
    return violations


def finish(w: Writing) -> Unit[None]:
    """End a write: bring computed fields up to date and let everything follow that has to, until nothing more happens.

    Raises:
        Problem: ``limit.causation`` if it never ends.
    """
    w.course.following = False  # a batch ends more than once
    yield from look_after(w)
    for _ in range(CAUSATION_DEPTH):
        facts, w.course.facts = w.course.facts, []
        if not facts:
            return
        w.changes.turn()
        w.course.following = True
        for reaction in w.course.stand_by.reactions:
            concerned = [fact for fact in facts if reaction in w.course.reactions_of(fact.entity)]
            if concerned:
                yield from reaction.react(w, concerned)
        yield from spread(w)
    if w.course.facts:
        detail = say(
            f"自动处理互相触发,超过 {CAUSATION_DEPTH} 轮;未写入任何内容",
            f"What follows from writes went on for more than {CAUSATION_DEPTH} rounds; nothing was written",
        )
        raise Problem("limit.causation", detail, extra={"maximum": CAUSATION_DEPTH})


def look_after(w: Writing) -> Unit[None]:
    """Bring computed fields up to date and let rules look at what was written, in the eyes of who wrote it."""
    yield from spread(w)
    while w.course.after:
        yield from w.course.after.pop(0)(w)


def follow_computed(w: Writing) -> Unit[None]:
    """Let follow what has to when nothing but computed values changed: reminders that read them."""
    w.changes.turn()
    for reaction in w.course.stand_by.reactions:
        yield from reaction.react(w, ())
