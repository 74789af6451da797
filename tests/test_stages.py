"""Start of all stages after a kill, and their end by a signal."""

import os
import signal
import subprocess
import sys

import pytest

from pixmill.core.errors import PixmillError
from pixmill.core.process.progress import read_progress
from stages import run


@pytest.mark.linux
def test_ctrl_c_during_imports_shows_no_traceback(repository, tmp_path):
    """Interrupts the first import, as imports take seconds."""
    (tmp_path / "stages").symlink_to(repository / "stages")
    (tmp_path / "src").symlink_to(repository / "src")
    (tmp_path / "pandas.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "stages.split"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


SIGNALLED = """
import os, signal, sys
from stages import run

def main(workspace, params):
    try:
        {body}
    finally:
        print("cleaned up", flush=True)

run("split", main)
"""
INTERRUPTED = (
    "split: stage 3 of 5\nsplit: interrupted; finished work is kept. To resume: dvc repro\n"
)
KILL = "os.kill(os.getpid(), signal.{})"
IN_ASYNCIO = """
        import asyncio
        async def kill():
            try:
                asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                print("cancelled")
                raise
        asyncio.run(kill())"""


def signalled(repository, folder, body, before=""):
    (folder / "params.yaml").write_bytes((repository / "params.yaml").read_bytes())
    environ = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    return subprocess.run(
        [sys.executable, "-c", before + SIGNALLED.format(body=body)],
        cwd=folder,
        env=environ | {"PYTHONPATH": f"{repository}{os.pathsep}{repository / 'src'}"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("body", "status", "output"),
    [
        (KILL.format("SIGINT"), 130, "cleaned up\n"),
        (IN_ASYNCIO, 143, "cancelled\ncleaned up\n"),
    ],
)
def test_signal_ends_a_stage_cleanly(repository, tmp_path, body, status, output):
    done = signalled(repository, tmp_path, body)
    assert (done.returncode, done.stdout) == (status, output)
    assert done.stderr == INTERRUPTED


def test_sigterm_ends_a_background_stage_that_ignores_ctrl_c(repository, tmp_path):
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    done = signalled(repository, tmp_path, KILL.format("SIGTERM"), before=ignoring)
    assert (done.returncode, done.stdout, done.stderr) == (143, "cleaned up\n", INTERRUPTED)


def test_temporary_files_of_a_killed_run_are_deleted(repository, tmp_path, monkeypatch):
    """Otherwise, DVC would hash them with the artifact, and Git would list them."""
    (tmp_path / "params.yaml").write_bytes((repository / "params.yaml").read_bytes())
    own = (
        "artifacts/split/train/.part-1-ab-00000.bin",
        "plots/split/.part-1-ab-counts.csv",
        "reports/.part-1-ab-split.html",
        "metrics/.part-1-ab-split.json",
    )
    others = (
        "artifacts/train/.part-1-ab-model.keras",
        "reports/.part-1-ab-train.html",
        "metrics/.part-1-ab-train.json",
        "reports/split.html",
    )
    for name in (*own, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)

    def main(workspace, params):
        raise PixmillError("started", next="nothing")

    with pytest.raises(SystemExit, match="started"):
        run("split", main)
    left = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*") if path.is_file()
    }
    assert left - {"params.yaml"} >= set(others)
    assert left.isdisjoint(own)


def test_stage_writes_progress_and_errors_to_the_project(repository, tmp_path, monkeypatch):
    """As in ``dvc exp run --temp``: outputs belong to a copy, progress to the project."""
    home = tmp_path / "home"
    copy = tmp_path / "copy"
    for folder in (home, copy):
        folder.mkdir()
        (folder / "params.yaml").write_bytes((repository / "params.yaml").read_bytes())
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(home))
    progress = home / ".pixmill/progress"
    seen = []
    run("split", lambda *_: seen.extend(read_progress(progress)))
    assert [(each.stage, each.root, each.is_running) for each in seen] == [
        ("split", str(copy), True)
    ]
    assert read_progress(progress) == []

    def fail(*_):
        raise PixmillError("too few images", next="pixmill doctor --quick")

    with pytest.raises(SystemExit):
        run("split", fail)
    assert [each.failed for each in read_progress(progress)] == [
        "too few images\nNext: pixmill doctor --quick"
    ]

    # Wrong params are also written there.
    params = copy / "params.yaml"
    params.write_text(params.read_text().replace("  val: 0.15", "  val: -1"))
    with pytest.raises(SystemExit):
        run("split", fail)
    assert [each.failed.partition("\n")[0] for each in read_progress(progress)] == [
        "split.val: expected a number > 0 and < 1, received -1"
    ]
