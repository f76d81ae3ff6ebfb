"""``forms/*.json``: a page on which anybody can hand in a record, without an account. See docs/decisions/0024."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from builder.definition.role import Default
from builder.fields.base import BothLanguages, Key, Label, Model, Option, Refers, wrong_option
from builder.kernel.limits import FIELDS_PER_ENTITY, FORM_SENDINGS


class FormField(Model):
    """A field that the form asks for."""

    field: Annotated[Key, Refers("field", of="../entity")]
    label: Label | None = None
    """What is written beside it; the field's own label if left out."""
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    required: bool = False
    """Has to be given here, even where the field itself may be blank."""


class Form(Model):
    """A door that lets do one thing: create a record of one entity with the fields that stand here."""

    key: Key
    label: Label
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    """Shown above the fields."""
    entity: Annotated[Key, Refers("entity")]
    role: Annotated[Key, Refers("roles")] | None = None
    """The role the form acts under, in an app that has roles: it has to let create the entity's records."""
    fields: Annotated[tuple[FormField, ...], Option(min_length=1, max_length=FIELDS_PER_ENTITY)]
    values: tuple[Default, ...] = ()
    """What the form adds: where the record comes from, its stage. Who fills it in cannot say otherwise."""
    thanks: Label | None = None
    """What is said when it has arrived."""
    captcha: Literal["none", "work", "service"] = "work"
    """Against robots: a small computation by the visitor's browser, or the service that the settings name."""
    work_bits: Annotated[int, Option(ge=8, le=24)] = 16
    """How much of a computation: each bit doubles it; 16 is a fraction of a second."""
    trap: Key = "website"
    """A member that people do not see; who gives it is a robot, is thanked, and nothing is kept."""
    per_address: Annotated[int, Option(ge=1, le=FORM_SENDINGS)] = 10
    """Sendings from one address in fifteen minutes."""
    active: bool = True

    @model_validator(mode="after")
    def _check(self) -> Form:
        asked = [each.field for each in self.fields]
        added = [each.field for each in self.values]
        if len({*asked, *added}) < len(asked) + len(added):
            raise wrong_option("同一字段只能出现一次", "a field stands in a form once")
        if self.trap in asked:
            raise wrong_option("trap 不能与字段同名", "the trap cannot have the name of a field")
        return self
