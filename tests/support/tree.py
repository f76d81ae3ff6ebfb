"""The project's own files, for tests about the code itself."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import dev

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("formulas", "builder", "runtime", "templates_lib", "migrations")


@cache
def project_files() -> tuple[Path, ...]:
    """Every file that belongs to the project: known to git or about to be; without git (an unpacked archive) all but caches."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return tuple(sorted(path for path in ROOT.rglob("*") if path.is_file() and not _generated(path)))
    return tuple(sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file()))


def _generated(path: Path) -> bool:
    folders = path.relative_to(ROOT).parts[:-1]
    return "__pycache__" in folders or folders[:1] in {(name,) for name in (".git", ".venv", "data", *dev.CACHES)}


def python_files(*folders: str) -> Iterator[Path]:
    """Python files of the project below some top-level folders."""
    for path in project_files():
        parts = path.relative_to(ROOT).parts
        if path.suffix == ".py" and parts[0] in folders:
            yield path


def relative(path: Path) -> str:
    """A path as people write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def pyproject() -> dict[str, Any]:
    """``pyproject.toml``."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
