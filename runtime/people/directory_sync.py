"""Bringing people in from the company's directory (DingTalk, WeCom): a job, at an admin's word or every night with upkeep.

It reads the directory whole, then brings it in in one transaction; killed before that it begins again.
"""

from __future__ import annotations

import asyncio
from typing import Any

from builder.kernel.problems import Problem, nearest_hint
from builder.kernel.text import say
from builder.store.database import Database
from runtime.channels.base import Roads
from runtime.connections.service import Connections, ReadySource
from runtime.directories.base import NotNow
from runtime.identity.audit import SYSTEM_ORIGIN, Origin
from runtime.identity.directory import Directory, Listing, SyncReport
from runtime.jobs.rows import TRIES, JobRows
from runtime.jobs.runner import Running

JSON = Any
KIND = "directory.sync"
_SHOWN = 200


class DirectorySync:
    """Starts the job, and is its kind. Put down without arguments it brings in every directory that wants it nightly."""

    name = KIND

    def __init__(
        self, database: Database, connections: Connections, directory: Directory, jobs: JobRows, roads: Roads
    ) -> None:
        self._database = database
        self._connections = connections
        self._directory = directory
        self._jobs = jobs
        self._roads = roads

    def begin(self, key: str, by: Origin, *, dry_run: bool, accept_leavers: bool) -> str:
        """Start it for one directory; return the job's id.

        Raises:
            Problem: ``connection.not_found`` unless the connection is a directory and switched on.
        """
        known = [ready.key for ready in self._connections.list_sources()]
        if key not in known:
            hint = nearest_hint(key[:100], known)
            detail = say(
                f"没有已启用的通讯录连接“{key[:100]}”{hint.zh}",
                f'There is no connection "{key[:100]}" to a directory that is switched on{hint.en}',
            )
            raise Problem("connection.not_found", detail)
        arguments = {"connection": key, "dry_run": dry_run, "accept_leavers": accept_leavers}
        with self._database.transaction() as connection:
            return self._jobs.start(connection, KIND, {**arguments, "address": by.address}, by=by.actor)

    async def run(self, running: Running) -> JSON:
        """Bring them in one after the other; with several, one that fails holds up none."""
        arguments = running.job.arguments
        ready = await asyncio.to_thread(self._connections.list_sources)
        if "connection" in arguments:
            chosen = [one for one in ready if one.key == arguments["connection"]]
            return {one.key: await self._bring_in(one, running) for one in chosen}
        result: dict[str, JSON] = {}
        later: NotNow | None = None
        for one in (one for one in ready if one.options.nightly):
            try:
                result[one.key] = await self._bring_in(one, running)
            except Problem as problem:
                result[one.key] = {"error": problem.detail._asdict()}
            except NotNow as busy:
                later = busy
        if later is not None:
            raise later  # all are asked again: bringing the same in twice changes nothing
        return result

    async def _bring_in(self, ready: ReadySource, running: Running) -> JSON:
        try:
            listed = await ready.source.read(ready.options, ready.secrets, self._roads)
        except NotNow as busy:
            if running.attempts >= TRIES:
                raise busy.problem from None
            raise
        listing = Listing(ready.key, "full", listed.departments, listed.users)
        arguments = running.job.arguments
        by = SYSTEM_ORIGIN
        if running.job.created_by is not None:
            by = Origin(running.job.created_by, arguments.get("address", ""), running.job.id)
        report = await asyncio.to_thread(
            self._directory.sync,
            listing,
            by=by,
            dry_run=bool(arguments.get("dry_run")),
            most_leavers=100 if arguments.get("accept_leavers") else ready.options.most_leavers,
        )
        return _told(report)


def _told(report: SyncReport) -> JSON:
    """Return the report as the job's result: the numbers, and the first of what changed by name."""
    changed = [[name, deed] for name, deed in (*report.departments, *report.users) if deed != "unchanged"]
    return {
        "department_count": len(report.departments),
        "user_count": len(report.users),
        "change_count": report.changes,
        "leaver_count": report.leavers,
        "changed": changed[:_SHOWN],
    }
