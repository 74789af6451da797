"""Names of a project and its package."""

from pathlib import Path

import pytest

from pixmill.project.new.template import project_names


def test_clone_keeps_the_project_name(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "my-shoes"\n')
    assert project_names(tmp_path) == ("my-shoes", "my_shoes")


def test_renamed_project_keeps_its_package(tmp_path: Path) -> None:
    (tmp_path / "src" / "shoes" / "scrape").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "acme-shoes"\n')
    assert project_names(tmp_path) == ("acme-shoes", "shoes")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("Shoes.v2", ("Shoes.v2", "shoes_v2")),
        ("My Pets", ("my-pets", "my_pets")),
        ("Schöne Füße", ("schone-fusse", "schone_fusse")),
        ("2026-shoes", ("2026-shoes", "my_2026_shoes")),
        ("鞋", ("project", "project")),
        ("random", ("random", "my_random")),
        ("pixmill", ("pixmill", "my_pixmill")),
    ],
)
def test_adapts_invalid_names(name: str, given: tuple[str, str], tmp_path: Path) -> None:
    assert project_names(tmp_path / name) == given
