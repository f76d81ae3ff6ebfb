"""Work that a job does for the person who ordered it, with the rights they have by then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from runtime.identity.actors import Authenticator
from runtime.identity.users import Users
from runtime.jobs.rows import ClaimedJob
from runtime.records.caller import Caller, Door, StaleIdentity
from runtime.records.service import Records

T = TypeVar("T")
_REPEATS = 3


class Orderers:
    """Finds who ordered a job, and lets parts of it run as them."""

    def __init__(self, records: Records, authenticator: Authenticator, users: Users) -> None:
        self._records = records
        self._authenticator = authenticator
        self._users = users

    async def carry(
        self,
        job: ClaimedJob,
        door: Door,
        work: Callable[[Caller], Callable[[PublishedApp], Awaitable[T]]],
        *,
        override: str = "",
        exporting: frozenset[str] = frozenset(),
    ) -> T:
        """Run a part of a job of an app on its published version, as its orderer sees it (or may export of some entities).

        Raises:
            Problem: ``access.denied``: they have left; ``service.unavailable``: rights change again and again; what the part raises.
        """
        assert job.app is not None
        for _ in range(_REPEATS):
            caller = replace(await self._find(job, door, override=override), exporting=exporting)
            try:
                return await self._records.pinned(job.app, caller, work(caller))
            except StaleIdentity:
                continue  # a right changed since: ask again who this is
        raise Problem("service.unavailable", retry_after_seconds=1)

    async def _find(self, job: ClaimedJob, door: Door, *, override: str) -> Caller:
        user_id = job.created_by
        known = None if user_id is None else await self._authenticator.see_as(user_id)
        if known is None or user_id is None or not (await asyncio.to_thread(self._users.get_user, user_id)).active:
            raise Problem("access.denied", say("发起者的账号已停用", "The account of who ordered it is switched off"))
        return Caller(known.actor, f"job:{job.id}", door, known.epoch, override=override)
