"""``geo_point``: a position on the earth in exact degrees. Source: DESIGN 5; GeoJSON's order is not used: members have names."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from builder.fields.base import JSON, Field, FieldSample, Invalid, wrong_type
from builder.fields.parts.datums import CONVERSIONS
from builder.fields.parts.numbers import read_number
from builder.kernel.text import say
from builder.store.types import Position, StoredType
from formulas.types import GEO, Type

_STEP = Decimal("0.000001")  # 11 cm; what formulas keep
_BOUNDS = {"lat": 90, "lng": 180}
_DATUMS = ("WGS84", "GCJ02")


class GeoPointField(Field):
    """Latitude and longitude in one datum; a point given in the other datum is converted."""

    title = say("位置", "Geographic point")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                (
                    {"lat": Decimal("31.2304"), "lng": Decimal("121.4737")},
                    {"lat": Decimal("31.230400"), "lng": Decimal("121.473700")},
                ),
                ({"lat": "-90", "lng": 180}, {"lat": Decimal("-90.000000"), "lng": Decimal("180.000000")}),
                (
                    {"lat": Decimal("-0.0000004"), "lng": Decimal("0.0000005")},
                    {"lat": Decimal("0.000000"), "lng": Decimal("0.000001")},
                ),
                (
                    {"lat": Decimal("39.911954"), "lng": Decimal("116.377817"), "datum": "GCJ02"},
                    {"lat": Decimal("39.911954"), "lng": Decimal("116.377817")},
                ),
                (
                    {"lat": Decimal("39.911954"), "lng": Decimal("116.377817"), "datum": "WGS84"},
                    {"lat": Decimal("39.913345"), "lng": Decimal("116.384047")},
                ),
                ({"lat": None, "lng": None}, None),
                ({"lat": "", "lng": ""}, None),
            ),
            (
                ({"lat": 91, "lng": 0}, "range"),
                ({"lat": 0, "lng": Decimal("180.000001")}, "range"),
                ({"lat": 10**400, "lng": 0}, "range"),
                ({"lat": Decimal("1E+99999"), "lng": 0}, "range"),
                ({"lat": 1}, "type"),
                ({"lat": 1, "lng": None}, "type"),
                ({"lat": True, "lng": 0}, "type"),
                ({"lat": "x", "lng": 0}, "type"),
                ({"lat": 0, "lng": 0, "alt": 5}, "type"),
                ({"lat": 0, "lng": 0, "datum": "BD09"}, "type"),
                ({}, "type"),
                ([31, 121], "type"),
                ("31,121", "type"),
                (31, "type"),
                (True, "type"),
            ),
        ),
        FieldSample(
            {"datum": "WGS84"},
            (
                (
                    {"lat": Decimal("39.913345"), "lng": Decimal("116.384047"), "datum": "GCJ02"},
                    {"lat": Decimal("39.911954"), "lng": Decimal("116.377817")},
                ),
            ),
        ),
    )

    type: Literal["geo_point"] = "geo_point"
    datum: Literal["WGS84", "GCJ02"] = "GCJ02"
    """The datum that values are kept and shown in: GCJ02 is what Chinese maps need, WGS84 what phones and browsers measure."""

    def column_type(self) -> StoredType:
        """A pair of numbers."""
        return Position()

    def coerce(self, value: JSON) -> tuple[Decimal, Decimal] | None:
        """Take ``{"lat": …, "lng": …}``, with the ``datum`` if it is not the field's own."""
        if not isinstance(value, dict) or not {"lat", "lng"} <= set(value) <= {"lat", "lng", "datum"}:
            raise _wrong()
        datum = value.get("datum") or self.datum
        parts = [None if value[name] is None else read_number(value[name]) for name in _BOUNDS]
        latitude, longitude = parts
        if datum not in _DATUMS:
            raise _wrong()
        if latitude is None and longitude is None:
            return None
        if latitude is None or longitude is None:
            raise _wrong()
        for number, (name, bound) in zip((latitude, longitude), _BOUNDS.items(), strict=True):
            if abs(number) > bound:
                message = say(f"{name} 应在 ±{bound} 以内", f"{name} must lie within ±{bound}")
                raise Invalid("range", message, member=name, maximum=bound)
        if datum != self.datum:
            moved = CONVERSIONS[datum, self.datum](float(latitude), float(longitude))
            latitude, longitude = (Decimal(repr(number)) for number in moved)
        return _exact(latitude), _exact(longitude)

    def to_json(self, value: Any) -> JSON:
        """Degrees by name."""
        latitude, longitude = value
        return {"lat": latitude, "lng": longitude}

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """The stored digits, by name."""
        first: sa.ColumnElement[str] = sa.literal_column("'$[0]'")
        second: sa.ColumnElement[str] = sa.literal_column("'$[1]'")
        if dialect == "sqlite":
            raw = sa.type_coerce(column, sa.Text)
            # -> gives the digits as they are stored; json_extract would make binary floats of them
            shown = sa.func.json_object(
                "lat", sa.func.json(raw.op("->")(first)), "lng", sa.func.json(raw.op("->")(second))
            )
            return sa.case((raw.is_not(None), sa.func.json(shown)))
        raw = sa.type_coerce(column, pg.JSONB)
        lat, lng = (raw.op("->")(sa.literal_column(place)) for place in ("0", "1"))
        names: list[sa.ColumnElement[str]] = [sa.literal_column("'lat'"), sa.literal_column("'lng'")]
        return sa.case((raw.is_not(None), sa.func.json_build_object(names[0], lat, names[1], lng)))

    def from_text(self, text: str) -> JSON:
        """Read ``31.2304,121.4737``, latitude first."""
        parts = text.replace("，", ",").split(",")
        return {"lat": parts[0].strip(), "lng": parts[1].strip()} if len(parts) == 2 else text

    def to_text(self, value: Any) -> str:
        """Latitude and longitude with a comma between them."""
        return f"{value[0]},{value[1]}"

    def formula_type(self) -> Type:
        """A position."""
        return GEO

    def value_schema(self) -> dict[str, Any]:
        """Degrees by name."""
        return {
            "type": "object",
            "properties": {
                "lat": {"type": "number", "minimum": -90, "maximum": 90},
                "lng": {"type": "number", "minimum": -180, "maximum": 180},
                "datum": {"type": "string", "enum": list(_DATUMS)},
            },
            "required": ["lat", "lng"],
            "additionalProperties": False,
        }


def _exact(number: Decimal) -> Decimal:
    rounded = number.quantize(_STEP, ROUND_HALF_UP)
    return rounded if rounded else abs(rounded)


def _wrong() -> Invalid:
    return wrong_type(
        say('位置,如 {"lat": 31.2304, "lng": 121.4737}', 'a position such as {"lat": 31.2304, "lng": 121.4737}')
    )
