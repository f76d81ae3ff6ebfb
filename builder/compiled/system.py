"""The fields every record has besides its own: id, revision, created and updated. The same behaviour as any field, so nothing treats them apart."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from builder.fields.base import Field
from builder.fields.datetime import DatetimeField
from builder.fields.integer import IntegerField
from builder.fields.reference import ReferenceField
from builder.fields.text import TextField
from builder.store.types import Words
from formulas.types import PERSON, Type


class _IdField(ReferenceField):
    """The record's own id; read as any reference is."""


class _ActorField(TextField):
    """Who did it: a user's id, or ``system``."""

    def column_type(self) -> Words:
        """Text, because not every actor is a user."""
        return Words()

    def formula_type(self) -> Type:
        """A person."""
        return PERSON


def system_fields(entity: str) -> Mapping[str, Field]:
    """Return the system fields of an entity by key, in order."""
    fields: tuple[Field, ...] = (
        # a link's entity has a key that no document may have
        _IdField.of(key="id", entity="entity", label={"zh": "编号", "en": "Id"}).model_copy(update={"entity": entity}),
        IntegerField.of(key="revision", label={"zh": "修订号", "en": "Revision"}),
        DatetimeField.of(key="created_at", label={"zh": "创建时间", "en": "Created at"}),
        _ActorField.of(key="created_by", label={"zh": "创建人", "en": "Created by"}),
        DatetimeField.of(key="updated_at", label={"zh": "修改时间", "en": "Updated at"}),
        _ActorField.of(key="updated_by", label={"zh": "修改人", "en": "Updated by"}),
    )
    return MappingProxyType({field.key: field for field in fields})
