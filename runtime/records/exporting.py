"""Reading what is to leave the house, as a sheet or by a link: of it is seen only what some grant lets export. See docs/decisions/0030."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from builder.compiled.app import CompiledEntity
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from runtime.access.gate import FieldMap, gate
from runtime.access.grants import leads_to
from runtime.access.sight import sight_of
from runtime.records.caller import Caller

T = TypeVar("T")
_MISSING = frozenset({"request.unknown_name", "record.not_found", "view.not_found", "entity.not_found"})


def require_export(caller: Caller, published: PublishedApp, entities: Iterable[str]) -> None:
    """Let pass who may export some records, with some of their fields, of each entity.

    Args:
        published: the app as the caller sees it.

    Raises:
        Problem: ``access.denied``.
    """
    wanted = sorted(entities)
    sight = sight_of(published.app)
    gate(caller.actor, published.app.key, FieldMap({(key, "", "export") for key in wanted}), sight)
    for key in wanted if sight is not None else ():
        assert sight is not None
        if not any(grant.may("export") and grant.may("read") for grant in sight.grants.get(key, ())):
            raise sight.refusal(key, "export")


def reached(published: PublishedApp, entity: CompiledEntity, paths: Iterable[str]) -> frozenset[str]:
    """Return the entities whose records a question shows: its own, and those its paths lead to."""
    found = {entity.key}
    for path in paths:
        owner: CompiledEntity | None = entity
        for step in path.split(".")[:-1]:
            field = None if owner is None else owner.find_field(step)
            target = None if field is None else leads_to(field)
            owner = None if target is None else published.app.entities.get(target)
            found |= set() if owner is None else {owner.key}
    return frozenset(found)


async def ask_exported(caller: Caller, entities: frozenset[str], ask: Callable[[Caller], Awaitable[T]]) -> T:
    """Ask a question of which only that is shown which may be exported.

    Raises:
        Problem: ``access.denied`` where it is there for the caller and may not be exported; whatever else the question raises.
    """
    try:
        return await ask(replace(caller, exporting=entities))
    except Problem as problem:
        if problem.code not in _MISSING:
            raise
    await ask(caller)  # what is not there for them either is answered as it always is
    text = say("其中有您可以查看但不能导出的内容", "Some of this you may see but not export")
    raise Problem("access.denied", text)
