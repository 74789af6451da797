"""What the documents point at is there."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/review.md"])
def test_every_link_leads_to_a_file(repository: Path, name: str) -> None:
    document = repository / name
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_target_that_the_documents_name_exists(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+%?):", makefile, re.MULTILINE)
    for name in ("README.md", "CONTRIBUTING.md"):
        named = re.findall(r"(?:`|\$ )make ([a-z-]+)", (repository / name).read_text(encoding="utf-8"))
        assert [word for word in named if not any(fnmatch(word, target.replace("%", "*")) for target in targets)] == []
