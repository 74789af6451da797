"""The example notebook runs in a finished project."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "notebook.ipynb"


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_valid_and_has_no_outputs() -> None:
    notebook = read()
    nbformat.validate(notebook)
    assert not any(
        cell.outputs or cell.execution_count for cell in notebook.cells if cell.cell_type == "code"
    )


@pytest.mark.slow
def test_the_notebook_runs(copy_of_finished) -> None:
    notebook = read()
    client = NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(copy_of_finished.path)}}
    )
    client.execute(env=copy_of_finished.environ)
    cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "display(" not in cell.source
    ]
    kinds = [{kind for output in cell.outputs for kind in output.get("data", ())} for cell in cells]
    assert all(kinds)
    assert sum("text/html" in each for each in kinds) == 6  # tables
    assert sum("text/markdown" in each for each in kinds) == 1  # the comparison
