"""Fail if the committed results do not match the committed code, params and data.

Run it as ``make stale``, or with another repository's folder as its argument. It checks a fresh
clone of the last commit, which has neither data nor artifacts, so the state of the working tree
does not matter.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Status = dict[str, list[Any]]

ABSENT_BIG_OUTPUT = "not in cache"
ABSENT_FILE = "deleted"


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command and return its output; ignore its exit status."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603


def dvc(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run this interpreter's DVC."""
    return run(sys.executable, "-m", "dvc", *arguments, cwd=cwd)


def clone(repository: Path, into: Path) -> None:
    """Clone the last commit of a repository, on a branch or detached, without its working tree."""
    head = run("git", "rev-parse", "HEAD", cwd=repository).stdout.strip()
    for command in (
        ["clone", "--quiet", "--no-checkout", str(repository), str(into)],
        ["-C", str(into), "checkout", "--quiet", "--detach", head],
    ):
        done = run("git", *command, cwd=repository)
        if done.returncode != 0:
            sys.exit(f"git {' '.join(command)}\n{done.stderr.strip()}")


def changes(status: Status) -> Iterator[str]:
    """Yield each stage and file whose content does not match ``dvc.lock``.

    A clone lacks the files in DVC's cache and the outputs that depend on them; this is no change.
    DVC accepts deleted metrics files as well, with ``repro --allow-missing``.
    """
    entries = [
        (stage, kind, path, state)
        for stage, parts in sorted(status.items())
        for part in parts
        for kind, found in (part.items() if isinstance(part, dict) else [(str(part), {"": ""})])
        for path, state in found.items()
    ]
    absent = {path for _, _, path, state in entries if state == ABSENT_BIG_OUTPUT}

    def made(path: str) -> bool:
        return any(path == big or path.startswith(f"{big}/") for big in absent)

    for stage, kind, path, state in entries:
        if state == ABSENT_BIG_OUTPUT or (
            kind == "changed deps" and state == ABSENT_FILE and made(path)
        ):
            continue
        if isinstance(state, dict):  # A params file and its keys.
            yield from (f"{stage}: {path}: {key} {change}" for key, change in sorted(state.items()))
        else:
            yield f"{stage}: {path} {state}" if path else f"{stage}: {kind}"


def runs(dry: str, fresh: Path) -> Iterator[str]:
    """Yield each stage that ``dvc repro --dry`` would run, or its error if an input is missing."""
    for stage in re.findall(r"^Running stage '(.+?)'", dry, flags=re.MULTILINE):
        yield f"{stage}: would run again"
    for stage, reason in re.findall(r"failed to reproduce '(.+?)': (.+)", dry):
        missing = re.search(rf"No such file or directory: '{re.escape(str(fresh))}/(.+?)'", reason)
        yield f"{stage}: {missing[1]} does not match dvc.lock" if missing else f"{stage}: {reason}"


def verdict(repository: Path) -> list[str]:
    """Return the stale stages and files in a clean clone of the last commit; empty if all are current."""
    with tempfile.TemporaryDirectory(prefix="stale-") as folder:
        fresh = Path(folder).resolve() / "clone"
        clone(repository, fresh)
        dry = dvc("repro", "--dry", "--allow-missing", cwd=fresh)
        status = dvc("status", "--json", cwd=fresh)
        touched = run("git", "status", "--porcelain", cwd=fresh).stdout.splitlines()
    found = (
        list(changes(json.loads(status.stdout)))
        if status.returncode == 0
        else [status.stderr.strip()]
    )
    found += [f"not committed: {line}" for line in touched]
    # The status cannot detect that a missing output differs from what the next stage used; the dry
    # run can.
    if not found and (dry.returncode != 0 or "Running stage" in dry.stdout):
        found = list(runs(dry.stdout + dry.stderr, fresh)) or [dry.stderr.strip()]
    return found


def main() -> None:
    """Check the repository given on the command line, else the one that contains this script."""
    repository = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    if found := verdict(repository):
        sys.exit(
            "The committed results are stale:\n  "
            + "\n  ".join(found)
            + (
                "\nNext: dvc repro, then commit dvc.lock, metrics/ and plots/ together with the "
                "change"
            )
        )
    sys.stdout.write("The committed results match the committed code, params and data.\n")


if __name__ == "__main__":
    main()
