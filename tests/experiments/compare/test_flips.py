"""Flips between the default revisions."""

import shutil

import pandas as pd
import pytest

from pixmill.core.errors import PixmillError
from pixmill.experiments.compare.comparing import read_flips, read_shift
from pixmill.experiments.compare.comparison import NotComparableError
from tests.experiments.compare.evaluated import start
from tests.experiments.compare.made_revisions import write_predictions
from tests.experiments.compare.projects import record
from tests.version_control import commit

IDS = [f"{number:064x}" for number in range(4)]


def predict(root, *predicted, split="test"):
    """Record predictions of three coats and a dress."""
    shares = [0.9 if name == "coat" else 0.2 for name in predicted]
    columns = {
        "id": IDS,
        "split": split,
        "label": ["coat"] * 3 + ["dress"],
        "predicted": predicted,
        "p_coat": shares,
    }
    path = root / "artifacts/evaluate/predictions.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_predictions(
        path, pd.DataFrame(columns).assign(p_dress=lambda rows: 1 - rows["p_coat"], loss=0.5)
    )
    record(root)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "project"
    start(root)
    predict(root, "coat", "coat", "coat", "dress")
    commit(root, "First results")
    return root


@pytest.fixture
def root(made, tmp_path, monkeypatch):
    """A project with a clean workspace."""
    shutil.copytree(made, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


def test_flips_of_the_workspace(root):
    predict(root, "coat", "dress", "coat", "coat")
    flips = read_flips(root)
    assert flips["id"].tolist() == [IDS[3], IDS[1]]
    assert flips["head_predicted"].tolist() == ["coat", "dress"]
    assert flips["base_confidence"].tolist() == pytest.approx([0.8, 0.9])
    assert not flips["gained"].any()


def test_shift_of_the_workspace(root):
    predict(root, "coat", "dress", "coat", "coat")
    shift = read_shift(root, "HEAD", None)
    assert shift.same[:4] == (4, 2, 2, 0)
    # A run has deleted the file, and DVC's cache has it.
    (root / "artifacts/evaluate/predictions.parquet").unlink()
    assert read_shift(root, "HEAD", None) == shift
    shutil.rmtree(root / ".dvc/cache")
    with pytest.raises(NotComparableError):
        read_shift(root, "HEAD", None)


def test_equal_results_have_no_flips(root):
    (root / "params.yaml").write_text("classes: [coat, dress]\n")
    assert read_flips(root) is None


def test_fetches_only_on_request(root):
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        repo.push()
    predict(root, "dress", "coat", "coat", "dress")
    shutil.rmtree(root / ".dvc/cache")
    with pytest.raises(NotComparableError, match="HEAD: no predictions"):
        read_flips(root, fetch=False)
    assert read_flips(root)["id"].tolist() == [IDS[0]]


def test_incomparable_revisions_raise(root, tmp_path):
    predict(root, "coat", "coat", "coat", "coat", split="train")
    with pytest.raises(NotComparableError, match="no image is in the test split of both"):
        read_flips(root)
    shutil.rmtree(root / ".dvc/cache")
    with pytest.raises(
        NotComparableError,
        match=r"HEAD: no predictions: the remote 'shared' lacks them or is out of reach",
    ):
        read_flips(root)
    with pytest.raises(PixmillError, match="is not in a Git repository"):
        read_flips(tmp_path)
