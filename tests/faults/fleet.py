"""The real processes of an instance, to be killed and stopped: API servers beside workers on PostgreSQL, one server on SQLite."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from builder.store.database import Database
from tests.support.process import ROOT, Server

SERVERS, WORKERS = 2, 4
_LEASED = ("outbox", "job")


class Fleet:
    """What runs on a database."""

    def __init__(self, url: str, folder: Path, database: Database, **settings: Any) -> None:
        self._url = url
        self._folder = folder
        self._database = database
        self._settings = settings
        self.workers: list[subprocess.Popen[bytes]] = []
        """Those that were neither killed nor stopped."""
        self.stopped: list[subprocess.Popen[bytes]] = []
        self._started: list[subprocess.Popen[bytes]] = []
        self.server: Server | None = None

    @property
    def alone(self) -> bool:
        """Whether one process does everything."""
        return self._database.dialect == "sqlite"

    def begin(self) -> None:
        """Start what an installation has."""
        if self.alone:
            self.server = Server(self._url, self._folder, **self._settings)
            return
        self.server = Server(self._url, self._folder, workers=SERVERS, background=False, **self._settings)
        self.workers = [self._begin_worker() for _ in range(WORKERS)]
        self._started = list(self.workers)

    def _begin_worker(self) -> subprocess.Popen[bytes]:
        names = {f"DOUGONG_{name.upper()}": str(value) for name, value in self._settings.items()}
        command = [sys.executable, "-m", "runtime", "worker", "--database-url", self._url]
        environment = {**os.environ, **names, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, env=environment, cwd=self._folder, stdout=subprocess.DEVNULL)

    @property
    def address(self) -> str:
        """Where the API is."""
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.port}"

    def kill(self, chance: random.Random) -> None:
        """Kill -9 a worker, or the one server, which is started again; nobody waits for the lease of the dead."""
        if self.alone:
            assert self.server is not None
            self.server.kill()
            expire_leases(self._database)
            self.server = Server(self._url, self._folder, **self._settings)
            return
        worker = self.workers.pop(chance.randrange(len(self.workers)))
        worker.kill()
        worker.wait()
        expire_leases(self._database)

    def stop(self, chance: random.Random) -> None:
        """SIGSTOP a worker for longer than its lease."""
        worker = self.workers.pop(chance.randrange(len(self.workers)))
        worker.send_signal(signal.SIGSTOP)
        self.stopped.append(worker)
        expire_leases(self._database)

    def go_on(self) -> None:
        """Let those that were stopped go on as if nothing had happened."""
        for worker in self.stopped:
            worker.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Leave nobody behind."""
        for worker in self._started:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            worker.wait()
        if self.server is not None:
            self.server.kill()


def expire_leases(database: Database) -> None:
    """Let all leases run out, those of the living too: they have to cope. What a stopped process holds locked is left."""
    alone = database.dialect == "sqlite"
    skip = "" if alone else " FOR UPDATE SKIP LOCKED"
    past = "'2026-01-01T00:00:00.000Z'" if alone else "now() - interval '1 second'"
    with database.transaction() as connection:
        for name in _LEASED:
            held = f"SELECT id FROM dougong_{name} WHERE lease_until IS NOT NULL{skip}"
            connection.execute(sa.text(f"UPDATE dougong_{name} SET lease_until = {past} WHERE id IN ({held})"))


@contextmanager
def fleet(url: str, folder: Path, database: Database, **settings: Any) -> Iterator[Fleet]:
    """Run the processes; they are gone afterwards."""
    made = Fleet(url, folder, database, **settings)
    try:
        made.begin()
        yield made
    finally:
        made.end()
