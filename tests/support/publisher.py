"""A process that publishes and can be killed on the way: ``python -m tests.support.publisher``.

It imports everything once and forks a child for each order, so a kill costs milliseconds and not an interpreter's start.
Orders are JSON lines ``{"url", "app", "point", "passage"}``; each is answered by a line: ``killed``, ``done``, or what went wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Publisher:
    """The other side of the process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def publish(self, url: str, app: str, *, point: str = "", passage: int = 1) -> str:
        """Publish an app's draft, or die at the n-th passage of a crash point."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"url": url, "app": app, "point": point, "passage": passage}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@contextmanager
def publishing() -> Iterator[Publisher]:
    """Start the process; it ends with its input."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.support.publisher"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        yield Publisher(process)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_run(order))
        _, status = os.waitpid(child, 0)
        said = "killed" if os.WIFSIGNALED(status) else "failed" if os.WEXITSTATUS(status) else "done"
        sys.stdout.write(said + "\n")
        sys.stdout.flush()


def _run(order: dict[str, str]) -> int:
    from builder.kernel import faults
    from builder.registry.publishing import publish_draft
    from tests.support.builder import open_registry

    if order["point"]:
        faults._wanted = f"{order['point']}:{order['passage']}"
    with contextlib.redirect_stdout(sys.stderr), open_registry(order["url"], counting=False) as registry:
        publish_draft(registry, order["app"], base_version=None, plan_hash=None, accept_lossy=True)
    return 0


if __name__ == "__main__":
    import tests.support.builder  # noqa: F401 - everything is imported before the first fork

    _serve()
