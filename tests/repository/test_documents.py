"""What the documents point at is there."""

import re
from pathlib import Path

import pytest

LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/review.md"])
def test_every_link_leads_to_a_file(repository: Path, name: str) -> None:
    document = repository / name
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_target_that_the_documents_name_exists(repository: Path) -> None:
    targets = set(
        re.findall(r"^([a-z-]+)(?:-%)?:", (repository / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for name in ("README.md", "CONTRIBUTING.md"):
        named = re.findall(r"(?:`|\$ )make ([a-z-]+)", (repository / name).read_text(encoding="utf-8"))
        assert set(named) <= targets, name
