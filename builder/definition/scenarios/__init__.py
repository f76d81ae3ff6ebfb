"""``scenarios/*.json``: stories that an app has to live up to. See docs/decisions/0017."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import StringConstraints, model_validator

from builder.definition.scenarios.acts import AnyAct
from builder.definition.scenarios.base import LocalMoment, Name, Values
from builder.definition.scenarios.expectations import AnyExpectation
from builder.fields.base import BothLanguages, Key, Label, Model, Option, Refers, ShortText, wrong_option
from builder.kernel.limits import SCENARIO_CHAPTERS, SCENARIO_STEPS

JSON = Any
Note = Annotated[str, StringConstraints(max_length=2_000)]


class GivenDepartment(Model):
    """A department that is there."""

    key: Key
    name: ShortText
    parent: Key | None = None
    manager: Name | None = None
    """A user of the scenario."""


class GivenUser(Model):
    """A person who is there; ``@key`` means their id."""

    key: Name
    """Also the user name."""
    name: ShortText
    role: ShortText = "member"
    """admin, builder, member."""
    kind: Literal["person", "external"] = "person"
    """external: a dealer or customer, who has portal roles only."""
    department: Key | None = None
    manager: Name | None = None
    app_roles: Annotated[tuple[Annotated[Key, Refers("roles")], ...], Option(max_length=20)] = ()
    """The roles of the app they have."""


class GivenRecord(Model):
    """A record that is there when the story begins, in whatever stage its values say."""

    name: Name
    """``@name`` means its id."""
    entity: Annotated[Key, Refers("entity")]
    values: Values = Option(default_factory=dict)


class Given(Model):
    """What there is when the story begins; managers and references come before those who name them."""

    departments: Annotated[tuple[GivenDepartment, ...], Option(max_length=SCENARIO_STEPS)] = ()
    users: Annotated[tuple[GivenUser, ...], Option(max_length=SCENARIO_STEPS)] = ()
    records: Annotated[tuple[GivenRecord, ...], Option(max_length=SCENARIO_STEPS)] = ()
    switched_on: Annotated[tuple[Annotated[Key, Refers("automations")], ...], Option(max_length=SCENARIO_STEPS)] = ()
    """Automations that are off in the package (they wait for a connection) and on in the story."""


class Chapter(Model):
    """What people do, and what then has to be so."""

    label: Label | None = None
    when: Annotated[tuple[AnyAct, ...], Option(max_length=SCENARIO_STEPS)] = ()
    then: Annotated[tuple[AnyExpectation, ...], Option(max_length=SCENARIO_STEPS)] = ()

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.when and not self.then:
            raise wrong_option("请给出 when 或 then", "Give when, or then, or both")
        return self


class Scenario(Model):
    """A story."""

    key: Key
    label: Label
    help: Note | BothLanguages | None = None
    starts_at: LocalMoment = "2026-03-02T09:00"
    """When it begins, by the app's clock: a Monday morning if left out."""
    given: Given = Given()
    story: Annotated[tuple[Chapter, ...], Option(min_length=1, max_length=SCENARIO_CHAPTERS)]


__all__ = ["Chapter", "Given", "GivenDepartment", "GivenRecord", "GivenUser", "Scenario"]
