"""Where the process begins: before anything large is read."""

from __future__ import annotations

import gc

_THRESHOLDS = (20_000, 20, 50)
"""A request makes hundreds of objects that live until its end: looking among them every 700 costs a batch a tenth of its time."""


def main() -> None:
    """Run the command line. What is imported lives until the end: collecting among it would cost a fifth of a start, and a pause now and then."""
    gc.disable()
    from runtime.cli import main as command

    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()
    command()
