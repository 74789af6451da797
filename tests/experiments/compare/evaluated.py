"""Projects with one stage, evaluate, in Git and DVC."""

from pathlib import Path

from tests.version_control import commit, start_repository

PIPELINE = "stages:\n  evaluate:\n    cmd: 'true'\n    outs: [artifacts/evaluate]\n"
REMOTE = "[core]\n    remote = shared\n['remote \"shared\"']\n    url = ../../remote\n"
IGNORED = "/artifacts/\n/.pixmill/\n"


def start(root: Path) -> None:
    """Create and commit a project with the sibling folder ``remote`` as DVC remote."""
    start_repository(root, with_dvc=True)
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text(IGNORED)
    with (root / ".dvc/config").open("a") as config:
        config.write(REMOTE)
    commit(root, "Begin")
