"""A project with five fast stages, real Git, real DVC, and the files of the state."""

import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.made_once import make_once
from tests.version_control import PERSON, commit, dvc, start_repository

_CALLS = itertools.count()

_STAGE = """
import hashlib, json, os, pathlib, sys, time
name, *deps = sys.argv[1:]
def files(path):
    path = pathlib.Path(path)
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
time.sleep(float(os.environ.get("SLOW", "0")))
digest = hashlib.md5(pathlib.Path("params.yaml").read_bytes())
for dep in deps:
    for file in files(dep):
        digest.update(file.read_bytes())
text = digest.hexdigest()
out = pathlib.Path("artifacts") / name
for folder in (out, pathlib.Path("plots") / name, pathlib.Path("reports"), pathlib.Path("metrics")):
    folder.mkdir(parents=True, exist_ok=True)
(out / "out").write_text(text)
(pathlib.Path("reports") / (name + ".html")).write_text(text)
metrics = {"digest": text, "accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95}
(pathlib.Path("metrics") / (name + ".json")).write_text(json.dumps(metrics))
metrics["per_class"] = {"coat": {"f1": 0.9, "support": 10}}
if name == "train":
    metrics["learning_curve"] = {"gain": 0.0, "gain_low": 0.0, "gain_high": 0.0}
(pathlib.Path("plots") / name / "full.json").write_text(json.dumps(metrics))
if name == "validate":
    check = {"name": "min_per_class", "severity": "critical", "success": True}
    (out / "expectations.json").write_text(json.dumps({"results": [check]}))
"""

_DEPS = {
    "scrape": ["data"],
    "validate": ["artifacts/scrape", "decisions.csv"],
    "split": ["artifacts/validate"],
    "train": ["artifacts/split"],
    "evaluate": ["artifacts/split", "artifacts/train"],
}


def _stage(name: str, deps: list[str]) -> str:
    code = f"stages/{name}.py"
    persist = ": {persist: true}" if name == "scrape" else ""
    return (
        f"  {name}:\n    cmd: {sys.executable} -S {code} {name} {' '.join(deps)}\n"
        f"    deps: [{', '.join([code, *deps])}]\n"
        f"    params: [{name}]\n"
        f"    outs: [artifacts/{name}{persist}, reports/{name}.html, plots/{name}: {{cache: "
        f"false}}]\n"
        f"    metrics: [metrics/{name}.json: {{cache: false}}]\n"
    )


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with committed results; read-only."""
    return (
        make_once(tmp_path_factory, "tiny", lambda folder: make_project(folder / "pets")) / "pets"
    )


def make_project(root: Path) -> Path:
    """Create the project, with its results in a commit."""
    start_repository(root, with_dvc=True)
    files = {
        "dvc.yaml": "stages:\n" + "".join(_stage(name, deps) for name, deps in _DEPS.items()),
        "params.yaml": "classes: [cat, dog]\nscrape: {snapshot: '2026-11-20'}\nvalidate:\n  "
        "max_pixels: 50\n"
        "split: {val: 0.15, test: 0.2}\ntrain: {epochs: 3}\nevaluate: {}\n",
        "decisions.csv": "image,label,answer,split,by,why\n",
        ".gitignore": "/artifacts/\n/reports/\n/.pixmill/\n/data\n/mlflow.db*\n/inbox/\n",
        ".dvcignore": "__pycache__/\n.part-*\n.DS_Store\n",
        "pyproject.toml": "[project]\nname = 'pets'\n",
    }
    files |= {f"stages/{name}.py": _STAGE for name in _DEPS}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for label in ("cat", "dog"):
        (root / "data" / label).mkdir(parents=True)
        (root / "data" / label / "1.jpg").write_bytes(label.encode())
    dvc(root, "add", "-q", "data")
    dvc(root, "repro", "-q")
    age(root)
    commit(root)
    return root


def copy_project(root: Path, to: Path) -> Path:
    """Return a copy with the same file times."""
    return Path(shutil.copytree(root, to, symlinks=True))


def copy_begun(root: Path, to: Path) -> Path:
    """Return a copy without results."""
    project = copy_project(root, to)
    (project / "dvc.lock").unlink()
    for folder in ("artifacts", "metrics", "plots", "reports"):
        shutil.rmtree(project / folder)
    commit(project)
    return project


def age(root: Path) -> None:
    """Date all files of the project back by at least a minute, to make later changes newer."""
    # A different time for each call: Git compares whole seconds, and would miss changes.
    then = time.time() - 60 - 2 * next(_CALLS)
    for path in root.rglob("*"):
        if ".git" not in path.parts and path.is_file():
            os.utime(path, (then, then))


def change_param(root: Path, old: str, new: str) -> None:
    """Edit ``params.yaml``."""
    path = root / "params.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def repro(root: Path, **environment: str) -> int:
    """Run the pipeline, and return its exit status."""
    command = [sys.executable, "-m", "dvc", "repro", "-q"]
    environ = {**os.environ, **PERSON, **environment}
    done = subprocess.run(
        command, cwd=root, env=environ, capture_output=True, text=True, check=False
    )
    sys.stderr.write(done.stderr)  # pytest shows it if a test fails
    return done.returncode
