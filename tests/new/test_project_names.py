"""A project's name makes a package, which hides no other."""

from pathlib import Path

import pytest

from pixmill.new.template import project_names


@pytest.mark.parametrize(("name", "package"), [("shoes", "shoes"), ("my-shoes", "my_shoes"), ("Shoes.v2", "shoes_v2")])
def test_the_package_is_made_from_the_folder(name: str, package: str, tmp_path: Path) -> None:
    assert project_names(tmp_path / name) == (name, package)


def test_a_clone_of_another_name_keeps_the_project_name(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "my-shoes"\n')
    assert project_names(tmp_path) == ("my-shoes", "my_shoes")


def test_a_project_that_is_renamed_keeps_its_package(tmp_path: Path) -> None:
    (tmp_path / "src" / "shoes" / "scrape").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "acme-shoes"\n')
    assert project_names(tmp_path) == ("acme-shoes", "shoes")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("My Pets", ("my-pets", "my_pets")),
        ("Schöne Füße", ("schone-fusse", "schone_fusse")),
        ("2026-shoes", ("2026-shoes", "my_2026_shoes")),
        ("鞋", ("project", "project")),
        ("class", ("class", "my_class")),
        ("random", ("random", "my_random")),
        ("numpy", ("numpy", "my_numpy")),
        ("pixmill", ("pixmill", "my_pixmill")),
    ],
)
def test_a_name_that_would_do_for_no_package_is_adapted(name: str, given: tuple[str, str], tmp_path: Path) -> None:
    assert project_names(tmp_path / name) == given
