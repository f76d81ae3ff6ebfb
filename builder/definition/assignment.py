"""``assignments/*.json``: who gets a record. See docs/decisions/0021."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, StringConstraints, model_validator

from builder.definition.actions.base import Audience, Condition, FormulaText, OwnPath
from builder.fields.base import BothLanguages, Formula, Key, Label, Model, Option, Refers, wrong_option

OwnField = Annotated[Key, Refers("field", of="/entity")]
Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Bound = Annotated[int, Option(ge=1, le=100_000)]


class Hours(Model):
    """When a step is open, in the app's zone."""

    weekdays: Annotated[tuple[Annotated[int, Option(ge=1, le=7)], ...], Option(max_length=7)] = ()
    """1 = Monday … 7 = Sunday; every day if left out."""
    begins: Clock | None = None
    """From this time on, ``HH:MM``."""
    ends: Clock | None = None
    """Until before this time; one that is not after ``begins`` is of the next day."""


class RoundRobin(Model):
    """In turn: who has waited longest."""

    type: Literal["round_robin"] = "round_robin"


class LeastLoad(Model):
    """Who has the fewest open records; among equals who has waited longest."""

    type: Literal["least_load"] = "least_load"


class Measure(Model):
    """One part of a score."""

    weight: Annotated[int, Option(ge=-1_000, le=1_000)]
    of: Literal["open", "rest_hours", "area", "department", "records"]
    """``open``: open records; ``rest_hours``: hours since the last one (at most 240); ``area``: 1 if an area is the record's;
    ``department``: 1 if in the record's department; ``records``: how many records of ``entity`` are theirs."""
    field: OwnPath | None = None
    """With ``area`` and ``department``: where the record says which."""
    entity: Annotated[Key, Refers("entity")] | None = None
    person: Annotated[Key, Refers("field", of="entity")] | None = None
    """With ``records``: the field of that entity that holds the person."""
    where: Annotated[FormulaText | None, Formula(of="entity", gives="boolean", in_database=True)] = None
    """With ``records``: which of them count."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.of == "records") != (self.entity is not None and self.person is not None):
            raise wrong_option("records 需要 entity 和 person", "records needs entity and person, nothing else does")
        if (self.of in ("area", "department")) != (self.field is not None):
            raise wrong_option("area 和 department 需要 field", "area and department need field, nothing else does")
        return self


class Score(Model):
    """The highest sum of weighted measures; among equals who has waited longest."""

    type: Literal["score"] = "score"
    measures: Annotated[tuple[Measure, ...], Option(min_length=1, max_length=10)]


class Sticky(Model):
    """Who has had it before: the person in a field (the customer's owner); if they cannot, the least loaded."""

    type: Literal["sticky"] = "sticky"
    person: OwnPath


Picker = Annotated[RoundRobin | LeastLoad | Score | Sticky, Discriminator("type")]


class Step(Model):
    """Which records, for whom, and how one of them is chosen. The first step that finds somebody decides."""

    label: Label | None = None
    when: Condition = None
    """A formula or a JSON filter over the record; every record if left out."""
    hours: Hours | None = None
    people: Audience
    at_most: Bound | None = None
    """Who has so many open records already is passed over."""
    skip_away: bool = True
    """Who is on leave or travelling is passed over."""
    in_hours_of: Annotated[Key, Refers("calendars")] | None = None
    """Nobody is chosen outside the working hours of this calendar."""
    picker: Picker = LeastLoad()


class Pool(Model):
    """A public pool: records that nobody has, for everybody to claim."""

    claimers: Audience | None = None
    """Who may claim; everybody who may change the record once it is theirs if left out."""
    at_most: Bound | None = None
    """How many open records a person may have and still claim."""
    per_day: Bound | None = None
    """How many a person may claim in a day of the app."""
    reclaim_hours: Annotated[int, Option(ge=1, le=8_760)] | None = None
    """Who was given or has claimed a record and has not met ``kept_if`` after so many hours loses it to the pool."""
    kept_if: Annotated[FormulaText | None, Formula(of="/entity", gives="boolean")] = None
    """What shows that somebody works on it."""
    again_hours: Annotated[int, Option(ge=0, le=8_760)] = 0
    """Who lost or released a record may not claim it again before so many hours are over."""

    @model_validator(mode="after")
    def _reclaim_whole(self) -> Self:
        if (self.reclaim_hours is None) != (self.kept_if is None):
            raise wrong_option("reclaim_hours 与 kept_if 须同时给出", "reclaim_hours and kept_if go together")
        return self


class Assignment(Model):
    """Ordered steps that find a person for a record."""

    key: Key
    label: Label
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    entity: Annotated[Key, Refers("entity")]
    person: OwnField
    """The field that gets the person."""
    open_if: Annotated[FormulaText | None, Formula(of="/entity", gives="boolean")] = None
    """Which records of a person count as open; all that are theirs if left out."""
    steps: Annotated[tuple[Step, ...], Option(min_length=1, max_length=50)]
    otherwise: Literal["leave", "pool"] = "leave"
    """What becomes of a record for which no step finds anybody: it stays as it is, or goes to the pool."""
    pool: Pool | None = None

    @model_validator(mode="after")
    def _pool_there(self) -> Self:
        if self.otherwise == "pool" and self.pool is None:
            raise wrong_option("otherwise 为 pool 时须给出 pool", "otherwise pool needs pool")
        return self


__all__ = ["Assignment", "Hours", "LeastLoad", "Measure", "Pool", "RoundRobin", "Score", "Step", "Sticky"]
