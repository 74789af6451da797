"""Run the command ``pixmill`` in this process."""

from pixmill.cli import main

__all__ = ["run_pixmill"]


def run_pixmill(*words: str) -> int:
    """Run the command with the given arguments, and return the exit code."""
    try:
        main(words)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    return 0
