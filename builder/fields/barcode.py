"""``barcode``: what a bar code or QR code says. Source: GS1 General Specifications; ISO/IEC 15417 (Code 128), 18004 (QR)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from builder.fields.base import JSON, Field, FieldSample, Invalid
from builder.fields.parts.check_digits import gs1_check
from builder.fields.parts.texts import check_length, clean_form, clean_line
from builder.kernel.limits import BARCODE_LENGTH
from builder.kernel.text import say
from builder.store.types import StoredType, Words
from formulas.types import TEXT, Type

Symbology = Literal["ean13", "ean8", "upca", "code128", "qr"]

_ASCII = re.compile(r"[ -~]+\Z", re.ASCII)
_CODE128_LENGTH = 80
_QR_BYTES = 2_331  # version 40 at level M


class _Digits(NamedTuple):
    name: str
    length: int


_GS1: Mapping[str, _Digits] = {
    "ean13": _Digits("EAN-13", 13),
    "ean8": _Digits("EAN-8", 8),
    "upca": _Digits("UPC-A", 12),
}


class BarcodeField(Field):
    """The content of a code. EAN and UPC numbers are checked by their last digit."""

    title = say("条码", "Barcode")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"symbology": "ean13"},
            (
                ("6901234567892", "6901234567892"),
                (" 4 006381 333931 ", "4006381333931"),
                ("９７８-0306406157", "9780306406157"),
                ("", None),
            ),
            (
                ("6901234567893", "check_digit"),
                ("690123456789", "digits"),
                ("69012345678922", "digits"),
                ("690123456789X", "digits"),
                ("٦٩٠١٢٣٤٥٦٧٨٩٢", "digits"),
                (6901234567892, "type"),
                (["6901234567892"], "type"),
                ("69012345\x0067892", "character"),
            ),
        ),
        FieldSample(
            {"symbology": "ean8"}, (("96385074", "96385074"),), (("96385075", "check_digit"), ("9638507", "digits"))
        ),
        FieldSample({"symbology": "upca"}, (("036000291452", "036000291452"),), (("036000291453", "check_digit"),)),
        FieldSample(
            {"symbology": "code128"},
            (("ABC-123 /x", "ABC-123 /x"), ("'; DROP TABLE x; --", "'; DROP TABLE x; --")),
            (("条码", "character"), ("é", "character"), ("x" * 81, "max_length"), ("a\nb", "character")),
        ),
        FieldSample(
            {},
            (("https://example.com/x?张三", "https://example.com/x?张三"), ("x" * 1_000, "x" * 1_000)),
            (("x" * 1_001, "max_length"), ("张" * 778, "max_length"), (True, "type")),
        ),
    )

    type: Literal["barcode"] = "barcode"
    symbology: Symbology = "qr"
    """The kind of code: ean13, ean8 and upca hold digits with a check digit, code128 ASCII, qr any text."""

    def column_type(self) -> StoredType:
        """Text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Check that the code can hold the text, and the check digit where it has one."""
        digits = _GS1.get(self.symbology)
        if digits is not None:
            return _coerce_digits(clean_form(value), digits)
        text = clean_line(value)
        if text is None:
            return None
        if self.symbology == "code128":
            if not _ASCII.match(text):
                raise Invalid(
                    "character", say("Code 128 只能含英文字母、数字和符号", "Code 128 holds only ASCII characters")
                )
            check_length(text, 0, _CODE128_LENGTH)
            return text
        check_length(text, 0, BARCODE_LENGTH)
        if len(text.encode()) > _QR_BYTES:
            most = say(f"内容超过二维码的容量({_QR_BYTES} 字节)", f"More than a QR code can hold ({_QR_BYTES} bytes)")
            raise Invalid("max_length", most, maximum=_QR_BYTES)
        return text

    def formula_type(self) -> Type:
        """Text."""
        return TEXT

    def value_schema(self) -> dict[str, Any]:
        """A string; digits for EAN and UPC."""
        digits = _GS1.get(self.symbology)
        if digits is not None:
            return {"type": "string", "pattern": f"^[0-9]{{{digits.length}}}$"}
        return {"type": "string", "maxLength": _CODE128_LENGTH if self.symbology == "code128" else BARCODE_LENGTH}


def _coerce_digits(text: str | None, digits: _Digits) -> str | None:
    if not text:
        return None
    bare = re.sub(r"[\s-]", "", text)
    if len(bare) != digits.length or not (bare.isascii() and bare.isdigit()):
        message = say(f"{digits.name} 应是 {digits.length} 位数字", f"{digits.name} has {digits.length} digits")
        raise Invalid("digits", message, digits=digits.length)
    right = gs1_check(bare[:-1])
    if bare[-1] != right:
        message = say(
            f"{digits.name} 的校验位不符:末位应为 {right},请核对",
            f"The check digit of {digits.name} does not fit: the last digit should be {right}; compare it again",
        )
        raise Invalid("check_digit", message, expected=right)
    return bare
