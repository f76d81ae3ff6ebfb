"""``python -m runtime`` is the command ``dougong``."""

from __future__ import annotations

from runtime.cli import main

main()
