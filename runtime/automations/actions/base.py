"""What actions share: the record that occasioned them, values for bodies, people to be told, what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from builder.compiled.app import CompiledEntity
from builder.definition.actions.base import ActionModel, BothSentences, Who
from builder.fields.base import Field, Invalid
from builder.kernel.clock import in_zone
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from formulas.errors import CellError
from formulas.literals import WrongValueError, to_instant, write_value
from formulas.numbers import round_to
from formulas.values import BAD_DATE, display
from runtime.automations.ports import Ports
from runtime.expressions.prepared import Subject
from runtime.records.writer import Writing

JSON = Any
A = TypeVar("A", bound=ActionModel)
State = Literal["done", "passed", "waiting", "failed"]


class ActionFailed(Exception):
    """An action cannot be carried out; says why."""

    def __init__(self, message: Text, problem: Problem | None = None) -> None:
        self.message = message
        self.problem = problem
        super().__init__(message.en)


class Outcome(NamedTuple):
    """What became of one action."""

    state: State
    text: Text
    """One sentence for people."""
    records: tuple[tuple[str, str], ...] = ()
    """(entity, id) of the records it wrote."""


@dataclass
class Occasion:
    """What actions stand on while they are carried out one after the other."""

    w: Writing
    ports: Ports
    subject: Subject
    key: str
    """Begins the keys of what leaves the house: the same occasion never does it twice."""
    because: Text | None = None
    """Why all this happens: the reason of a move that gives none of its own."""

    @property
    def entity(self) -> CompiledEntity:
        """The entity of the record."""
        return self.subject.entity

    def evaluate(self, *texts: str | Mapping[str, JSON]) -> Unit[list[Any]]:
        """Return values of formulas over the record as it is now."""
        return self.ports.expressions.evaluate(self.w, self.subject, texts)

    def render(self, wording: str | BothSentences | None) -> Unit[Text]:
        """Return a text with its formulas filled in."""
        text = say(wording.zh, wording.en) if isinstance(wording, BothSentences) else say(wording or "", wording or "")
        return self.ports.expressions.render(self.w, self.subject, text)

    def show(self, texts: Sequence[str]) -> Unit[list[Text]]:
        """Return what people read in place of the values of formulas: names, titles, labels."""
        return self.ports.expressions.show(self.w, self.subject, texts)

    def saw(self, shown: Mapping[str, JSON]) -> None:
        """The record is like this from now on."""
        self.subject = self.subject._replace(shown=shown)


class ActionKind(Protocol[A]):
    """One kind of action. It has no state of its own."""

    model: type[A]

    def carry_out(self, o: Occasion, action: A, key: str) -> Unit[Outcome]:
        """Do it in the transaction, or put down there what is to be done once it is committed.

        Args:
            key: names this step of this occasion; whatever leaves the house carries it.

        Raises:
            ActionFailed, Problem: nothing it wrote may stay.
        """
        ...


class Given(Protocol):
    """A value as an action gives it: a constant or a formula."""

    @property
    def value(self) -> Any:
        """The constant."""

    @property
    def formula(self) -> str | None:
        """The formula."""


G = TypeVar("G", bound=Given)


class Valued(NamedTuple, Generic[G]):
    """A given value with what it is on this record, as canonical value; constants as JSON."""

    given: G
    value: Any
    is_constant: bool


def value_all(o: Occasion, given: Sequence[G]) -> Unit[list[Valued[G]]]:
    """Return what the values are on the record; at most one statement."""
    formulas = [item.formula for item in given if item.formula is not None]
    found = iter((yield from o.evaluate(*formulas)))
    return [
        Valued(item, next(found), False) if item.formula is not None else Valued(item, item.value, True)
        for item in given
    ]


def _formula_failed(definition: Field, error: CellError) -> ActionFailed:
    told, key = error.message, definition.key
    return ActionFailed(say(f"“{key}”的公式出错:{told.zh}", f'The formula of "{key}" failed: {told.en}'))


def body_value(definition: Field, valued: Any, o: Occasion, *, is_constant: bool) -> JSON:
    """Return a value as a body gives it to a field: numbers rounded half up to its places, dates and instants turned into each other.

    Raises:
        ActionFailed: the formula gave an error.
    """
    if is_constant or valued is None:
        return valued
    if isinstance(valued, CellError):
        raise _formula_failed(definition, valued)
    kind = definition.formula_type()
    if kind.is_number and isinstance(valued, Decimal | int) and not isinstance(valued, bool):
        rounded = round_to(Decimal(valued), kind.scale)
        return int(rounded) if kind.kind == "integer" else rounded
    zone = o.w.app.zone
    if kind.kind == "date" and isinstance(valued, datetime):
        return in_zone(valued, zone).date().isoformat()
    if kind.kind == "datetime" and isinstance(valued, date) and not isinstance(valued, datetime):
        try:
            return write_value(to_instant(datetime.combine(valued, time()), zone))
        except WrongValueError as error:  # the first day there is begins, east of Greenwich, before there is any
            raise _formula_failed(definition, BAD_DATE) from error
    if kind.kind == "text" and isinstance(valued, Decimal | int | date | timedelta):
        return display(valued)
    if kind.kind == "set" and not isinstance(valued, tuple):
        return [write_value(valued)]
    return write_value(valued)


def canonical_value(definition: Field, valued: Any, o: Occasion, *, is_constant: bool) -> Any:
    """Return a value as the database compares it; None if it is blank.

    Raises:
        ActionFailed: it does not fit the field.
    """
    given = body_value(definition, valued, o, is_constant=is_constant)
    try:
        return None if given is None else definition.coerce(given)
    except Invalid as invalid:
        text = say(f"“{definition.key}”:{invalid.message.zh}", f'"{definition.key}": {invalid.message.en}')
        raise ActionFailed(text) from invalid


def audience(o: Occasion, who: Iterable[Who]) -> Unit[list[str]]:
    """Return the ids of the people meant, each once, only who is active."""
    found: list[str] = []
    people = o.ports.people
    for one in who:
        if one.user is not None:
            found += yield from people.by_username(o.w, [one.user])
        elif one.role is not None:
            found += yield from people.with_role(o.w, one.role)
        elif one.department is not None:
            found += yield from people.in_department(o.w, one.department)
        elif one.field is not None or one.formula is not None:
            found += yield from _people_in(o, one.field or one.formula or "")
        elif one.area is not None:
            found += yield from _of_area(o, one.area)
        elif one.manager_of is not None:
            for user_id in (yield from _people_in(o, one.manager_of)):
                manager = yield from people.manager_of(o.w, user_id, one.levels)
                found += [manager] if manager is not None else []
    return (yield from people.active(o.w, found))


def _people_in(o: Occasion, path: str) -> Unit[list[str]]:
    """Return the people a field holds: a person, several, or the members of a department."""
    values = yield from o.evaluate(path)
    value = values[0]
    if value is None or isinstance(value, CellError):
        return []
    if isinstance(value, tuple):
        return [str(item) for item in value]
    if _is_department(o, path):
        return (yield from o.ports.people.in_department(o.w, str(value)))
    return [str(value)]


def _is_department(o: Occasion, path: str) -> bool:
    """Whether a path leads to a department."""
    owner: str | None = o.entity.key
    info = None
    for step in path.split("."):
        info = o.w.app.find_field(owner, step) if owner is not None else None
        owner = info.target_entity if info is not None else None
    return info is not None and info.type.kind == "department"


def _of_area(o: Occasion, path: str) -> Unit[list[str]]:
    value = (yield from o.evaluate(path))[0]
    if value is None or isinstance(value, CellError | tuple):
        return []
    return (yield from o.ports.people.of_area(o.w, display(value)))


def is_not_connected(problem: Problem) -> bool:
    """Whether there is no connection of the name."""
    return problem.code == "connection.not_found"


def not_connected(connection: str) -> Outcome:
    """What became of an action that waits for a connection to be made."""
    zh = f"还没有连接“{connection}”,未发送"
    return Outcome("passed", say(zh, f'There is no connection "{connection}" yet; nothing was sent'))


def missing_port(zh: str, en: str) -> ActionFailed:
    """This instance cannot do that."""
    return ActionFailed(say(f"本实例没有{zh}", f"This instance has no {en}"))


def count_text(count: int, entity: CompiledEntity, zh: str, en: str) -> Text:
    """Say what happened to how many records."""
    label = entity.label()
    return say(f"{zh} {count} 条“{label.zh}”", f"{en} {count} {label.en}")
