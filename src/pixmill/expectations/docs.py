"""Data Docs: Great Expectations' own pages of a run, made safe to open."""

from __future__ import annotations

import contextlib
import html
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from great_expectations.data_context import AbstractDataContext

__all__ = ["write_docs"]

_HEAD = """<head>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; font-src 'self'">
<style>.fa-check-circle::before { content: "\\2714" } .fa-times::before { content: "\\2718" }</style>
"""
"""What each page begins with: nothing is asked of the web, no script runs, and its missing icons have signs."""


def write_docs(context: AbstractDataContext, folder: Path) -> None:
    """Write the pages of all that a context has validated, in place of those of an earlier run.

    As they come, the pages show names from the tables unescaped and load scripts from the web. They hold a clock and
    random names: they are for looking at, and no output of a stage.

    Args:
        context: What has validated; its results are changed (escaped).
        folder: Where the pages go; ``index.html`` is the first.
    """
    store = context.validation_results_store
    for key in store.list_keys():
        result = store.get(key)
        for item in result["results"]:
            item.result = _escaped(item.result)
        store.set(key, result)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / folder.name
        site = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(made)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        context.variables.data_docs_sites = {}
        context.add_data_docs_site("docs", site)
        context.build_data_docs()
        # Theirs is drawn by a script.
        (made / "index.html").write_text(_index(made), encoding="utf-8")
        for page in made.rglob("*.html"):
            page.write_text(page.read_text(encoding="utf-8").replace("<head>", _HEAD, 1), encoding="utf-8")
        _replace(folder, made, Path(temporary) / "old")


def _index(site: Path) -> str:
    """Return the page that leads to those with results."""
    pages = sorted(page.relative_to(site) for page in (site / "validations").rglob("*.html"))
    links = (f'<li><a href="{html.escape(page.as_posix())}">{html.escape(page.parts[1])}</a></li>' for page in pages)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Data Docs</title>\n</head>\n'
        f"<body>\n<h1>Data Docs</h1>\n<p>What Great Expectations found, by table:</p>\n<ul>\n{''.join(links)}\n</ul>\n"
        "</body>\n</html>\n"
    )


def _replace(folder: Path, made: Path, old: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        folder.rename(old)
    try:
        made.rename(folder)
    except OSError:
        # Another workspace's run has just put its own there: one as good as the other.
        if not folder.exists():
            raise
    shutil.rmtree(old, ignore_errors=True)


def _escaped(value: Any) -> Any:
    """Return a result with all texts in it as HTML shows them."""
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value
