"""What ``pyproject.toml`` says of a project, also where it says nonsense."""

from pathlib import Path

import pytest

from pixmill.core.errors import ParamsError
from pixmill.core.install.pyproject import read_project


@pytest.mark.parametrize(
    "text",
    ["[project", "project = 1", "[tool.pixmill]\nmlflow = 1", f"a = {'[' * 20_000}"],
    ids=range(4),
)
def test_a_file_that_is_not_valid_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ParamsError, match=r"pyproject\.toml is not valid: ") as caught:
        read_project(tmp_path)
    assert caught.value.next == "edit pyproject.toml"
