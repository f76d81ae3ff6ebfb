"""``python -m tools.samples`` writes all sample files; ``--check`` only compares and fails if they differ."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.samples.build import BUILDERS, build

HOME = Path(__file__).resolve().parents[2] / "templates_lib"


def main(arguments: list[str]) -> int:
    """Write or compare; return the exit code."""
    changed = []
    for template in BUILDERS:
        folder = HOME / template / "sample"
        files = {folder / f"{name}.csv": text.encode() for name, text in build(template).items()}
        stale = [path for path in folder.glob("*.csv") if path not in files]
        changed += [
            path for path, content in files.items() if not path.exists() or path.read_bytes() != content
        ] + stale
        if "--check" not in arguments:
            folder.mkdir(parents=True, exist_ok=True)
            for path in stale:
                path.unlink()
            for path, content in files.items():
                path.write_bytes(content)
    for path in changed:
        print(path.relative_to(HOME).as_posix())
    return 1 if changed and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
