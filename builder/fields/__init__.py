"""Field types: one file each. A new type is one file and one line in ``AnyField``."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Discriminator

from builder.fields.base import Field
from builder.fields.children import ChildrenField
from builder.fields.decimal import DecimalField
from builder.fields.reference import ReferenceField
from builder.fields.text import TextField

AnyField = Annotated[
    TextField
    | DecimalField
    | ReferenceField
    | ChildrenField,
    Discriminator("type"),
]

ALL: tuple[type[Field], ...] = get_args(get_args(AnyField)[0])
BY_TYPE: dict[str, type[Field]] = {kind.model_fields["type"].default: kind for kind in ALL}
