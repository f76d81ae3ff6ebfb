"""Text in Chinese and English: every sentence a user may read is written in both at the place where it arises."""

from __future__ import annotations

from typing import Literal, NamedTuple

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")


class Text(NamedTuple):
    """One sentence in both languages."""

    zh: str
    en: str

    def pick(self, language: Language) -> str:
        """Return the sentence in one language."""
        return self.zh if language == "zh" else self.en


def say(zh: str, en: str) -> Text:
    """Write a sentence in both languages."""
    return Text(zh, en)


def counted(count: int, one: str, many: str = "") -> str:
    """Write how many there are in English: ``1 scenario``, ``2 scenarios``; ``many`` where that is no ``s`` more."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def errors_found(count: int, zh: str = "", en: str = "There are") -> Text:
    """How many errors something has; `zh` and `en` begin the sentence ("草稿", "The draft has")."""
    first = "There is" if en == "There are" and count == 1 else en
    return Text(f"{zh}有 {count} 处错误", f"{first} {counted(count, 'error')}")


def pick_language(accept_language: str | None, default: Language = "zh") -> Language:
    """Choose a language from an ``Accept-Language`` header (RFC 9110); q-values count, unknown languages are passed over."""
    best, best_quality = default, 0.0
    for part in (accept_language or "").split(",")[:20]:
        tag, _, parameters = part.strip().partition(";")
        quality = _quality(parameters)
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language and quality > best_quality:
                best, best_quality = language, quality
    return best


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
