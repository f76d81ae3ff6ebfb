"""What may be told of runs to those who see a part of the app only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.automations.actions.base import Outcome
from runtime.automations.runs import Run
from runtime.records.seeing import whole_fields
from runtime.records.writer import Writing

JSON = Any


def without_words(run: Run) -> Run:
    """Return a run as those see it who see a part of the app only.

    The words of its actions tell what these read and wrote, of records and fields that are not shown to everybody who sees the record.
    """
    nothing = say("", "")
    return replace(run, outcomes=[Outcome(outcome.state, nothing) for outcome in run.outcomes])


def seen_events(w: Writing, events: list[dict[str, JSON]]) -> Unit[list[dict[str, JSON]]]:
    """Return events of records that the caller sees, with what changed of fields that are shown as they are."""
    if w.sight is None:
        return events
    found: list[dict[str, JSON]] = []
    for event in events:
        owner = w.seen.app.entities.get(event["entity"])
        whole = {} if owner is None else (yield from whole_fields(w, owner, [event["record_id"]]))
        shown = whole.get(event["record_id"])
        if shown is not None:
            changes = {key: pair for key, pair in event["changes"].items() if key in shown}
            found.append({**event, "changes": changes})
    return found
