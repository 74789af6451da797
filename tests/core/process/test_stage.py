"""Running a stage."""

from pathlib import Path

import pytest

from pixmill.core.process.stage import run
from tests.version_control import commit, start_repository


@pytest.mark.parametrize("state", ["removed by DVC", "still there", "first run"])
def test_wrong_params_name_the_command_that_restores_the_results(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DVC removes the outputs of a stage before it starts it.
    (tmp_path / "params.yaml").write_text("{classes: [a, b], scrape: {snapshot: '2026-11-20'}, train: {model: typo}}")
    results = tmp_path / "metrics" / "train.json"
    results.parent.mkdir()
    results.write_text("{}")
    if state == "first run":
        results.unlink()
    commit(start_repository(tmp_path))
    if state == "removed by DVC":
        results.unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run("train", lambda *_: None)
    assert "received 'typo'" in str(stop.value)
    command = "git checkout metrics/train.json plots/train && dvc checkout train"
    assert (command in str(stop.value)) == (state == "removed by DVC")
