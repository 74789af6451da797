"""What the documents point at is there."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pixmill.core.params import parse_params
from pixmill.split import straddling as split
from pixmill.split.checks import checks as split_checks
from pixmill.validate import reasons as validate
from pixmill.validate.checks import checks as validate_checks

LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "src/pixmill/CHANGELOG.md"]
DOCUMENTS += [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", DOCUMENTS)
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


@pytest.mark.parametrize("target", ["repro", "test"])
def test_the_quick_start_names_the_two_commands_that_set_everything_up(repository: Path, target: str) -> None:
    readme = (repository / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## Quick start\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```console\n((?:\$ make .*\n)+)```", section)
    assert re.search(rf"^\$ make {target} +# set everything up and ", block, re.MULTILINE)
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}: .*## set everything up and ", makefile, re.MULTILINE)


@pytest.mark.parametrize("word", [*validate.REASONS, *split.REASONS])
def test_every_reason_is_explained(repository: Path, word: str) -> None:
    text = (repository / "docs/review.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    assert any(re.search(rf"`{word}[`:]", row) for row in rows)


def test_every_expectation_is_explained(repository: Path) -> None:
    params = parse_params((repository / "params.yaml").read_text(encoding="utf-8"))
    everything = params.split.model_copy(update={"group_by": "page", "folds": 2})
    for name, checks in (
        ("validation", validate_checks(params.validate, params.classes)),
        ("split", split_checks(everything, params.classes)),
    ):
        text = (repository / "docs" / f"{name}.md").read_text(encoding="utf-8")
        assert {check.name for check in checks if f"`{check.name}`" not in text} == set()
