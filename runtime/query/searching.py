"""``search=``: records whose texts hold every word, the best match first. See docs/decisions/0007."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.resolver import Joins
from builder.fields.base import Field
from builder.fields.integer import IntegerField
from builder.kernel.limits import SEARCH_LENGTH, SEARCH_WORDS
from builder.kernel.text import say
from builder.store.types import Whole
from formulas.filters import join
from formulas.sql import to_condition
from formulas.tree import Call, Param, Path, Tree
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
_EQUAL, _BEGINS, _IN_TITLE, _ELSEWHERE = 8, 6, 4, 1


class SearchShape(NamedTuple):
    """How many words are looked for, and in which fields."""

    title: str | None
    fields: tuple[str, ...]
    words: int


class Search(NamedTuple):
    """A search ready to be run: shape, condition and values."""

    shape: SearchShape
    condition: Tree
    values: dict[str, Any]


def plan_search(app: CompiledApp, entity: CompiledEntity, text: str, field_map: FieldMap) -> Search | None:
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
    shape = SearchShape(title, fields, len(words))
    found = [join("or", [_holds("CONTAINS", key, place) for key in fields]) for place in range(len(words))]
    values = {f"p{_FIRST + place}": word for place, word in enumerate(words)}
    return Search(shape, join("and", found), values)


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
