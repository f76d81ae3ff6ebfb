"""``schedule``: at times that a cron line names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from builder.definition.triggers.base import TriggerModel


class Schedule(TriggerModel):
    """At the times of a cron line, in the app's zone: minute, hour, day of month, month, day of week."""

    type: Literal["schedule"] = "schedule"
    cron: Annotated[str, StringConstraints(min_length=9, max_length=100, pattern=r"^\S+( \S+){4}$")]
    catch_up: Literal["skip", "last", "all"] = "last"
    """Of times missed while the service was down: none, the last one, or every one (at most 100)."""
    each: bool = True
    """Once for every record that meets the condition; False: once, without a record."""
