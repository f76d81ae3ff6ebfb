"""Numbers in Chinese numerals: capital ones as on cheques, small ones as in texts."""

from __future__ import annotations

DIGITS = "零壹贰叁肆伍陆柒捌玖"
_UNITS = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿", "万亿")
_MOST = 10**16
_SMALL = str.maketrans("零壹贰叁肆伍陆柒捌玖拾佰仟", "〇一二三四五六七八九十百千")
_EACH = str.maketrans("0123456789", DIGITS)


def capital(number: int) -> str:
    """A whole number from 1 to below 10^16 as it is read; nothing for 0."""
    words, gap = "", False
    for place in (3, 2, 1, 0):
        group = number // 10000**place % 10000
        if not group:
            gap = gap or bool(words)
            continue
        words += ("零" if words and (gap or group < 1000) else "") + _group(group) + _GROUPS[place]
        gap = False
    return words


def _group(group: int) -> str:
    """Four digits, with 零 for gaps inside."""
    words, gap = "", False
    for place in (3, 2, 1, 0):
        digit = group // 10**place % 10
        if digit:
            words += ("零" if gap and words else "") + DIGITS[digit] + _UNITS[place]
            gap = False
        else:
            gap = True
    return words


def each_digit(text: str, kind: int) -> str:
    """A text with its digits as numerals; kind 1 is small, 2 capital."""
    words = text.translate(_EACH)
    return words.translate(_SMALL) if kind == 1 else words


def as_read(text: str, kind: int) -> str:
    """A number, written plainly, as it is read: 一百二十三, 壹.伍."""
    sign, units = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, rest = units.partition(".")
    if int(whole or 0) >= _MOST:
        return each_digit(text, kind)
    words = capital(int(whole or 0)) or "零"
    return sign + (words.translate(_SMALL) if kind == 1 else words) + point + each_digit(rest, kind)


def in_a_date(text: str, kind: int) -> str:
    """A month, a day, an hour: 十二, 二十九; digit by digit where it begins with a 0."""
    if text.startswith("0"):
        return each_digit(text, kind)
    words = as_read(text, kind)
    return words[1:] if words[:2] in ("一十", "壹拾") and kind == 1 else words
