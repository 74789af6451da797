"""Stage states agree with DVC, and are read without disturbing it."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pixmill.core.process.progress import StageProgress
from pixmill.core.repository.documents import MalformedError
from pixmill.core.repository.file_hashes import FileHashes
from pixmill.project import stage_states
from pixmill.project.stage_states import StageState, read_run
from tests.tiny_project import change_param, copy_project, repro
from tests.version_control import PERSON, dvc, living_dvc

STAGES = ["scrape", "validate", "split", "train", "evaluate"]


@pytest.fixture
def project(tiny_project: Path, tmp_path: Path) -> Path:
    return copy_project(tiny_project, tmp_path / "pets")


def read_stage_states(root: Path) -> list[StageState]:
    with FileHashes(root) as hashes:
        return stage_states.read_stage_states(root, hashes)


def states(root: Path) -> dict[str, StageState]:
    return {state.name: state for state in read_stage_states(root)}


def texts(root: Path) -> dict[str, list[str]]:
    return {
        name: [reason.text for reason in state.reasons]
        for name, state in states(root).items()
        if state.reasons
    }


def test_reason_texts(project: Path) -> None:
    assert {state.status for state in states(project).values()} == {"fresh"}
    change_param(project, "{val: 0.15, test: 0.2}", "{val: 0.15, test: [0.2], salt: x}")
    change_param(project, "evaluate: {}", "evaluate: {a: 1}")
    (project / "stages/train.py").unlink()
    (project / "plots/scrape/full.json").write_text("{}")
    assert texts(project) == {
        "scrape": ["plots/scrape differs from the last run"],
        "split": ["validate has to run first", "split.test changed", "split.salt changed"],
        "validate": ["scrape has to run first"],
        "train": ["split has to run first", "stages/train.py is missing"],
        "evaluate": ["split has to run first", "train has to run first", "evaluate.a changed"],
    }


def test_agrees_with_dvc(project: Path) -> None:
    """Change params one by one, and run the slow `dvc status` once."""
    for before, after, changed in (
        ("2026-11-20'}", "2026-11-20'} # words\nother: 1", set()),
        ("evaluate: {}", "evaluate: {a: {b: 1}}", {"evaluate"}),
        ("epochs: 3", "epochs: 4", {"train", "evaluate"}),
        ("max_pixels: 50", "max_pixels: null", {"validate", "split", "train", "evaluate"}),
    ):
        change_param(project, before, after)
        found = states(project)
        assert {name for name, state in found.items() if state.status != "fresh"} == changed
    # `dvc status` looks at each stage separately.
    alone = {
        name for name, state in found.items() if any(each.kind != "stage" for each in state.reasons)
    }
    assert (
        {*json.loads(dvc(project, "status", "--json"))}
        == alone
        == {"validate", "train", "evaluate"}
    )


def test_rewritten_output_makes_the_next_stage_stale(project: Path) -> None:
    lock = project / "dvc.lock"
    with FileHashes(project) as hashes:
        before = hashes.md5("artifacts/validate")
    (project / "artifacts/validate/out").unlink()
    (project / "artifacts/validate/out").write_text("another")
    with FileHashes(project) as hashes:
        lock.write_text(
            lock.read_text().replace(str(before), str(hashes.md5("artifacts/validate")), 1)
        )
    assert {name: state.text for name, state in states(project).items()} == {
        "scrape": "up to date",
        "validate": "up to date",
        "split": "validate has rewritten artifacts/validate since",
        "train": "split has to run first",
        "evaluate": "split has to run first, and 1 more",
    }


def test_templates_are_unknown(project: Path) -> None:
    text = (project / "dvc.yaml").read_text()
    (project / "dvc.yaml").write_text(
        text.replace("  train:\n", "  train:\n    frozen: true\n")
        + "  each:\n    foreach: [1, 2]\n    do: {cmd: x}\n  named:\n    cmd: echo ${n}\n"
        "  other:\n    cmd: x\n    params: [settings.py: [a]]\n"
        "  code:\n    cmd: x\n    params: [train, pixmill.lock: [a]]\n"
    )
    change_param(project, "epochs: 3", "epochs: 4")
    found = states(project)
    assert [found[name].status for name in ("train", "each", "named", "other")] == ["unknown"] * 4
    assert found["code"].status == "never run"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("dvc.lock", "stages: ["),
        ("dvc.yaml", "stages: [1]"),
        ("dvc.yaml", "stages: {a: {outs: [{x: 1, y: 2}]}}"),
        ("params.yaml", "- a"),
    ],
)
def test_names_malformed_files(project: Path, file: str, text: str) -> None:
    (project / file).write_text(text)
    with pytest.raises(MalformedError, match=f"^{file} is malformed"):
        read_stage_states(project)


def test_waits_for_dvc_to_write_the_lock(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_states, "SETTLED_SECONDS", 1.0)
    lock = project / "dvc.lock"
    whole = (project / "dvc.lock").read_bytes()
    with living_dvc() as pid:
        (project / ".dvc/tmp/lock").write_text(f" {pid}\n")
        lock.write_bytes(whole[: len(whole) // 2])
        writer = threading.Timer(0.1, lock.write_bytes, [whole])
        writer.start()
        assert {state.status for state in read_stage_states(project)} == {"fresh"}
        writer.join()
    # The lock of a killed command is read as it is.
    lock.write_bytes(b"")
    assert "fresh" not in {state.status for state in read_stage_states(project)}


def test_read_imports_nothing_slow(project: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pixmill.project.next_steps import next_steps\n"
        "from pixmill.project.state import read_project_state\n"
        "state = read_project_state(Path.cwd()); assert not state.faults\n"
        "print(next_steps(state)[0].kind)\n"
        "print(sorted({'dvc', 'tensorflow', 'keras', 'mlflow', 'sklearn', 'scipy', 'matplotlib'} & "
        "{*sys.modules}))"
    )
    (project / "data/cat/2.jpg").write_bytes(b"new")  # needs DVC's ignore patterns
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "run\n[]\n"


@pytest.mark.slow
def test_reads_do_not_disturb_a_run(project: Path) -> None:
    seen = set()
    change_param(project, "2026-11-20", "2026-11-21")
    command = [sys.executable, "-m", "dvc", "repro", "-q"]
    environment = {**os.environ, **PERSON, "SLOW": "0.4"}
    with subprocess.Popen(
        command, cwd=project, env=environment, stderr=subprocess.PIPE, text=True
    ) as running:
        while running.poll() is None:
            seen |= {(state.name, state.status) for state in read_stage_states(project)}
            time.sleep(0.01)
        assert running.stderr is not None
        assert (running.returncode, running.stderr.read()) == (0, "")
    assert {state.status for state in read_stage_states(project)} == {"fresh"}
    assert {(name, "running") for name in STAGES} <= seen


@pytest.mark.slow
@pytest.mark.linux
def test_killed_run_is_not_running(project: Path) -> None:
    change_param(project, "epochs: 3", "epochs: 4")
    command = [sys.executable, "-m", "dvc", "repro", "-q"]
    with subprocess.Popen(
        command, cwd=project, env=os.environ | {"SLOW": "60"}, start_new_session=True
    ) as running:
        # DVC writes its lock file in place: a kill before the stage's own process runs would leave
        # half of it.
        while not any(
            each.info["cwd"] == str(project) and "stages/train.py" in (each.info["cmdline"] or [])
            for each in psutil.process_iter(["cmdline", "cwd"])
        ):
            assert running.poll() is None
            time.sleep(0.05)
        assert states(project)["train"].status == "running"
        os.killpg(running.pid, 9)
        running.wait()
    found = states(project)["train"]
    assert (found.status, found.reasons[-1].kind) == ("stale", "figures")
    assert repro(project) == 0
    assert states(project)["evaluate"].status == "fresh"


def test_a_run_of_known_durations_has_a_time_left() -> None:
    fit = StageProgress("train", "", 1, 100.0, 104.0, "Fit", 10, 40, "image", first_at=110.0)
    stages = [
        StageState("scrape", "fresh", seconds=10.0),
        StageState("train", "running", progress=fit, seconds=60.0),
        StageState("evaluate", "stale", seconds=20.0),
    ]
    run = read_run(stages, now=120.0)
    assert run is not None
    assert run.share == 1 / 3
    assert run.text.startswith("Train, stage 2 of 3, about 60 s left. ")
    # The work is slower than last time: ten images took 40 s.
    late = read_run(stages, now=150.0)
    assert late is not None
    assert "about 2 min left" in late.text
    first = read_run([replace(stage, seconds=None) for stage in stages], now=120.0)
    assert first is not None
    assert "left" not in first.text
    assert read_run(stages[:1], now=120.0) is None
