"""The files of a comparison: the page, and the text for a pull request."""

from pathlib import Path

from pixmill.core.files.writing import write_text
from pixmill.experiments.compare.comparison import Comparison
from pixmill.experiments.compare.page import render_page
from pixmill.experiments.compare.rendering import comparison_markdown
from pixmill.experiments.compare.sheet import choose


def write_reports(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the files, and return their paths.

    Args:
        comparison: What they show.
        folder: The project's ``reports``, which exists.
    """
    page, text = folder / "compare.html", folder / "compare.md"
    write_text(text, comparison_markdown(comparison))
    write_text(page, render_page(comparison, choose(comparison)))
    return [page, text]
