"""The verb forget."""

from pathlib import Path

import pytest

from pixmill.cli import main
from pixmill.core.files.writing import file_digest
from pixmill.core.metadata import Facts, write_metadata
from pixmill.dataset import purging
from pixmill.dataset.prediction_log import record_log


def test_forgets_a_file_and_names_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("classes: [boot, hat]\nscrape:\n  snapshot: '2026-11-20'\n")
    Path("data").mkdir()
    Path("data/1.png").write_bytes(b"1")
    name = file_digest(Path("data/1.png"))
    main(["forget", "data/1.png", "--dry-run"])
    assert f"1 image: {name}" in capsys.readouterr().out
    assert Path("data/1.png").exists()
    record_log(tmp_path, Path("/gone/log"))
    main(["forget", "data/1.png", "--host", "Photos.example.org"])
    assert not Path("data/1.png").exists()
    assert name in Path("decisions.csv").read_text()
    assert "opt_out: [photos.example.org]" in Path("params.yaml").read_text()
    output = capsys.readouterr().out
    assert "Next: dvc repro && git commit" in output
    assert [line for line in output.splitlines() if "/gone/log" in line]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--purge", "data/1.png"],
        ["--host", "https://a.test/"],
        ["1.png", "--yes"],
        ["--purge", "--dry-run"],
    ],
)
def test_refuses_other_arguments(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("classes: [boot, hat]\nscrape:\n  snapshot: '2026-11-20'\n")
    Path("1.png").write_bytes(b"1")
    with pytest.raises(SystemExit):
        main(["forget", *words])
    assert not Path("decisions.csv").exists()


@pytest.mark.parametrize("has_row", [False, True])
def test_tells_when_a_host_has_no_image_and_no_row(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    has_row: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("classes: [boot, hat]\nscrape:\n  snapshot: '2026-11-20'\n")
    Path("data").mkdir()
    if has_row:
        write_metadata(
            Path("data"), {"hat/lost.png": Facts(page_url="https://photos.example.org/1")}
        )
    main(["forget", "--host", "photos.example.org"])
    assert "opt_out: [photos.example.org]" in Path("params.yaml").read_text()
    output = capsys.readouterr().out
    assert ("no image of photos.example.org" in output, "Next" in output) == (not has_row, has_row)


@pytest.mark.parametrize("number", [0, 1])
def test_names_the_deletion_if_a_purge_finds_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("classes: [boot, hat]\nscrape:\n  snapshot: '2026-11-20'\n")
    found = purging.Purge(
        {"cache": None}, {"cache": ["a"][:number]}, {"a"}, {"a"}, tmp_path, ["the remote"], 0
    )
    monkeypatch.setattr(purging, "plan_purge", lambda *_, **__: found)
    main(["forget", "--purge"])
    assert ("--purge --yes --shared" in capsys.readouterr().out) == bool(number)
    if number:
        with pytest.raises(SystemExit):
            main(["forget", "--purge", "--yes"])
        assert "others would lose objects: the remote" in capsys.readouterr().err
