"""Where the process begins: before anything large is read."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line. What is imported lives until the end: collecting among it would cost a fifth of a start, and a pause now and then."""
    gc.disable()
    from runtime.cli import main as command

    gc.freeze()
    gc.enable()
    command()
