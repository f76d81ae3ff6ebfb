"""The history of a record for its reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.compiled.app import CompiledEntity
from builder.registry.registry import PublishedApp
from builder.store.statement import Unit
from runtime.query.statements import StatementCache
from runtime.records import events
from runtime.records.caller import Caller
from runtime.records.filtering import visible_events
from runtime.records.holding import not_found
from runtime.records.pins import check_guard


def read_timeline(
    published: PublishedApp,
    caller: Caller,
    entity: CompiledEntity,
    record_id: str,
    before: int | None,
    limit: int,
    cache: StatementCache,
    moment: Mapping[str, Any],
) -> Unit[events.EventPage]:
    """Return the history of a record, latest first, as the caller may see it.

    Raises:
        Problem: ``record.not_found``, for one that is hidden too.
    """
    page = yield from events.timeline(cache, published.app.key, entity.key, record_id, before, limit)
    check_guard(published, caller, page.pin, page.epoch)
    seen = yield from visible_events(published, page.events, cache, moment)
    if not seen and (before is None or page.events):
        raise not_found(entity, record_id)  # every record has at least the event of its creation
    return page._replace(events=seen)
