"""Field types: one file each. A new type is one file and one line in ``AnyField``."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Discriminator

from builder.fields.address import AddressField
from builder.fields.audio import AudioField
from builder.fields.auto_number import AutoNumberField
from builder.fields.barcode import BarcodeField
from builder.fields.base import Field
from builder.fields.boolean import BooleanField
from builder.fields.children import ChildrenField
from builder.fields.composite import CompositeField
from builder.fields.created_at import CreatedAtField
from builder.fields.created_by import CreatedByField
from builder.fields.date import DateField
from builder.fields.datetime import DatetimeField
from builder.fields.decimal import DecimalField
from builder.fields.department import DepartmentField
from builder.fields.duration import DurationField
from builder.fields.email import EmailField
from builder.fields.file import FileField
from builder.fields.formula import FormulaField
from builder.fields.geo_point import GeoPointField
from builder.fields.image import ImageField
from builder.fields.integer import IntegerField
from builder.fields.json import JsonField
from builder.fields.long_text import LongTextField
from builder.fields.lookup import LookupField
from builder.fields.money import MoneyField
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.multi_select import MultiSelectField
from builder.fields.multi_user import MultiUserField
from builder.fields.percent import PercentField
from builder.fields.phone import PhoneField
from builder.fields.rating import RatingField
from builder.fields.reference import ReferenceField
from builder.fields.rich_text import RichTextField
from builder.fields.rollup import RollupField
from builder.fields.select import SelectField
from builder.fields.signature import SignatureField
from builder.fields.tags import TagsField
from builder.fields.text import TextField
from builder.fields.time import TimeField
from builder.fields.updated_at import UpdatedAtField
from builder.fields.updated_by import UpdatedByField
from builder.fields.url import UrlField
from builder.fields.user import UserField

AnyField = Annotated[
    TextField
    | LongTextField
    | RichTextField
    | EmailField
    | PhoneField
    | UrlField
    | IntegerField
    | DecimalField
    | MoneyField
    | PercentField
    | RatingField
    | BooleanField
    | DateField
    | DatetimeField
    | TimeField
    | DurationField
    | SelectField
    | MultiSelectField
    | TagsField
    | ReferenceField
    | MultiReferenceField
    | ChildrenField
    | UserField
    | MultiUserField
    | DepartmentField
    | AutoNumberField
    | FileField
    | ImageField
    | AudioField
    | SignatureField
    | BarcodeField
    | GeoPointField
    | AddressField
    | JsonField
    | CompositeField
    | CreatedAtField
    | CreatedByField
    | UpdatedAtField
    | UpdatedByField
    | FormulaField
    | LookupField
    | RollupField,
    Discriminator("type"),
]

ALL: tuple[type[Field], ...] = get_args(get_args(AnyField)[0])
BY_TYPE: dict[str, type[Field]] = {kind.model_fields["type"].default: kind for kind in ALL}
