"""Projects with one stage, evaluate, in Git and DVC."""

import subprocess
from pathlib import Path

PIPELINE = "stages:\n  evaluate:\n    cmd: 'true'\n    outs: [artifacts/evaluate]\n"
REMOTE = "[core]\n    remote = shared\n['remote \"shared\"']\n    url = ../../remote\n"
IGNORED = "/artifacts/\n/.pixmill/\n"


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def commit(root: Path, message: str) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", message)


def start(root: Path) -> None:
    """Make a project whose remote is the folder ``remote`` beside it, and commit it."""
    from dvc.repo import Repo

    root.mkdir(exist_ok=True)
    git(root, "init", "-qb", "main")
    Repo.init(str(root)).close()
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text(IGNORED)
    with (root / ".dvc/config").open("a") as config:
        config.write(REMOTE)
    commit(root, "Begin")


def record(root: Path) -> None:
    """Have DVC record ``artifacts/evaluate``, as if the stage had made it."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        repo.commit(force=True)
