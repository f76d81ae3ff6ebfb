"""``schedule``: at times that a cron line names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

from builder.calendars.cron import parse_cron
from builder.definition.triggers.base import TriggerModel
from builder.fields.base import wrong_option


def _check_cron(text: str) -> str:
    try:
        parse_cron(text, "UTC")
    except ValueError as error:
        zh = f"不是 cron 表达式:{error};应为 分 时 日 月 周,如 0 8 * * mon-fri"
        raise wrong_option(zh, f"No cron line: {error}; minute hour day month weekday, as in 0 8 * * mon-fri") from None
    return text


class Schedule(TriggerModel):
    """At the times of a cron line, in the app's zone: minute, hour, day of month, month, day of week."""

    type: Literal["schedule"] = "schedule"
    cron: Annotated[
        str, StringConstraints(min_length=9, max_length=100, pattern=r"^\S+( \S+){4}$"), AfterValidator(_check_cron)
    ]
    catch_up: Literal["skip", "last", "all"] = "last"
    """Of times missed while the service was down: none, the last one, or every one (at most 100)."""
    each: bool = True
    """Once for every record that meets the condition, a hundred in each transaction; False: once, without a record."""
