"""The files of a comparison: the page, the text for a pull request, and the contact sheet."""

from pathlib import Path

from pixmill.compare.comparison import Comparison
from pixmill.compare.markdown import comparison_markdown
from pixmill.compare.page import render_page
from pixmill.compare.sheet import choose, contact_sheet
from pixmill.core.files import write_bytes, write_text


def write_reports(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the files, and return their paths; an older sheet is removed if there is none.

    Args:
        comparison: What they show.
        folder: The project's ``reports``, which exists.
    """
    page, text, picture = (folder / f"compare.{suffix}" for suffix in ("html", "md", "png"))
    chosen = choose(comparison)
    sheet = contact_sheet(chosen)
    write_text(text, comparison_markdown(comparison, sheet=sheet is not None))
    write_text(page, render_page(comparison, chosen))
    if sheet is None:
        picture.unlink(missing_ok=True)
        return [page, text]
    write_bytes(picture, sheet)
    return [page, text, picture]
