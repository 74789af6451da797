"""Compare two commits: ``pixmill compare``, against ``git diff`` of the params and ``dvc metrics diff``.

The project is a clone of this one, with a second commit of another regularization whose stages have
run. All contestants read the same two commits, with the files in DVC's cache, and start a new
process each time.

    make bench-compare             QUICK=1 for a short one; needs results (make repro)
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from contest import PROJECT, ROOT, folder_for_files, machine, sized

ROUNDS, WARM_UP = sized((9, 1), (3, 1), (1, 0))
RERUN = sized(["repro"], ["repro"], ["commit", "--force", "--quiet"])
"""DVC command that makes the results of the second commit; a trial run reuses those of the first.
"""
PARAM = "inverse_regularization: null"
VALUE = "inverse_regularization: 0.05"

PYTHON = [sys.executable, "-P", "-m"]
CONTESTANTS = {
    "pixmill": [[*PYTHON, "pixmill", "compare", "HEAD~1", "HEAD"]],
    "git_and_dvc_diff": [
        ["git", "diff", "HEAD~1", "HEAD", "--", "params.yaml"],
        [*PYTHON, "dvc", "metrics", "diff", "HEAD~1", "HEAD"],
    ],
}
NAMES = {
    "pixmill": "pixmill compare",
    "git_and_dvc_diff": "git diff of params.yaml, dvc metrics diff",
}


@dataclass
class Times:
    """A contestant's wall-clock and CPU seconds of each round."""

    waited: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)


def main() -> None:
    """Print the table, and the ratios as the last line."""
    if not (PROJECT / "artifacts" / "evaluate").is_dir():
        raise SystemExit(f"{PROJECT} has no results; next: make repro")
    print(f"{ROUNDS} rounds; {machine()}\n", flush=True)
    times = {name: Times() for name in CONTESTANTS}
    with tempfile.TemporaryDirectory(dir=folder_for_files()) as name:
        project = make_project(Path(name) / "project")
        for number in range(-WARM_UP, ROUNDS):
            for contestant, commands in CONTESTANTS.items():
                waited, worked = measure(project, commands)
                if number >= 0:  # The first round fills the caches of files and of bytecode.
                    times[contestant].waited.append(waited)
                    times[contestant].worked.append(worked)
    print("| | seconds, median | spread | CPU seconds, median |\n|---|---|---|---|")
    for contestant, found in times.items():
        spread = f"{min(found.waited):.1f} to {max(found.waited):.1f}"
        row = (
            f"{statistics.median(found.waited):.2f} | {spread} | "
            f"{statistics.median(found.worked):.2f}"
        )
        print(f"| {NAMES[contestant]} | {row} |")
    ours = times["pixmill"]
    peer = times["git_and_dvc_diff"]
    ratios = {
        "vs_git_and_dvc_diff": (peer.waited, ours.waited),
        "vs_git_and_dvc_diff_cpu": (peer.worked, ours.worked),
    }
    print()
    print(json.dumps({name: ratio(*pair) for name, pair in ratios.items()}))


def make_project(project: Path) -> Path:
    """Return a clone of this project with one more commit, whose stages have run with one changed param."""
    do(PROJECT, "git", "clone", "--quiet", str(PROJECT), str(project))
    do(project, *PYTHON, "dvc", "config", "--local", "cache.dir", str(PROJECT / ".dvc" / "cache"))
    if (PROJECT / "mlflow.db").exists():
        shutil.copy(PROJECT / "mlflow.db", project)
    do(project, *PYTHON, "dvc", "checkout", "--quiet")
    params = (project / "params.yaml").read_text(encoding="utf-8")
    if PARAM not in params:
        raise SystemExit(f"params.yaml of this project lacks {PARAM}, which this benchmark changes")
    (project / "params.yaml").write_text(params.replace(PARAM, VALUE), encoding="utf-8")
    do(project, *PYTHON, "dvc", *RERUN)
    who = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org")
    do(project, "git", *who, "commit", "--quiet", "--all", "--message", "Regularize less")
    return project


def measure(project: Path, commands: list[list[str]]) -> tuple[float, float]:
    """Return the wall-clock and CPU seconds of commands that run one after the other."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    for command in commands:
        do(project, *command)
    waited = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return waited, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def do(folder: Path, *command: str) -> None:
    """Run a command in a folder, with this checkout's code."""
    environ = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}"
        )


def ratio(theirs: list[float], ours: list[float]) -> float:
    """Return the median speed-up of Pixmill over the rounds, in each of which the load is the same."""
    return round(statistics.median(a / b for a, b in zip(theirs, ours, strict=True)), 2)


if __name__ == "__main__":
    main()
