"""``phone``: a telephone number in one spelling, so that equal numbers are equal texts. Source: ITU-T E.164; the Chinese numbering plan (MIIT)."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from builder.fields.base import JSON, Field, FieldSample, Invalid, wrong_option
from builder.fields.parts.texts import clean_form
from builder.kernel.text import say
from builder.store.types import StoredType, Words
from formulas.types import TEXT, Type

_LENGTH = 40
_DIGITS = re.compile(r"\+?[\d\s().-]+\Z", re.ASCII)
# 转 and its kin name an extension; so does a third group behind a whole subscriber number
_EXTENSIONS = (
    re.compile(r"(?P<number>.*\d)\s*(?:转|分机|ext\.?|x|#)\s*(?P<extension>\d{1,6})\Z", re.ASCII | re.IGNORECASE),
    re.compile(r"(?P<number>.*\d{7,8})-(?P<extension>\d{1,6})\Z", re.ASCII),
)
_ABROAD = re.compile(r"\+[1-9]\d{6,14}\Z", re.ASCII)
_MOBILE = re.compile(r"1[3-9]\d{9}\Z", re.ASCII)
_SERVICE = re.compile(r"[48]00\d{7}\Z", re.ASCII)
_LANDLINE = re.compile(r"(?P<area>010|02\d|0[3-9]\d{2})(?P<subscriber>[1-9]\d{6,7})\Z", re.ASCII)


class PhoneField(Field):
    """A telephone number. Spaces, brackets, hyphens and the Chinese country code are dropped, an extension follows a hyphen."""

    title = say("电话", "Phone")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                ("138 1234 5678", "13812345678"),
                ("+86 138-1234-5678", "13812345678"),
                ("008613812345678", "13812345678"),
                ("8613812345678", "13812345678"),
                ("１３８１２３４５６７８", "13812345678"),
                ("(021) 6888-1234", "021-68881234"),
                ("+86 21 68881234", "021-68881234"),
                ("021-68881234-801", "021-68881234-801"),
                ("０２１－６８８８１２３４转８０１", "021-68881234-801"),
                ("0512-6888123 ext. 9", "0512-6888123-9"),
                ("0512-6888123-9", "0512-6888123-9"),
                ("400-820-8820", "4008208820"),
                ("+1 (415) 555-0123", "+14155550123"),
                ("0044 20 7946 0958", "+442079460958"),
                ("", None),
            ),
            (
                ("12345678901", "phone"),
                ("68881234", "phone"),
                ("1381234567", "phone"),
                ("138123456789", "phone"),
                ("+86 12345", "phone"),
                ("+0123456789", "phone"),
                ("call me", "phone"),
                ("13812345678; DROP TABLE x", "phone"),
                ("١٣٨١٢٣٤٥٦٧٨", "phone"),
                ("\u202e13812345678", "phone"),
                ("++8613812345678", "phone"),
                ("1" * 41, "max_length"),
                ("138\x0012345678", "character"),
                (13812345678, "type"),
                (["13812345678"], "type"),
            ),
        ),
        FieldSample(
            {"region": "any"},
            (("+86 138 1234 5678", "+8613812345678"), ("+14155550123x7", "+14155550123-7")),
            (("13812345678", "phone"), ("+123", "phone"), ("+1234567890123456", "phone")),
        ),
        FieldSample(
            {"mobile_only": True},
            (("+86 138 1234 5678", "13812345678"),),
            (
                ("021-68881234", "mobile"),
                ("4008208820", "mobile"),
                ("+14155550123", "mobile"),
                ("13812345678-1", "mobile"),
            ),
        ),
    )

    type: Literal["phone"] = "phone"
    region: Literal["CN", "any"] = "CN"
    """CN: Chinese mobile, landline (with area code) and 400 numbers, and others with + and country code. any: + and country code always."""

    mobile_only: bool = False
    """Only Chinese mobile numbers: what a text message can be sent to."""

    @model_validator(mode="after")
    def _check_mobile(self) -> Self:
        if self.mobile_only and self.region != "CN":
            raise wrong_option("mobile_only 只能用于地区 CN", "mobile_only needs the region CN")
        return self

    def column_type(self) -> StoredType:
        """Text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Bring a number into its one spelling."""
        number = self._coerce(value)
        if number is not None and self.mobile_only and not _MOBILE.match(number):
            raise Invalid(
                "mobile", say("这里应是手机号,如 13812345678", "Expected a Chinese mobile number, as 13812345678")
            )
        return number

    def _coerce(self, value: JSON) -> str | None:
        text = clean_form(value)
        if not text:
            return None
        if len(text) > _LENGTH:
            raise Invalid(
                "max_length", say(f"电话最多 {_LENGTH} 个字符", f"At most {_LENGTH} characters"), max_length=_LENGTH
            )
        for form in _EXTENSIONS:
            parts = form.match(text)
            number = self._spell(parts["number"]) if parts else None
            if parts and number:
                return f"{number}-{parts['extension']}"
        found = self._spell(text)
        if found is None:
            raise self._refused()
        return found

    def _spell(self, text: str) -> str | None:
        """Return the one spelling of a number without extension, None if it is not one."""
        if not _DIGITS.match(text):
            return None
        digits = re.sub(r"[\s().-]", "", text)
        if digits.startswith("00"):
            digits = f"+{digits[2:]}"
        if self.region == "any":
            return digits if _ABROAD.match(digits) else None
        if digits.startswith("+86"):
            return _spell_chinese(digits[3:]) or _spell_chinese(f"0{digits[3:]}")
        if digits.startswith("+"):
            return digits if _ABROAD.match(digits) else None
        return _spell_chinese(digits)

    def _refused(self) -> Invalid:
        if self.region == "any":
            return Invalid(
                "phone",
                say(
                    "电话应以 + 和国家代码开头,如 +8613812345678", "Expected + and a country code, as in +8613812345678"
                ),
            )
        return Invalid(
            "phone",
            say(
                "电话有误,应为手机号、带区号的座机(如 021-68881234)、400 号码,或以 + 和国家代码开头",
                "Not a telephone number: expected a Chinese mobile, a landline with area code (021-68881234), a 400 number, or + and a country code",
            ),
        )

    def formula_type(self) -> Type:
        """Text."""
        return TEXT

    def value_schema(self) -> dict[str, Any]:
        """A number in any usual spelling; it is read back in one."""
        return {"type": "string", "maxLength": _LENGTH}


def _spell_chinese(digits: str) -> str | None:
    digits = re.sub(r"\A86(?=1[3-9]\d{9}\Z)", "", digits)
    if _MOBILE.match(digits) or _SERVICE.match(digits):
        return digits
    found = _LANDLINE.match(digits)
    # Beijing and the 02x cities have eight digits everywhere
    if found is None or (len(found["area"]) == 3 and len(found["subscriber"]) == 7):
        return None
    return f"{found['area']}-{found['subscriber']}"
