"""What triggers share."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from builder.definition.automation import Automation
from builder.definition.triggers.base import TriggerModel
from builder.kernel.text import Text
from builder.store.statement import Unit
from runtime.automations.ports import Ports
from runtime.expressions.prepared import Subject
from runtime.records.seams import Fact
from runtime.records.writer import Writing

JSON = Any
T = TypeVar("T", bound=TriggerModel)


class TriggerKind(Protocol[T]):
    """One kind of trigger. It has no state of its own."""

    model: type[T]
    title: Text

    def watches(self, automation: Automation, trigger: T) -> str | None:
        """Return the entity whose writes may start it; None: something else does (time, a person, a message)."""
        ...

    def find(self, w: Writing, ports: Ports, automation: Automation, trigger: T, fact: Fact) -> Unit[Subject | None]:
        """Return the record to run for because of a write; None: it does not start."""
        ...


def subject_of(fact: Fact) -> Subject:
    """Return the record that was written."""
    if fact.deed == "deleted":
        return Subject(fact.entity, fact.record_id, fact.before, fact.before, gone=True)
    return Subject(fact.entity, fact.record_id, fact.after, fact.before)


class Elsewhere:
    """A trigger that no write starts."""

    def watches(self, automation: Automation, trigger: Any) -> str | None:
        """No entity."""
        return None

    def find(self, w: Writing, ports: Ports, automation: Automation, trigger: Any, fact: Fact) -> Unit[Subject | None]:
        """Never."""
        yield from ()
        return None


class OwnEntity:
    """A trigger that writes to the automation's own entity start."""

    def watches(self, automation: Automation, trigger: Any) -> str | None:
        """The automation's entity."""
        return automation.entity

    def fits(self, trigger: Any, fact: Fact) -> bool:
        """Whether a write starts it."""
        raise NotImplementedError

    def find(self, w: Writing, ports: Ports, automation: Automation, trigger: Any, fact: Fact) -> Unit[Subject | None]:
        """The record that was written, if the write fits."""
        yield from ()
        return subject_of(fact) if self.fits(trigger, fact) else None
