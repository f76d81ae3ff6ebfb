"""The real server as a process on a free port, and raw HTTP where a client library would tidy up."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
_READY = re.compile(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")
_SECONDS = 90  # starting takes its time on a busy machine


class Server:
    """A server process. What it writes is collected line by line."""

    def __init__(self, database_url: str, folder: Path, *arguments: str, **settings: object) -> None:
        names = {f"DOUGONG_{name.upper()}": str(value) for name, value in settings.items()}
        keep = {name: value for name, value in os.environ.items() if not name.startswith("DOUGONG_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runtime", "serve", "--port", "0", "--database-url", database_url, *arguments],
            env={**keep, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **names},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """Wait until a line matches."""

        def found() -> re.Match[str] | None:
            return next((match for line in self.lines if (match := re.search(pattern, line))), None)

        with self._news:
            self._news.wait_for(lambda: self._ended or found() is not None, _SECONDS)
            match = found()
        assert match is not None, f"no line like {pattern!r} in\n{self.output}"
        return match

    @property
    def output(self) -> str:
        """Everything written so far."""
        return "".join(self.lines)

    @property
    def port(self) -> int:
        """Where it listens, once it does (with several processes the address is printed before anybody listens)."""
        self.wait_for("Application startup complete")
        return int(self.wait_for(_READY)[1])

    def client(self) -> httpx.Client:
        """A client of this server."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=_SECONDS)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), _SECONDS)

    def wait_in_flight(self, count: int) -> None:
        """Wait until so many requests are being worked on (the one that asks not counted)."""
        wanted = f"dougong_requests_in_flight {count + 1}.0"
        with self.client() as client:
            for _ in range(5_000):
                if wanted in client.get("/metrics").text:
                    return
        raise AssertionError(f"never {count} requests in flight")

    def end(self) -> int:
        """Wait for the process to end by itself and return its exit code."""
        code = self.process.wait(_SECONDS)
        self._reader.join(_SECONDS)
        return code

    def kill(self) -> None:
        """End the process and those it started at once, if they still run."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.end()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def served(database_url: str, folder: Path, *arguments: str, **settings: object) -> Iterator[Server]:
    """Run a server process; it is gone afterwards."""
    server = Server(database_url, folder, *arguments, **settings)
    try:
        yield server
    finally:
        server.kill()


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)
