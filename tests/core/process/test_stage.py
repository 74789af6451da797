"""Running a stage."""

from pathlib import Path

import pytest

from pixmill.core.process.stage import run


def test_wrong_params_name_the_command_that_restores_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DVC removes the outputs of a stage before it starts it.
    (tmp_path / "params.yaml").write_text("{classes: [a, b], scrape: {snapshot: '2026-11-20'}, train: {model: typo}}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run("train", lambda *_: None)
    assert "received 'typo'" in str(stop.value)
    assert "git checkout metrics/train.json plots/train && dvc checkout train" in str(stop.value)
