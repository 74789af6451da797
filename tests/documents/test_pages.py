"""The blocks of the pages, run in order: the tutorial's in an empty folder, all others in the project that it makes."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from pixmill.core.params import Params, parse_params
from tests.documents.blocks import Shell, counts, pages, read_blocks, run_blocks, run_page, runnable
from tests.wheel import environment

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
PAGES = {path.relative_to(ROOT).as_posix(): path for path in pages(ROOT)}
OTHERS = [name for name, path in PAGES.items() if path != TUTORIAL and runnable(path)]
SECTIONS = {field.alias or name for name, field in Params.model_fields.items()}


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the package."""
    return environment(tmp_path_factory.mktemp("environment"), wheel)


@pytest.fixture(scope="module")
def tutorial(python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The project after the tutorial's first commit, and the failures of all its blocks."""
    folder = tmp_path_factory.mktemp("tutorial")
    (work := folder / "work").mkdir()
    shell = Shell(work, folder / "home", python)
    blocks = runnable(TUTORIAL)
    first = next(
        n
        for n, block in enumerate(blocks, 1)
        if re.search(r"^\$ .*git commit", "\n".join(block.lines), re.M)
    )
    try:
        failures = run_blocks(shell, "tutorial.md", blocks[:first])
        shutil.copytree(work / "shoes", folder / "shoes", symlinks=True)
        failures += run_blocks(shell, "tutorial.md", blocks[first:])
    finally:
        shell.close()
    return folder / "shoes", failures


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_blocks_of_the_tutorial(
    tutorial: tuple[Path, list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    with capfd.disabled():
        sys.stderr.write("\n".join(["", *counts([*PAGES.values()]), ""]))
    assert "\n\n".join(tutorial[1]) == ""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", OTHERS)
def test_blocks_of_a_page(
    tutorial: tuple[Path, list[str]], python: Path, tmp_path: Path, name: str
) -> None:
    assert "\n\n".join(run_page(PAGES[name], tutorial[0], tmp_path / "scratch", python)) == ""


@pytest.mark.parametrize("name", PAGES)
def test_params_in_a_page_are_valid(name: str) -> None:
    for block in read_blocks(PAGES[name].read_text(encoding="utf-8")):
        given = yaml.safe_load("\n".join(block.lines)) if block.language == "yaml" else None
        if isinstance(given, dict) and SECTIONS & {*given}:
            required = {
                "classes": ["coat", "dress", "shirt", "sneaker", "trouser"],
                "scrape": {},
            } | given
            required["scrape"] = {"snapshot": "2026-11-29"} | required["scrape"]
            parse_params(yaml.safe_dump(required))
