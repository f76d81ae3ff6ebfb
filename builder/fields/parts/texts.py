"""Texts: cleaning, lengths, patterns, host names."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import re2

from builder.fields.base import JSON, Invalid, expect_text, refuse_control_characters, wrong_option
from builder.kernel.text import say

_PATTERNS_KEPT = 5_000
_patterns: dict[str, Any] = {}

HOST_LENGTH = 253
_HOST_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)\Z")


def clean_line(value: JSON) -> str | None:
    """Return one line of text, trimmed; None if nothing is left.

    Raises:
        Invalid: not text, or it contains control characters.
    """
    text = expect_text(value).strip()
    if not text:
        return None
    if not text.isprintable():
        refuse_control_characters(text)
    return text


def clean_form(value: JSON) -> str | None:
    """Return one line with full-width letters, digits and signs made half-width (NFKC), as Chinese keyboards write them."""
    text = clean_line(value)
    return unicodedata.normalize("NFKC", text) if text else None


def check_length(text: str, least: int, most: int) -> None:
    """Refuse a text outside its bounds, counted in code points."""
    if len(text) < least:
        message = say(f"至少 {least} 个字符,现有 {len(text)} 个", f"At least {least} characters, got {len(text)}")
        raise Invalid("min_length", message, min_length=least)
    if len(text) > most:
        message = say(f"最多 {most} 个字符,现有 {len(text)} 个", f"At most {most} characters, got {len(text)}")
        raise Invalid("max_length", message, max_length=most)


def compile_pattern(pattern: str) -> Any:
    """Compile a pattern with RE2 (linear time); kept, because a coercer meets it on every write.

    Raises:
        ValueError: RE2 does not understand it (look-around, back-references).
    """
    found = _patterns.get(pattern)
    if found is None:
        options = re2.Options()
        options.log_errors = False
        try:
            found = re2.compile(pattern, options)
        except re2.error as error:
            raise wrong_option(
                f"不是 RE2 能理解的正则表达式:{error}", f"not a regular expression RE2 understands: {error}"
            ) from None
        if len(_patterns) > _PATTERNS_KEPT:
            _patterns.clear()
        _patterns[pattern] = found
    return found


def is_host_name(host: str, *, dots: int = 0) -> bool:
    """Whether a lower-case text is a host name of at least so many dots; labels may be in any script (RFC 5890 leaves the rest to DNS)."""
    labels = host.split(".")
    return len(host) <= HOST_LENGTH and len(labels) > dots and all(_HOST_LABEL.match(label) for label in labels)
