"""The site of these pages, for ``make docs``: Sphinx with MyST and furo; nothing is loaded from another host."""

import re
from pathlib import Path

from sphinx.application import Sphinx

from pixmill import __version__

project = "Pixmill"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 6
smartquotes = False
suppress_warnings = ["misc.highlighting_failure"]  # Pygments has no lexer for CSV.

html_theme = "furo"
html_title = f"Pixmill {__version__}"
html_theme_options = {"top_of_page_buttons": []}
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False

OUTSIDE = {"CONTRIBUTING.md": "/contributing.md", "src/pixmill/CHANGELOG.md": "/changelog.md"}
"""Pages that include documents of the repository."""

ACCESSIBLE = {
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="Headings">',
    '<aside class="toc-drawer no-toc">': '<aside class="toc-drawer no-toc" aria-label="Headings">',
    # Wide ones scroll, also by the keyboard.
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper ': '<div tabindex="0" class="table-wrapper ',
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<div id="search-results">': '<h1 class="visually-hidden">Search</h1><div id="search-results">',
    '<th class="head"><p></p></th>': "<td></td>",
}
"""Replacements in all pages."""


def read(_app: Sphinx, name: str, source: list[str]) -> None:
    """Point links to pages of the site, and add the sections of ``index.md`` as its navigation."""
    for document, page in OUTSIDE.items():
        source[0] = re.sub(rf"\]\((\.\./)+{re.escape(document)}", f"]({page}", source[0])
    if name == "index":
        for caption, section in re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", source[0], re.MULTILINE):
            links = re.findall(r"\[([^\]]+)\]\((\S+)\.md\)", section)
            entries = "\n".join(f"{title} <{page}>" for title, page in links)
            source[0] += f"\n```{{toctree}}\n:caption: {caption}\n:hidden:\n\n{entries}\n```\n"


def finish(app: Sphinx, _error: Exception | None) -> None:
    """Apply `ACCESSIBLE`."""
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for before, after in ACCESSIBLE.items():
            text = text.replace(before, after)
        page.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Register the handlers."""
    app.connect("source-read", read)
    app.connect("build-finished", finish)
