"""``locks/*.json``: when records stand still, for everybody. See docs/decisions/0014."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import StringConstraints, model_validator

from builder.fields.base import BothLanguages, Formula, Key, Label, Model, Option, Refers, wrong_option
from builder.kernel.limits import FIELDS_PER_ENTITY


class After(Model):
    """Stands still after so many days: a daily report may be corrected until the end of the next working day (T+1)."""

    field: Annotated[Key, Refers("field", of="../entity")]
    """The date or moment from which is counted."""
    days: Annotated[int, Option(ge=0, le=3_650)]
    """Still free: this many days after that day, until their end."""
    count: Literal["days", "working_days"] = "working_days"
    """Working days are those of the app's calendar."""


class Period(Model):
    """Stands still when the period of a date is closed (by ``PUT /api/{app}/locks/{key}``)."""

    field: Annotated[Key, Refers("field", of="../entity")]
    """The date that says to which period a record belongs."""


class Lock(Model):
    """Certain records, or some of their fields, can no longer be changed."""

    key: Key
    label: Label
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    """Why, in words: shown to whoever meets the lock."""
    entity: Annotated[Key, Refers("entity")]
    when: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=4_000)] | dict[str, Any] | None,
        Formula(of="entity", gives="boolean"),
    ] = None
    """Only records of which this is true, as they are before the write."""
    after: After | None = None
    period: Period | None = None
    fields: Annotated[
        tuple[Annotated[Key, Refers("field", of="entity")], ...], Option(max_length=FIELDS_PER_ENTITY)
    ] = ()
    """Fields that stand still; all if left out, and then the record cannot be deleted either."""
    override: tuple[Annotated[Key, Refers("roles")], ...] = ()
    """Roles that may write all the same, with a reason that is kept. Admins may."""
    closers: tuple[Annotated[Key, Refers("roles")], ...] = ()
    """Roles that may close and open periods. Admins may."""

    @model_validator(mode="after")
    def _check(self) -> Lock:
        if self.when is None and self.after is None and self.period is None:
            raise wrong_option("请给出 when、after 或 period 之一", "give one of when, after and period")
        if self.after is not None and self.period is not None:
            raise wrong_option("after 与 period 不能同时使用", "a lock has either after or period")
        return self
