"""Chinese characters in pinyin. Its dictionaries are large (60 MB, a third of a second): they are read when somebody first asks."""

from __future__ import annotations


def syllables(text: str) -> list[str]:
    """Return the pinyin of each character; runs of anything else stay together: 张三 ok -> zhang, san, " ok"."""
    from pypinyin import lazy_pinyin

    return list(lazy_pinyin(text))


def initials(text: str) -> str:
    """Return the first letter of each syllable: 张三 -> zs."""
    from pypinyin import Style, lazy_pinyin

    return "".join(lazy_pinyin(text, style=Style.FIRST_LETTER))
