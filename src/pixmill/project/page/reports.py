"""The project's reports, as files that the page may show: only those in ``reports/``, and only with scripts of ours."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from pixmill.core.repository.dvc import DEFAULT_CACHE, cache_folder

_STAGES = ("scrape", "validate", "split", "train", "evaluate")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.(?:html|png)")

_SCRIPTS = (("pixmill.pages", "page.js"), ("pixmill.experiments.compare", "ranking.js"))
"""What pages have as their script: the first alone, or followed by the second."""


def find_report(root: Path, name: str) -> Path | None:
    """Return the file of a report; ``None`` where there is none, or it leads out of the project and DVC's cache.

    Args:
        root: The project's folder.
        name: As a request has it, such as ``train.html``.
    """
    if not _NAME.fullmatch(name):
        return None
    path = root / "reports" / name
    if not path.is_file():  # First, since a loop of links cannot be resolved.
        return None
    path = path.resolve()
    if any(path.is_relative_to((root / folder).resolve()) for folder in ("reports", DEFAULT_CACHE)):
        return path
    # A link into a cache that several projects share.
    shared = cache_folder(root)
    return path if shared is not None and path.is_relative_to(shared.resolve()) else None


def list_reports(root: Path) -> list[str]:
    """Return the names of the pages; those of the stages first, in their order."""
    names = [path.name for path in (root / "reports").glob("*.html") if find_report(root, path.name)]
    first = {f"{stage}.html": number for number, stage in enumerate(_STAGES)}
    return sorted(names, key=lambda name: (first.get(name, len(first)), name))


@cache
def report_policy() -> str:
    """Return the content policy of reports: a page that somebody else made runs no script, and asks for nothing."""
    texts = [files(package).joinpath(name).read_text(encoding="utf-8") for package, name in _SCRIPTS]
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (texts[0], "".join(texts)))
    scripts = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {scripts}; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
