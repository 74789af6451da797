"""Messages of ``pixmill new``: added and kept files, problems, and next commands."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pixmill.core.install.origin import Origin
from pixmill.core.params import Params, load_params
from pixmill.core.words import first_of
from pixmill.images.listing import files_below
from pixmill.project.recipes import Issue, find_issues
from pixmill.scrape.sources import is_on_web

_COMMIT = 'git add -A && git commit -m "First results"'


def describe_files(
    root: Path, files: Mapping[str, str], kept: Mapping[str, str], origin: Origin, extras: str
) -> Iterator[str]:
    """Yield lines on added and kept files, and on what the kept ones lack.

    Args:
        root: Project folder.
        files: Contents of a new project's files by path.
        kept: Contents of the files that existed before.
        origin: Origin from which the project installs Pixmill.
        extras: Extras that it installs.
    """
    if not kept:
        package = next(path for path in files if path.startswith("src/")).split("/")[1]
        renamed = "" if package == root.name else f"; your code goes into src/{package}"
        yield f"{root.name}: a Git and DVC repository{renamed}"
        return
    added = [path for path in files if path not in kept]
    now = {path: (root / path).read_text(encoding="utf-8", errors="replace") for path in kept}
    if added:
        yield f"Added: {', '.join(added)}"
        yield f"Kept as they were: {', '.join(path for path in kept if now[path] == kept[path])}"
    else:
        yield "No file was missing."
    for path in (".gitignore", ".dvcignore"):
        # DVC may have added /data.
        present = set(now.get(path, files[path]).splitlines())
        if lacking := [line for line in files[path].splitlines() if line not in present and not line.startswith("#")]:
            yield "\n".join([f"Add these lines to {path} before you commit:", *(f"  {line}" for line in lacking)])
    if "pixmill" not in kept.get("pyproject.toml", "pixmill"):
        if origin.is_path:
            yield f"Pixmill is in {origin.text}: {origin.command(extras)} -e ."
        else:
            yield f"Add '{origin.requirement(extras)}' to the dependencies in pyproject.toml"


def list_issues(root: Path) -> list[Issue]:
    """Return the problems with the params and local images; empty if there are no images yet."""
    params = load_params(root)
    return [] if _is_empty(root, params) else list(find_issues(root, params))


def next_steps(root: Path, here: Path, issues: Sequence[Issue]) -> Iterator[str]:
    """Yield the commands to run next.

    Args:
        root: Project folder.
        here: Current folder.
        issues: Issues from :func:`list_issues`; those that stop a run come first.
    """
    folder = shlex.quote(str(root.relative_to(here) if root.is_relative_to(here) else root))
    go = "" if root == here else f"cd {folder} && "
    params = load_params(root)
    stopping = [issue.next for issue in issues if issue.stops and issue.next]
    if _is_empty(root, params):
        folders = [path.relative_to(root).as_posix() for path in sorted((root / "data").rglob("*"))]
        stopping = [f"put images into {first_of(folders, 6)}, or set scrape.source"]
    if stopping and go:
        yield f"  {go.removesuffix(' && ')}"
    yield from (f"  {fix}" for fix in stopping)
    check = "pixmill check && " if stopping else go
    if any(is_on_web(source) for source in params.sources()):
        yield f"  {check}pixmill scrape --dry-run   (estimates the time)"
        yield "  dvc repro"
    else:
        yield f"  {check}dvc repro"
    yield f"  {_COMMIT}"
    yield f"Or use your browser: {go}pixmill open"


def _is_empty(root: Path, params: Params) -> bool:
    data = root / "data"
    return "folder" in params.sources() and data.is_dir() and next(files_below(data), None) is None
