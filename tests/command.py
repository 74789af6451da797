"""The command ``pixmill``, run in this process."""

from pixmill.cli import main

__all__ = ["run_pixmill"]


def run_pixmill(*words: str) -> int:
    """Run it with these words, and return the exit code."""
    try:
        main(words)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    return 0
