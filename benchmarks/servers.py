"""The two servers as processes: started, pinned to a core, measured, stopped."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[1]
SERVER_CORE = 0
LOAD_CORE = 1 % (os.cpu_count() or 1)
_START_SECONDS = 120.0
#: Settings of either, and the habit of some machines to compile everything at each start: an installation has its bytecode.
_NOT_PASSED_ON = ("DOUGONG_", "YARDSTICK_", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True, slots=True)
class Launch:
    """How a server is started."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    port: int
    token: str
    ready_path: str
    """Answered with 200 as soon as records can be read."""
    database_url: str


class Server:
    """A running server."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        started = time.monotonic()
        keep = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
        self.process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *launch.command],
            env={**keep, "PYTHONPATH": str(ROOT), **launch.environment},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if "BENCH_STDERR" not in os.environ else None,
        )
        self._wait()
        self.cold_start_seconds = time.monotonic() - started

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.launch.name} ended with code {self.process.returncode}")
            try:
                status, _ = self.ask("GET", self.launch.ready_path)
            except OSError:
                time.sleep(0.01)
                continue
            if status == 200:
                return
            time.sleep(0.01)
        self.stop()
        raise RuntimeError(f"{self.launch.name} did not answer within {_START_SECONDS:.0f} s")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.launch.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Send one request; return status and the JSON of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.launch.port, timeout=60)
        try:
            text = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
            sent = {"authorization": f"Bearer {self.launch.token if token is None else token}", **(headers or {})}
            if text is not None:
                sent["content-type"] = "application/json"
            connection.request(method, path, text, sent)
            reply = connection.getresponse()
            content = reply.read()
        finally:
            connection.close()
        try:
            return reply.status, json.loads(content) if content else None
        except ValueError:
            return reply.status, content

    def memory_mib(self, kind: str = "Pss") -> float:
        """Return the proportional set size of the process tree; of kind ``Pss_Anon`` without files that are mapped."""
        return sum(_memory_kib(pid, kind) for pid in _tree(self.process.pid)) / 1024

    def cpu_seconds(self, helpers: Iterable[int] = ()) -> float:
        """Return the processor time used so far by the process tree and by ``helpers`` (PostgreSQL's processes that serve it)."""
        return sum(map(_cpu_seconds, [*_tree(self.process.pid), *helpers]))

    def stop(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def free_port() -> int:
    """Return a port nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _tree(int(child)))]


def _memory_kib(pid: int, kind: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1])
    return 0


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it ended
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def backends_of(server: str, database: str) -> list[int]:
    """Return PostgreSQL's processes that serve one database."""
    with psycopg.connect(server, autocommit=True) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [database]).fetchall()
    return [int(pid) for (pid,) in rows]


def pin_backends(server: str, database: str) -> bool:
    """Move PostgreSQL's processes for one database to the server's core; tell whether that was allowed."""
    try:
        for pid in backends_of(server, database):
            os.sched_setaffinity(pid, {SERVER_CORE})
    except OSError:
        return False
    return True


def ours(database_url: str, token: str, ready_path: str, *, durable: bool) -> Launch:
    """Return how our server is started: as an operator does, everything switched on."""
    port = free_port()
    environment = {"DOUGONG_SQLITE_DURABLE": str(durable).lower()}
    command = (sys.executable, "-m", "runtime", "serve", "--port", str(port), "--database-url", database_url)
    return Launch("ours", command, environment, port, token, ready_path, database_url)


def yardstick(database_url: str, token: str, ready_path: str, *, remember_seconds: float) -> Launch:
    """Return how the yardstick is started."""
    port = free_port()
    url = database_url.replace("sqlite://", "sqlite+aiosqlite://").replace("postgresql://", "postgresql+asyncpg://")
    environment = {"YARDSTICK_DATABASE": url, "YARDSTICK_REMEMBER": str(remember_seconds)}
    command = (
        *(sys.executable, "-m", "uvicorn", "benchmarks.yardstick:app", "--port", str(port)),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"),
    )
    return Launch("yardstick", command, environment, port, token, ready_path, database_url)
