"""Set the project up and run a developer command: ``python3 dev.py run``, ``python3 dev.py test``.

Needs nothing but Python 3.11 with the standard library. The first call makes ``.venv`` and installs the locked, hashed
dependencies; later calls only do so when a lock file changed. ``python3 dev.py`` lists every command; ``make`` offers
the same ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "dougong-setup.json"
RUN_LOCK = "requirements.lock"
DEV_LOCK = "requirements-dev.lock"
LOWEST = (3, 11)
CACHES = (".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis", "build", "dist")
IMPORT_LINTER = "from importlinter.cli import lint_imports_command as main; main()"
# one resolution for all systems and Python versions, by hash, and with no trace of where packages were found
LOCK_OPTIONS = ["--universal", "--python-version=3.11", "--generate-hashes", "--quiet"]
LOCK_OPTIONS += ["--no-header", "--no-emit-index-url", "--no-emit-find-links"]


# --- the virtual environment ------------------------------------------------------------------------------------------


def venv_python() -> Path:
    """Path of the interpreter inside ``.venv``, whether it exists or not."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def call(command: Sequence[str], *, quiet: bool = False) -> int:
    """Run a command in the project folder and return its exit code."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(list(command), cwd=ROOT, stdout=output, stderr=output, check=False).returncode


def fail(message: str) -> None:
    """End with one sentence for the person at the keyboard."""
    sys.exit(f"dev.py: {message}")


def fingerprint(lock: str) -> str:
    """What an environment was installed from: the lock, the project's own declaration and the place of the folder.

    The place counts because scripts inside a virtual environment carry absolute paths: a moved folder needs a new one.
    """
    digest = hashlib.sha256(str(ROOT).encode())
    for name in (lock, "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def read_stamp() -> dict[str, str]:
    """What ``.venv`` was last installed from: lock name -> fingerprint; empty when unknown or unreadable."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def make_venv() -> None:
    """Make an empty ``.venv`` with pip, also where the system's Python comes without ensurepip (Debian, Ubuntu)."""
    python = str(venv_python())
    try:
        venv.EnvBuilder(with_pip=False, clear=True, symlinks=os.name != "nt").create(VENV)
    except OSError as error:
        fail(f"cannot make {VENV.name}: {error}")
    if call([python, "-m", "ensurepip", "--default-pip"], quiet=True) == 0:
        return
    if call([sys.executable, "-m", "pip", "--python", python, "install", "pip"], quiet=True) == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    fail("this Python can make no environment with pip; install its venv package (Debian: apt install python3-venv)")


def install(lock: str) -> None:
    """Install one lock file by hash, then the project itself in place (so that the ``dougong`` command exists)."""
    started = time.monotonic()
    print(f"Installing the locked dependencies ({lock}); the first time takes a minute ...", flush=True)
    pip = [str(venv_python()), "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-input"]
    if call([*pip, "--require-hashes", "-r", lock]) != 0:
        fail(f"pip could not install {lock}; its message stands above")
    if call([*pip, "--no-deps", "--no-build-isolation", "--editable", "."]) != 0:
        fail("pip could not install the project itself; its message stands above")
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)


def set_up(lock: str) -> None:
    """Bring ``.venv`` to the state of a lock file; does nothing (and costs nothing) when it is there already."""
    wanted = fingerprint(lock)
    stamp = read_stamp()
    if stamp.get(lock) == wanted and venv_python().exists():
        return
    moved = stamp.get("root", str(ROOT)) != str(ROOT)
    if moved or not venv_python().exists() or call([str(venv_python()), "-m", "pip", "--version"], quiet=True) != 0:
        print(f"Making the virtual environment {VENV.name} ...", flush=True)
        make_venv()
    STAMP.unlink(missing_ok=True)  # an interrupted installation must not look finished
    install(lock)
    fresh = {"root": str(ROOT), lock: wanted}
    if lock == DEV_LOCK:  # the developers' lock holds every pin of the other one (a test sees to it)
        fresh[RUN_LOCK] = fingerprint(RUN_LOCK)
    STAMP.write_text(json.dumps(fresh, indent=2) + "\n", encoding="utf-8")


# --- commands ---------------------------------------------------------------------------------------------------------


def python(*arguments: str) -> list[str]:
    """A command line for the interpreter of ``.venv``."""
    return [str(venv_python()), *arguments]


def workers() -> str:
    """How many test processes: two at least (waiting overlaps), six at most (databases are made by one server)."""
    return str(max(2, min(os.cpu_count() or 2, 6)))


if TYPE_CHECKING:  # an old Python shall get as far as the sentence that it is too old
    Stages = dict[str, tuple[str, ...]]  # name of the stage -> arguments for the environment's interpreter

LINT: Stages = {"ruff": ("-m", "ruff", "check", "."), "format": ("-m", "ruff", "format", "--check", ".")}
TYPES: Stages = {"mypy": ("-m", "mypy")}
IMPORTS: Stages = {"imports": ("-c", IMPORT_LINTER, "--no-logo")}


def run_stages(stages: Stages) -> int:
    """Run every stage, also after one failed, and say at the end which ones did; 1 when any failed."""
    outcome = {}
    for name, arguments in stages.items():
        print(f"\n--- {name} ---", flush=True)
        started = time.monotonic()
        code = call(python(*arguments))
        outcome[name] = (code, time.monotonic() - started)
    print()
    for name, (code, seconds) in outcome.items():
        print(f"{'ok' if code == 0 else 'FAILED':<8}{name:<10}{seconds:6.1f} s", flush=True)
    return 1 if any(code for code, _ in outcome.values()) else 0


def run(arguments: list[str]) -> int:
    """serve at http://127.0.0.1:8000 with the demo app (first start: database, migrations, demo)"""
    set_up(RUN_LOCK)
    command = python("-m", "runtime", "serve", "--demo", *arguments)
    if os.name != "nt":
        os.chdir(ROOT)
        os.execv(command[0], command)  # noqa: S606 - the server takes this process, so signals reach it directly
    return call(command)


def test(arguments: list[str]) -> int:
    """lint, types, import contracts and all tests; with arguments only pytest, with them"""
    set_up(DEV_LOCK)
    if arguments:
        return call(python("-m", "pytest", *arguments))
    return run_stages({**LINT, **TYPES, **IMPORTS, "tests": ("-m", "pytest", "-n", workers(), "tests")})


def lint(_: list[str]) -> int:
    """ruff: rules and formatting"""
    set_up(DEV_LOCK)
    return run_stages(LINT)


def types(_: list[str]) -> int:
    """mypy in strict mode"""
    set_up(DEV_LOCK)
    return run_stages(TYPES)


def imports(_: list[str]) -> int:
    """the architecture's import contracts"""
    set_up(DEV_LOCK)
    return run_stages(IMPORTS)


def format_code(_: list[str]) -> int:
    """rewrite the code: formatting, import order, safe fixes"""
    set_up(DEV_LOCK)
    fixed = call(python("-m", "ruff", "check", "--fix", "--exit-zero", "--quiet", "."))
    return call(python("-m", "ruff", "format", ".")) or fixed


def lock(arguments: list[str]) -> int:
    """write both lock files again from pyproject.toml (--upgrade takes newer releases)"""
    set_up(DEV_LOCK)
    compiler = python("-m", "uv", "pip", "compile", "pyproject.toml", *LOCK_OPTIONS, *arguments)
    code = call([*compiler, "-o", RUN_LOCK])
    return code or call([*compiler, "--extra", "dev", "-c", RUN_LOCK, "-o", DEV_LOCK])


def bench(arguments: list[str]) -> int:
    """benchmarks against hand-written yardsticks"""
    set_up(DEV_LOCK)
    return call(python("-m", "benchmarks", *arguments))


def docs(arguments: list[str]) -> int:
    """write the generated parts of the documentation (--check only compares)"""
    set_up(DEV_LOCK)
    return call(python("-m", "tools.docs", *arguments))


def samples(arguments: list[str]) -> int:
    """write the sample records of the templates (--check only compares)"""
    set_up(DEV_LOCK)
    return call(python("-m", "tools.samples", *arguments))


def clean(_: list[str]) -> int:
    """remove the environment and caches; data stays"""
    for folder in (VENV, *(ROOT / name for name in CACHES)):
        shutil.rmtree(folder, ignore_errors=True)
    for cache in ROOT.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    return 0


def setup(_: list[str]) -> int:
    """only set up the environment, with the developers' tools"""
    set_up(DEV_LOCK)
    print(f"{VENV.name} is ready.")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "run": run,
    "test": test,
    "lint": lint,
    "types": types,
    "imports": imports,
    "format": format_code,
    "lock": lock,
    "bench": bench,
    "docs": docs,
    "samples": samples,
    "setup": setup,
    "clean": clean,
}


def main(arguments: list[str]) -> int:
    """Run the command named first; without one (or with ``help``) list them all."""
    if sys.version_info < LOWEST:
        fail(f"Python {LOWEST[0]}.{LOWEST[1]} or newer is needed; this is {sys.version.split()[0]}")
    if not arguments or arguments[0] in {"help", "-h", "--help"}:
        for name, command in COMMANDS.items():
            print(f"  {name:<10}{command.__doc__}")
        return 0
    if arguments[0] not in COMMANDS:
        fail(f"there is no command {arguments[0]!r}; there are: {', '.join(COMMANDS)}")
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
