"""The site of these pages, for ``make docs``: Sphinx with MyST and furo; nothing is loaded from another host."""

import re
from pathlib import Path

from sphinx.application import Sphinx

from pixmill import __version__

project = "Pixmill"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
copybutton_prompt_text = "$ "
copybutton_copy_empty_lines = False
myst_heading_anchors = 6
smartquotes = False
suppress_warnings = ["misc.highlighting_failure"]  # Pygments has no lexer for CSV.

html_theme = "furo"
html_title = f"Pixmill {__version__}"
html_theme_options = {"top_of_page_buttons": []}
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_search_scorer = str(Path(__file__).with_name("scorer.js"))

OUTSIDE = {"CONTRIBUTING.md": "/contributing.md", "src/pixmill/CHANGELOG.md": "/changelog.md"}
"""Pages that include documents of the repository."""

FOLDERS = ("how-to", "explanation", "reference")
LINK = re.compile(r"\[([^\]]+)\]\((\S+)\.md\)")
SECTION = re.compile(r"^##? (.+)\n((?:(?!##? ).*\n)*)", re.MULTILINE)

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


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Point links to pages of the site, and add the navigation to ``index.md``.

    It has the pages in the headings of ``index.md``, those in the sections of each folder's ``index.md``, and those in
    the last section.
    """
    for document, page in OUTSIDE.items():
        source[0] = re.sub(rf"\]\((\.\./)+{re.escape(document)}", f"]({page}", source[0])
    if name == "index":
        *doors, (last, about) = SECTION.findall(source[0])
        groups = [("Start", "\n".join(heading for heading, _ in doors))]
        for folder in FOLDERS:
            text = (Path(app.srcdir) / folder / "index.md").read_text(encoding="utf-8")
            groups += [
                (heading, body.replace("](", f"]({folder}/"))
                for heading, body in SECTION.findall(text)
            ]
        for caption, body in [*groups, (last, about)]:
            links = [
                f"{title[0].upper()}{title[1:]} <{page}>" for title, page in LINK.findall(body)
            ]
            if links:
                source[0] += "\n".join(
                    ["", "```{toctree}", f":caption: {caption}", ":hidden:", "", *links, "```", ""]
                )


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
