"""``search=``: records whose texts hold every word, the best match first. See docs/decisions/0007.

Where the entity has an index that leaves few records, only those are read: the condition stays the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.resolver import Joins
from builder.fields.base import Field
from builder.fields.integer import IntegerField
from builder.kernel.limits import SEARCH_LENGTH, SEARCH_WORDS
from builder.kernel.text import say
from builder.store.searching import postgresql, sqlite
from builder.store.searching.grams import WORTHWHILE, estimate, grams_of_word
from builder.store.searching.rows import SearchIndex
from builder.store.statement import SQLITE
from builder.store.types import Whole
from formulas.sql import to_condition
from formulas.tree import Call, Param, Path, Tree, join
from formulas.types import BOOLEAN, TEXT
from runtime.access.gate import FieldMap
from runtime.query.conditions import SortKey
from runtime.query.problems import invalid

Element = sa.ColumnElement[Any]

#: The sort key of a match; no field is called so.
RANK = ("@rank",)
RANK_KEYS = (SortKey(RANK, descending=True), SortKey(("id",), descending=True))
RANK_FIELD: Field = IntegerField.of(key="rank")
_FIRST = 30_000  # the number of the parameter of the first word
_NARROW = "narrow"  # what the parameters of the index begin with
_EQUAL, _BEGINS, _IN_TITLE, _ELSEWHERE = 8, 6, 4, 1


class SearchShape(NamedTuple):
    """How many words are looked for, and in which fields."""

    title: str | None
    fields: tuple[str, ...]
    words: int
    narrowed: tuple[int, ...] = ()
    """The words that are looked up in the index; none: all records are read."""


class Search(NamedTuple):
    """A search ready to be run: shape, condition and values."""

    shape: SearchShape
    condition: Tree
    values: dict[str, Any]


def plan_search(
    app: CompiledApp, entity: CompiledEntity, text: str, field_map: FieldMap, index: SearchIndex | None = None
) -> Search | None:
    """Return how to search; None if there is nothing to look for.

    Raises:
        Problem: ``query.invalid`` if the text is too long, or the entity has no text to look in.
    """
    words = tuple(dict.fromkeys(text.lower().split()))
    if len(text) > SEARCH_LENGTH or len(words) > SEARCH_WORDS:
        most = say(
            f"最多 {SEARCH_WORDS} 个词、{SEARCH_LENGTH} 个字符",
            f"At most {SEARCH_WORDS} words and {SEARCH_LENGTH} characters",
        )
        raise invalid("search", most, maximum=SEARCH_WORDS)
    if "\x00" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise invalid("search", say("搜索词含有不能存储的字符", "The search has characters that no text can have"))
    if not words:
        return None
    fields = entity.definition.searched
    if not fields:
        raise invalid("search", say(f"“{entity.key}”没有可搜索的文本", f'"{entity.key}" has no text to search'))
    for key in fields:
        field_map.add(entity.key, key, "search")
    title = entity.title_key if entity.title_key in fields else None
    if app.sight is not None and not all(app.sight.is_plain(entity.key, key) for key in fields):
        index = None  # it knows the texts as they are, not as they are shown
    narrowed, looked_up = _look_up(index, fields, words)
    shape = SearchShape(title, fields, len(words), narrowed)
    found = [join("or", [_holds("CONTAINS", key, place) for key in fields]) for place in range(len(words))]
    values: dict[str, Any] = {f"p{_FIRST + place}": word for place, word in enumerate(words)} | looked_up
    return Search(shape, join("and", found), values)


def _look_up(
    index: SearchIndex | None, fields: tuple[str, ...], words: tuple[str, ...]
) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Return which words are looked up, and the values of that."""
    if index is None or not index.columns.issuperset(fields):
        return (), {}
    pairs = {place: grams_of_word(word) for place, word in enumerate(words) if len(word) > 1}
    if not pairs or estimate(pairs.values(), index.common) > WORTHWHILE:
        return (), {}
    asked = sqlite.asked([words[place] for place in pairs])
    return tuple(pairs), {_NARROW: asked} | {f"{_NARROW}{place}": grams for place, grams in pairs.items()}


def narrowed(search: SearchShape | None, table: sa.Table, dialect: str) -> Element | None:
    """Return the condition that leaves what the index knows of the words; None if it is not asked."""
    if search is None or not search.narrowed:
        return None
    if dialect == SQLITE:
        return sqlite.narrow(table, _NARROW)
    return postgresql.narrow(table, search.fields, [f"{_NARROW}{place}" for place in search.narrowed])


def rank(search: SearchShape, joins: Joins) -> Element:
    """Return how good a match is: over all words, best where the title is the word, begins with it, or holds it."""
    total: Element | None = None
    for place in range(search.words):
        points: Element = _number(_ELSEWHERE)
        if search.title is not None:
            steps = (("eq", _EQUAL), ("STARTSWITH", _BEGINS), ("CONTAINS", _IN_TITLE))
            whens = [(_condition(how, search.title, place, joins), _number(worth)) for how, worth in steps]
            points = sa.case(*whens, else_=_number(_ELSEWHERE))
        total = points if total is None else total + points
    assert total is not None
    return sa.cast(total, Whole())


def _condition(how: str, key: str, place: int, joins: Joins) -> Element:
    return to_condition(_holds(how, key, place), joins, joins.dialect)


def _holds(how: str, key: str, place: int) -> Call:
    return Call(how, (Call("LOWER", (Path((key,), TEXT),), TEXT), Param(_FIRST + place, TEXT)), BOOLEAN)


def _number(value: int) -> Element:
    return sa.literal_column(str(value), sa.Integer())
