"""The verb watch: its exit code, JSON and errors."""

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.cli import main
from pixmill.core.decisions import read_rows
from pixmill.core.files.workspace import Workspace
from pixmill.local.private_server import PrivateServer, make_app
from pixmill.project.page import home
from pixmill.review.grid.images import ImageTable
from pixmill.review.serving import ReviewSite
from pixmill.serve.predict import model
from pixmill.serve.watch import watching
from tests.review.conftest import jpeg
from tests.serve.watch.conftest import Stream
from tests.serve.watch.conftest import stream as stream


@pytest.fixture(autouse=True)
def at_project(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    (stream.root / "pyproject.toml").write_text("[project]\nname = 'garments'\n")
    monkeypatch.chdir(stream.root)
    monkeypatch.setattr(model, "find_model", lambda *_: stream.model)


def run(*words: str) -> int:
    """Return the exit code."""
    try:
        main(["watch", *words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_exits_with_1_in_an_alarm(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    stream.log(200, days=(20, 11))
    stream.log(2, about="e" * 64)
    assert run("log") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    stream.log(200, days=(9, 1), shift=60)
    assert run("log", "--json") == 1
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (printed["alarm"], printed["images"], printed["others"]) == (True, 400, 2)
    kept = json.loads((stream.root / ".pixmill/watch/last.json").read_text())
    assert (kept["alarm"], kept["command"]) == (True, printed["command"])


def test_counts_the_images_that_it_asks_about(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    names = stream.log(70, images=True)
    assert run("log", "--label", "--json") == 0
    assert json.loads(capsys.readouterr().out)["labelled"]["waiting"] == 60
    assert run("log", "--label", "3", "--no-open") == 0
    assert "pixmill watch log --label" in capsys.readouterr().err
    stream.answer(*((name, "coat") for name in names))
    assert run("log", "--json") == 0
    assert json.loads(capsys.readouterr().out)["labelled"]["answered"] == 60


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["log"], "log does not exist"),
        (["file"], "file is not a folder"),
        (["other"], "but of garments"),
        (["cut"], "not an intact log"),
        (["few", "--label"], "keeps no images"),
        (["few", "--disagreements"], "--shadow"),
        (["few", "--accept"], "only 3 images"),
        (["few", "--label", "0"], "above 0"),
        (["few", "--label", "--doubtful"], "not allowed"),
    ],
)
def test_errors_are_one_line_with_a_way_out(
    stream: Stream, capsys: pytest.CaptureFixture[str], words: list[str], word: str
) -> None:
    Path("file").write_text("no log")
    for name, about in (("few", "d"), ("other", "e"), ("cut", "d")):
        stream.folder = stream.root / name
        stream.log(3, about=about * 64)
    for file in Path("cut").glob("*/*.parquet"):
        file.write_bytes(file.read_bytes()[:-9])
    assert run(*words) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert word in "".join(errors)
    assert "Traceback" not in "".join(errors)


def test_an_interrupted_write_is_no_row(stream: Stream) -> None:
    stream.log(3)
    (day,) = {path.parent for path in stream.folder.glob("*/*.parquet")}
    (day / ".part-120000.000000-1.parquet").write_bytes(b"PAR1")
    assert run("log") == 0


def test_a_folder_that_may_not_be_written_is_no_alarm(
    stream: Stream, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.log(3)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "log/watched.parquet")

    monkeypatch.setattr(watching, "save_record", refuse)
    assert run("log") == 2
    assert "log/watched.parquet" in capsys.readouterr().err


def test_exits_with_2_outside_of_a_project(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert run("log") == 2


@pytest.mark.browser
def test_labels_by_key_in_the_grid_are_counted(
    stream: Stream, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(9):
        image = jpeg(seed + 500)
        stream.log(1, images=True, content=image, id=hashlib.sha256(image).hexdigest())

    def label(_: Workspace, site: ReviewSite) -> None:
        app = make_app(site.routes())
        with site, PrivateServer(app, command="pixmill watch", start=site.start) as server:
            browser.get(server.new_address())
            wait = WebDriverWait(browser, 60, poll_frequency=0.05)
            wait.until(lambda _: text("canvas").endswith("· 3"))
            browser.refresh()
            wait.until(lambda _: text("canvas").endswith("· 3"))
            shown = browser.find_element("css selector", "#scope option:checked")
            assert shown.text == "random images"
            for left, key in ((2, "1"), (1, "2"), (0, "x")):
                ActionChains(browser).send_keys(key).perform()
                wait.until(lambda _: text("canvas").endswith(f"· {left}") or text("empty"))  # noqa: B023
            wait.until(lambda _: len(read_rows(stream.root / "decisions.csv")) == 3)

    def text(name: str) -> str:
        return str(browser.find_element("id", name).text)

    monkeypatch.setattr(ImageTable, "_compute", lambda _: None)  # which takes seconds
    monkeypatch.setattr(home, "open_project", label)
    assert run("log", "--label", "3") == 0
    labelled = stream.look().labelled
    assert (labelled.waiting, labelled.dropped, labelled.right.tolist()) == (0, 1, [True, False])
