"""Pairs of neighbouring characters: what a text is found by. A text that holds a word holds all pairs of the word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

COMMON = 0.02
"""From which share of the records on a pair is noted as common."""
WORTHWHILE = 0.05
"""An index that leaves more of the records than this is not asked: reading them all costs no more."""

# the tokenizer of SQLite takes everything beyond ASCII for a letter, and signs of ASCII for gaps: they stand in as private ones
_SIGNS = {code: 0xE000 + code for code in range(128) if not chr(code).isalnum()}


def grams_of(texts: Iterable[str | None]) -> set[str]:
    """Return the pairs of the words in texts, in lower case.

    >>> sorted(grams_of(["张三 合同", None, "A-b"]))
    ['-b', 'a-', '合同', '张三']
    """
    found: set[str] = set()
    for text in texts:
        for word in (text or "").lower().split():
            found.update(map(str.__add__, word, word[1:]))
    return found


def grams_of_word(word: str) -> list[str]:
    """Return the pairs of one word that is in lower case already: as it is looked for, whatever lower case it has itself."""
    return list(dict.fromkeys(map(str.__add__, word, word[1:])))


def token(gram: str) -> str:
    """Return a pair as one token of SQLite's ``ascii`` tokenizer."""
    return gram.translate(_SIGNS)


def estimate(words: Iterable[Sequence[str]], common: Mapping[str, float]) -> float:
    """Return which share of the records has all pairs of all words, roughly.

    Pairs come together (有限, 公司), so each further one counts only by the root of the one before.

    >>> estimate([["有限", "限公", "公司"]], {"有限": 0.25, "限公": 0.25, "公司": 0.25}) > 0.05
    True
    >>> estimate([["张三"]], {}) < 0.05
    True
    """
    shares = sorted(common.get(gram, COMMON) for word in words for gram in word)
    share = 1.0
    for place, each in enumerate(shares[:6]):
        share *= each ** (0.5**place)
    return share
