"""Links, make targets, modules, reasons and expectations in the documents exist and are complete.

``make docs`` checks the links of the site's pages.
"""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pixmill.core.params import parse_params
from pixmill.split import straddling as split
from pixmill.split.checks import checks as split_checks
from pixmill.split.labelling import OneLabel as SplitLabel
from pixmill.validate import reasons as validate
from pixmill.validate.checks import checks as validate_checks
from pixmill.validate.labelling import OneLabel

LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    "benchmarks/README.md",
]
DOCUMENTS += ["src/pixmill/CHANGELOG.md"]
MAX_README_LINES = 110


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a document."""
    headings = HEADING.findall(document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_resolve(repository: Path, name: str) -> None:
    document = repository / name
    links = LINK.findall(document.read_text(encoding="utf-8"))
    targets = [(document.parent / path if path else document, anchor) for path, anchor in links]
    assert [path for path, _ in targets if not path.exists()] == []
    assert [anchor for path, anchor in targets if anchor and anchor not in anchors(path)] == []


def test_make_targets_exist(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+%?):", makefile, re.MULTILINE)
    for name in ("README.md", "CONTRIBUTING.md"):
        named = re.findall(
            r"(?:`|\$ )make ([a-z-]+)", (repository / name).read_text(encoding="utf-8")
        )
        assert [
            word
            for word in named
            if not any(fnmatch(word, target.replace("%", "*")) for target in targets)
        ] == []


def test_readme_is_short(repository: Path) -> None:
    assert (
        len((repository / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES
    )


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_modules_exist(repository: Path, name: str) -> None:
    files = re.findall(r"`([a-z_/]+/[a-z_]+\.py)`", (repository / name).read_text(encoding="utf-8"))
    assert files
    places = (repository, repository / "src/pixmill")
    assert [file for file in files if not any((place / file).is_file() for place in places)] == []


@pytest.mark.parametrize("word", [*validate.REASONS, *split.REASONS])
def test_every_reason_is_explained(repository: Path, word: str) -> None:
    text = (repository / "docs/reference/reasons.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    assert any(re.search(rf"`{word}[`:]", row) for row in rows)


def test_every_expectation_is_explained(repository: Path) -> None:
    params = parse_params((repository / "params.yaml").read_text(encoding="utf-8"))
    everything = params.split.model_copy(update={"group_by": "page"})
    text = (repository / "docs/reference/checks.md").read_text(encoding="utf-8")
    checks = [
        *validate_checks(params.validate, params.classes, OneLabel()),
        *split_checks(everything, params.classes, labelling=SplitLabel()),
    ]
    assert {check.name for check in checks if f"`{check.name}`" not in text} == set()
