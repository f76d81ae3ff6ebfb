"""Load: rounds of ``wrk`` on a core of its own, and imports by one client."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.servers import LOAD_CORE, Server

SCRIPT = Path(__file__).with_name("replay.lua")
_RESULT = re.compile(r"^RESULT (\{.*\})$", re.MULTILINE)


class Round(NamedTuple):
    """What one round gave."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    requests: int


def missing_tools() -> list[str]:
    """Return the programs that are needed and not there."""
    return [name for name in ("wrk", "taskset") if shutil.which(name) is None]


def run_wrk(server: Server, lines: str, *, seconds: float, connections: int) -> Round:
    """Send the requests of ``lines`` in turn for some seconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(lines)
        file.flush()
        command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += ["--timeout", "30s", "-s", str(SCRIPT), server.url, "--", file.name, server.launch.token]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    match = _RESULT.search(output)
    if match is None:
        raise RuntimeError(f"wrk said nothing about its result:\n{output}")
    found = json.loads(match[1])
    errors = found["statuses"] + found["sockets"] + found["timeouts"]
    rate = found["requests"] / (found["microseconds"] / 1e6)
    return Round(rate, found["p50"] / 1000, found["p99"] / 1000, errors, found["requests"])


def run_import(server: Server, path: str, body: Any) -> float:
    """Send one batch; return rows per second."""
    rows = len(body["create"] if isinstance(body, dict) else body)
    content = json.dumps(body, ensure_ascii=False).encode()
    connection = http.client.HTTPConnection("127.0.0.1", server.launch.port, timeout=120)
    headers = {
        "authorization": f"Bearer {server.launch.token}",
        "content-type": "application/json",
        "prefer": "return=minimal",
    }
    started = time.perf_counter()
    connection.request("POST", path, content, headers)
    reply = connection.getresponse()
    answer = reply.read()
    seconds = time.perf_counter() - started
    connection.close()
    if reply.status not in (201, 204):
        raise RuntimeError(f"{server.launch.name} answered an import with {reply.status}: {answer[:300]!r}")
    return rows / seconds
