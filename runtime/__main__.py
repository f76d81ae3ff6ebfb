"""``python -m runtime`` is the command ``dougong``."""

from __future__ import annotations

from runtime.start import main

main()
