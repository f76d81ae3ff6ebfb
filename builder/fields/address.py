"""``address``: a place in China by its division and the rest of the address. Source: DESIGN 5; codes: GB/T 2260."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from builder.fields.base import JSON, Field, FieldSample, Invalid, Option, expect_text, wrong_type
from builder.fields.parts.regions import Level, find_in_text, has_below, path_of, regions
from builder.fields.parts.texts import check_length, clean_line
from builder.kernel.problems import nearest_hint
from builder.kernel.text import say
from builder.store.types import StoredType, Words
from formulas.types import TEXT, Type

_CODE = 6
_MEMBERS = {"region", "name", "street"}
_DEPTH: dict[Level, int] = {"province": 1, "city": 2, "district": 3}
_NAMES = {
    "province": say("省", "a province"),
    "city": say("市", "a city"),
    "district": say("区县", "a district or county"),
}


class AddressField(Field):
    """A division's code with the street. Kept as one text, ``320583 江苏省苏州市昆山市 前进路1号``, so that filters and reports can use it:
    ``STARTSWITH(address, "32")`` finds a province, ``CONTAINS(address, "昆山")`` a name.
    """

    title = say("地址", "Address")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                (
                    {"region": "320583", "street": " 前进路 1 号 "},
                    {"region": "320583", "name": "江苏省苏州市昆山市", "street": "前进路 1 号"},
                ),
                (
                    {"region": "110105", "name": "ignored", "street": "建国路'; --\\\"<b>"},
                    {"region": "110105", "name": "北京市朝阳区", "street": "建国路'; --\\\"<b>"},
                ),
                ({"region": "419001"}, {"region": "419001", "name": "河南省济源市", "street": None}),
                ({"region": "442000"}, {"region": "442000", "name": "广东省中山市", "street": None}),
                ({"region": "810000", "street": ""}, {"region": "810000", "name": "香港特别行政区", "street": None}),
                ({"region": None, "street": None}, None),
                ({}, None),
            ),
            (
                ({"region": "320000"}, "level"),
                ({"region": "320500", "street": "x"}, "level"),
                ({"region": "999999"}, "region"),
                ({"region": "32058"}, "region"),
                ({"region": "３２０５８３"}, "region"),
                ({"street": "前进路"}, "region"),
                ({"region": 320583}, "type"),
                ({"region": "320583", "street": 5}, "type"),
                ({"region": "320583", "street": "a\nb"}, "character"),
                ({"region": "320583", "street": "x" * 201}, "max_length"),
                ({"region": "320583", "town": "x"}, "type"),
                ("江苏省苏州市昆山市", "type"),
                (["320583"], "type"),
                (True, "type"),
            ),
        ),
        FieldSample(
            {"level": "province"},
            (
                ({"region": "320000"}, {"region": "320000", "name": "江苏省", "street": None}),
                ({"region": "320583"}, {"region": "320583", "name": "江苏省苏州市昆山市", "street": None}),
            ),
        ),
    )

    type: Literal["address"] = "address"
    level: Literal["province", "city", "district"] = "district"
    """How exact the division has to be at least, as far as there are such divisions."""
    max_length: Annotated[int, Option(ge=1, le=400)] = 200
    """The longest street, in characters (code points)."""

    def column_type(self) -> StoredType:
        """Text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Take ``{"region": code, "street": text}``; a ``name`` is not read, it follows from the code."""
        if not isinstance(value, dict) or not set(value) <= _MEMBERS:
            raise wrong_type(
                say(
                    '地址,如 {"region": "320583", "street": "前进路1号"}',
                    'an address: {"region": code, "street": text}',
                )
            )
        given, rest = value.get("region"), value.get("street")
        code = "" if given is None else expect_text(given).strip()
        street = None if rest is None else clean_line(rest)
        check_length(street or "", 0, self.max_length)
        if not code and street is None:
            return None
        if code not in regions():
            shown = code[:20].encode("utf-8", "replace").decode()
            hint = nearest_hint(shown, regions()) if len(shown) == _CODE else say("", "")
            raise Invalid(
                "region",
                say(f"没有行政区划代码“{shown}”{hint.zh}", f'There is no division "{shown}"{hint.en}'),
                value=shown,
            )
        if has_below(code) and _DEPTH[regions()[code].level] < _DEPTH[self.level]:
            wanted = _NAMES[self.level]
            raise Invalid("level", say(f"请选到{wanted.zh}", f"Choose {wanted.en}"), level=self.level)
        name = "".join(part.name for part in path_of(code))
        return f"{code} {name} {street or ''}".rstrip()

    def to_json(self, value: Any) -> JSON:
        """Code, name and street."""
        code, _, rest = value.partition(" ")
        name, _, street = rest.partition(" ")
        return {"region": code, "name": name, "street": street or None}

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """The text taken apart."""
        text = sa.type_coerce(column, sa.Text)
        code: sa.ColumnElement[Any] = sa.func.substr(text, _number(1), _number(_CODE))
        rest: sa.ColumnElement[Any] = sa.func.substr(text, _number(_CODE + 2))
        blank: sa.ColumnElement[str] = sa.literal_column("' '")
        at = sa.func.instr(rest, blank) if dialect == "sqlite" else sa.func.strpos(rest, blank)
        name = sa.case((at > _number(0), sa.func.substr(rest, _number(1), at - _number(1))), else_=rest)
        street = sa.case((at > _number(0), sa.func.substr(rest, at + _number(1))))
        if dialect == "sqlite":
            shown = sa.func.json_object("region", code, "name", name, "street", street)
            return sa.case((text.is_not(None), sa.func.json(shown)))
        arguments: list[sa.ColumnElement[Any]] = []
        for key, inner in (("region", code), ("name", name), ("street", street)):
            arguments += [sa.literal_column(f"'{key}'"), sa.cast(inner, pg.TEXT)]
        return sa.case((text.is_not(None), sa.func.json_build_object(*arguments)))

    def from_text(self, text: str) -> JSON:
        """Read ``320583 … street``, or an address that begins with the full name of a division."""
        bare = text.strip()
        if bare[:_CODE] in regions() and bare[_CODE : _CODE + 1] in ("", " "):
            name = "".join(part.name for part in path_of(bare[:_CODE]))
            return {"region": bare[:_CODE], "street": bare[_CODE + 1 :].removeprefix(name).strip()}
        found = find_in_text(bare)
        return {"region": found[0], "street": found[1].strip()} if found else text

    def to_text(self, value: Any) -> str:
        """The stored text."""
        return str(value)

    def formula_type(self) -> Type:
        """Text: code, name and street with a space between them."""
        return TEXT

    def value_schema(self) -> dict[str, Any]:
        """Code, name and street."""
        return {
            "type": "object",
            "properties": {
                "region": {"type": "string", "pattern": "^[1-9][0-9]{5}$", "description": "GB/T 2260"},
                "name": {"type": "string", "readOnly": True},
                "street": {"type": ["string", "null"], "maxLength": self.max_length},
            },
            "required": ["region"],
            "additionalProperties": False,
        }


def _number(value: int) -> sa.ColumnElement[int]:
    return sa.literal_column(str(value))
