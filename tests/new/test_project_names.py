"""A project's name makes a package, which hides no other."""

from pathlib import Path

import pytest

from pixmill.core.errors import PixmillError
from pixmill.new.project_names import project_names


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


@pytest.mark.parametrize("name", ["Schöne Schuhe", "2026-shoes", "鞋", "class", "random", "numpy", "stages", "pixmill"])
def test_other_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PixmillError, match=f"'{name}' is .*\nNext: choose another name"):
        project_names(tmp_path / name)
