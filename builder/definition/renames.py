"""Which document (or field) of a later definition is which of an earlier one: by ``renamed_from``, else by key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar


class Renamed(Protocol):
    """What has a key and may say which key it had before: entities and fields."""

    @property
    def key(self) -> str:
        """Its key."""
        ...

    @property
    def renamed_from(self) -> str | None:
        """The key it had before."""
        ...


R = TypeVar("R", bound=Renamed)


def is_fresh(document: Renamed, before: Mapping[str, Renamed]) -> bool:
    """Whether a mark speaks of a change since ``before``: what it names is there, and the mark was not there already.

    Marks stay in documents, so that a package can be installed over any older version; one that was followed says nothing new.
    """
    if document.renamed_from is None or document.renamed_from not in before:
        return False
    same = before.get(document.key)
    return same is None or same.renamed_from != document.renamed_from


def follow_renames(before: Iterable[Renamed], after: Iterable[Renamed]) -> dict[str, str]:
    """Return key after -> key before, for everything in ``after`` that was there before.

    What a fresh mark takes is not matched by key any more, so two things can swap their keys.
    """
    known = {document.key: document for document in before}
    listed = list(after)
    taken: dict[str, str] = {}
    for document in listed:
        if is_fresh(document, known):
            taken.setdefault(str(document.renamed_from), document.key)
    return match_keys(known, [document.key for document in listed], taken)


def match_keys(before: Iterable[str], after: Iterable[str], taken: Mapping[str, str]) -> dict[str, str]:
    """Return key after -> key before: what is ``taken`` (before -> after) first, equal keys then."""
    known = set(before)
    matched = {now: was for was, now in taken.items()}
    for key in after:
        if key not in matched and key in known and key not in taken:
            matched[key] = key
    return matched
