"""`pixmill compare --runs` prints a table or JSON, and writes a page."""

import errno
import json
from pathlib import Path

import pytest

from pixmill import load_project
from tests.command import run_pixmill
from tests.experiments.compare.recorded import HEAD, PIPELINE, add_experiment, answers
from tests.version_control import commit, start_repository


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two experiments."""
    root = start_repository(tmp_path_factory.mktemp("project"), with_dvc=True)
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text("/artifacts/\n/reports/\n/.pixmill/\n/mlflow.db*\n")
    (root / "params.yaml").write_text(
        f"{HEAD}validate: {{}}\nsplit: {{}}\ntrain: {{}}\ncompare: {{}}\n"
    )
    commit(root, "Begin")
    add_experiment(root, "wide", "{model: cnn, epochs: 10}", answers(20))
    add_experiment(root, "narrow", "{model: cnn, epochs: 5}", answers(90))
    return root


@pytest.fixture(autouse=True)
def project(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_prints_the_table_and_writes_the_page(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_pixmill("compare", "--runs") == 0
    text = capsys.readouterr().out
    assert text.startswith("Only DVC's experiments were compared: there is no MLflow database")
    assert (
        "\nwide has the best macro-F1 on validation, 0.917; the other is significantly worse.\n"
        in text
    )
    assert text.endswith("\nWritten: reports/runs.html\n")
    page = (trained / "reports" / "runs.html").read_text(encoding="utf-8")
    assert "narrow" in page
    assert 'href="../" title=' in page


def test_table_of_the_api_has_the_rows_of_json(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = load_project(trained).runs()
    assert run_pixmill("compare", "--runs", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert list(table["name"]) == [row["name"] for row in rows]
    assert list(table["params.train.epochs"]) == [10, 5]
    assert list(table["value"].round(6)) == [row["value"] for row in rows]


def test_json_writes_no_page_and_limit_applies(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("pixmill.core.files.writing.write_text", refuse)
    assert run_pixmill("compare", "--runs", "--limit", "1", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (len(document["rows"]), document["left_out"]) == (1, True)
    assert run_pixmill("compare", "--runs") == 2
    assert (
        f"{trained / 'reports' / 'runs.html'} cannot be used: the disk is read-only"
        in capsys.readouterr().err
    )
