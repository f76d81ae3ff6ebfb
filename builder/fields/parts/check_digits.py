"""Numbers that carry a check digit: what is wrong with one, or nothing. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal, NamedTuple

from builder.kernel.text import Text, say

Form = Literal["mobile", "social_credit_code", "resident_id", "bank_card"]

_MOBILE = re.compile(r"1[3-9]\d{9}\Z", re.ASCII)
_CREDIT_CODE = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}\Z", re.ASCII)
_CREDIT_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100: without I, O, S, V, Z
_RESIDENT_ID = re.compile(r"[1-9]\d{16}[\dX]\Z", re.ASCII)
_RESIDENT_CHECKS = "10X98765432"
_CARD = re.compile(r"\d{12,19}\Z", re.ASCII)
_DROPPED = re.compile(r"[\s-]")
_CHINA = re.compile(r"(?:\+|00)86(?=1)")


class FormRule(NamedTuple):
    """A form: how it is called and what is wrong with a text that should have it (already without spaces and in upper case)."""

    title: Text
    explain: Callable[[str], Text | None]


def compact(text: str, form: Form) -> str:
    """Drop spaces and hyphens, which people put between groups of digits, and make letters upper case; a telephone's address book adds +86."""
    short = _DROPPED.sub("", text).upper()
    return _CHINA.sub("", short) if form == "mobile" else short


def _explain_mobile(text: str) -> Text | None:
    if _MOBILE.match(text):
        return None
    return say(
        "手机号应是 1 开头的 11 位数字,如 13812345678",
        "A mobile number has 11 digits and begins with 1, as 13812345678",
    )


def credit_code_check(body: str) -> str:
    """Return the check sign of the first 17 signs of a unified social credit code (GB 32100-2015)."""
    total = sum(_CREDIT_SIGNS.index(sign) * pow(3, place, 31) for place, sign in enumerate(body))
    return _CREDIT_SIGNS[-total % 31]


def _explain_credit_code(text: str) -> Text | None:
    if not _CREDIT_CODE.match(text):
        return say(
            "统一社会信用代码应是 18 位数字或大写字母(不含 I、O、S、V、Z),第 3 至 8 位为数字",
            "A unified social credit code has 18 digits or letters (never I, O, S, V, Z); places 3 to 8 are digits",
        )
    if credit_code_check(text[:17]) != text[17]:
        return say(
            "统一社会信用代码的校验位不符,请核对", "The check sign of the credit code does not fit; compare it again"
        )
    return None


def resident_id_check(body: str) -> str:
    """Return the check digit of the first 17 digits of a resident identity number (GB 11643-1999, ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(body))
    return _RESIDENT_CHECKS[total % 11]


def _explain_resident_id(text: str) -> Text | None:
    if not _RESIDENT_ID.match(text):
        return say(
            "身份证号应是 18 位:17 位数字加一位校验码(数字或 X)",
            "A resident id number has 18 places: 17 digits and a check digit (or X)",
        )
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return say("身份证号中的出生日期不存在", "The date of birth in the resident id number does not exist")
    if resident_id_check(text[:17]) != text[17]:
        return say(
            "身份证号的校验码不符,请核对", "The check digit of the resident id number does not fit; compare it again"
        )
    return None


def luhn_check(body: str) -> str:
    """Return the check digit that follows a number (ISO/IEC 7812-1, annex B)."""
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body)))
    return str(-sum(number // 10 + number % 10 for number in doubled) % 10)


def _explain_card(text: str) -> Text | None:
    if not _CARD.match(text):
        return say("银行卡号应是 12 至 19 位数字", "A bank card number has 12 to 19 digits")
    if luhn_check(text[:-1]) != text[-1]:
        return say("银行卡号的校验位不符,请核对", "The check digit of the card number does not fit; compare it again")
    return None


def gs1_check(body: str) -> str:
    """Return the check digit of EAN-13, EAN-8 and UPC-A (GS1 General Specifications 7.9)."""
    return str(-sum(int(digit) * (3 - 2 * (place % 2)) for place, digit in enumerate(reversed(body))) % 10)


FORMS: Mapping[Form, FormRule] = {
    "mobile": FormRule(say("手机号", "Mobile number"), _explain_mobile),
    "social_credit_code": FormRule(say("统一社会信用代码", "Unified social credit code"), _explain_credit_code),
    "resident_id": FormRule(say("身份证号", "Resident id number"), _explain_resident_id),
    "bank_card": FormRule(say("银行卡号", "Bank card number"), _explain_card),
}
