"""Check the requirements of a run: machine, project and services.

To add a check, write a function that yields findings and add it to ``CHECKS``; to ``QUICK``, too,
if it takes milliseconds and concerns the project alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.install.extras import installed_tensorflows, installed_version, list_requirements
from pixmill.core.install.origin import install_command
from pixmill.core.repository.git import GitError, git, require_git
from pixmill.core.repository.merging import merge_problem
from pixmill.project import machine
from pixmill.project.machine import Finding, Status

if TYPE_CHECKING:
    from pixmill.core.provenance.lock import Lock
    from pixmill.project.state import ProjectState


def examine(root: Path, names: Iterable[str] | None = None) -> list[Finding]:
    """Run checks without changing anything.

    Args:
        root: Project folder.
        names: Keys of ``CHECKS``; default: all.

    Returns:
        The findings in the order in which to fix them.
    """
    return [finding for name in names or CHECKS for finding in run_check(name, root)]


def run_check(name: str, root: Path) -> list[Finding]:
    """Run one check; its exceptions become findings.

    Args:
        name: Key of ``CHECKS``.
        root: Project folder.
    """
    return _findings(name, CHECKS[name], root)


def fix(root: Path, names: Iterable[str] | None = None) -> list[Finding]:
    """Fix what a command can fix.

    Args:
        root: Project folder.
        names: Keys of ``FIXES``; default: all, but a browser only if a search needs one.

    Returns:
        What was done, or why it could not be.
    """
    if names is None:
        names = [name for name in FIXES if name != "browser" or machine.needs_browser(root)]
    return [finding for name in names for finding in _findings(name, FIXES[name], root)]


def _findings(name: str, check: _Check, root: Path) -> list[Finding]:
    try:
        return list(check(root))
    except PixmillError as error:
        return [Finding(name, Status.BAD, error.message, next=error.next)]
    except ModuleNotFoundError as error:
        return [Finding(name, Status.BAD, f"{error}", next=install_command("pipeline"))]


def render(findings: Sequence[Finding]) -> str:
    """Return findings as plain text, each followed by the command that fixes it."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:7}  {finding.name:10}  {finding.message}")
        lines += [f"{'':21}Next: {finding.next}"] if finding.next else []
    return "\n".join(lines)


def _git(root: Path) -> Iterator[Finding]:
    """Check that Git is installed, reads the repository and has an author."""
    require_git()
    try:
        git(root, "status", "--untracked-files=no")
    except GitError as error:
        # DVC runs all the same; the runs are recorded without their commit.
        yield Finding("Git", Status.WARNING, error.message, next=error.next)
        return
    if git(root, "var", "GIT_AUTHOR_IDENT") is None:
        advice = (
            'git config --global user.name "Your Name" && git config --global user.email '
            "you@example.org"
        )
        yield Finding(
            "Git", Status.WARNING, "no author is configured, so Git refuses to commit", next=advice
        )
    else:
        yield Finding("Git", Status.OK, str(shutil.which("git")))


def _merging(root: Path) -> Iterator[Finding]:
    """Check how Git merges images and results here; nobody merges in CI."""
    if "CI" in os.environ:
        return
    if problem := merge_problem(root):
        yield Finding("merging", Status.WARNING, problem[0], next=problem[1])


def _fix_merging(root: Path) -> Iterator[Finding]:
    """Set up the drivers, and merge files in conflict with them."""
    from pixmill.core.repository.merging import add_drivers, merge_again
    from pixmill.core.words import first_of
    from pixmill.project.state import read_project_state

    add_drivers(root)
    state = read_project_state(root, stages=False, full=False)
    if merged := merge_again(root, state.repository.conflicts):
        yield Finding("merging", Status.OK, f"merged {first_of(merged, 3)}")
    if problem := merge_problem(root):
        yield Finding("merging", Status.WARNING, problem[0], next=problem[1])
    else:
        yield Finding("merging", Status.OK, "Git merges images and results here")


def _packages(root: Path) -> Iterator[Finding]:
    """Compare the installed packages with the requirements of the project's extras."""
    from pixmill.core.provenance.lock import read_lock
    from pixmill.core.words import shorten

    extras = "pipeline" if (lock := read_lock(root)) is None else lock.extras
    advice = _install(root, lock)
    missing = set()
    other = set()
    for requirement in list_requirements(extras.split(",")):
        try:
            version = installed_version(requirement.name)
        except metadata.PackageNotFoundError:
            missing.add(requirement.name)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            other.add(f"{requirement.name} {version} (expected {requirement.specifier})")
    for status, problem, names in (
        (Status.BAD, "missing", missing),
        (Status.WARNING, "other versions", other),
    ):
        if names:
            yield Finding(
                "packages",
                status,
                shorten(f"{problem}: {', '.join(sorted(names))}", 300),
                next=advice,
            )
    if len(both := installed_tensorflows()) > 1:
        problem = f"{' and '.join(both)} overwrite each other's files"
        fix = f"pip uninstall -y {' '.join(both)} && {advice}"
        yield Finding("packages", Status.WARNING, problem, next=fix)
    elif not missing and not other:
        yield Finding("packages", Status.OK, "all required packages are installed")


def _install(root: Path, lock: Lock | None) -> str:
    """Return the command that installs the packages of a project or of this repository."""
    from pixmill.project.new.pins import CONSTRAINTS
    from pixmill.project.new.template import install_project

    if lock is None and (root / "requirements.txt").is_file():
        return "pip install -r requirements.txt"
    if lock is not None and lock.origin is not None and (root / CONSTRAINTS).is_file():
        return install_project(lock.origin, lock.extras)
    return install_command("pipeline" if lock is None else lock.extras)


def _code(root: Path) -> Iterator[Finding]:
    """Compare Pixmill with ``pixmill.lock``, and packages with ``constraints.txt``."""
    from pixmill.core.provenance import lock
    from pixmill.project.new.pins import other_versions

    if (project := lock.read_lock(root)) is None:
        return
    lock.check_code(project, installed := lock.installed_lock())
    if project.version != installed.version:
        same = f"pixmill {installed.version} gives the same results as {project.version}"
        yield Finding("code", Status.WARNING, same, next="pixmill upgrade")
    if other := ", ".join(other_versions(root)):
        problem = f"results may differ in the last digits: {other}"
        yield Finding("code", Status.WARNING, problem, next=_install(root, project))
    else:
        yield Finding("code", Status.OK, f"matches {lock.FILE}")


def _params(root: Path) -> Iterator[Finding]:
    """Check ``params.yaml`` and the addresses of services that it needs."""
    from pixmill.core.params import load_params
    from pixmill.core.words import shorten

    params = load_params(root)
    if params.sweep.space or params.sweep.sampler == "grid":
        from pixmill.experiments.sweep.space import check_searched

        check_searched(params)
    if "PIXMILL_COMPUTE" in os.environ:
        from pixmill.images.compute.cluster import cluster_address

        cluster_address()
    classes = f"{len(params.classes)} classes ({shorten(', '.join(params.classes), 300)})"
    yield Finding("params", Status.OK, f"{classes}; images from {', '.join(params.sources())}")


def _files(root: Path) -> Iterator[Finding]:
    """Check the local files that ``params.yaml`` names."""
    from pixmill.project.recipes.preflight import find_issues
    from pixmill.project.state import read_params

    params, _ = read_params(root)
    for issue in find_issues(root, params) if params else ():  # another check reports the others
        status = Status.BAD if issue.stops else Status.WARNING
        yield Finding("files", status, issue.message, next=issue.next)


def _data(root: Path) -> Iterator[Finding]:
    """Compare images and decisions with ``data.dvc`` and the last commit."""
    from pixmill.core.decisions import FILE, MAX_ROWS
    from pixmill.core.words import shorten
    from pixmill.project.next_steps import next_steps
    from pixmill.project.state import read_project_state

    state = read_project_state(root, stages=False, full=False)
    if state.repository.conflicts:
        step = next_steps(state)[0]
        yield Finding("data", Status.BAD, step.sentence, next=step.command)
        return
    # Several parts may fail for one reason.
    for fault, part in {fault: part for part, fault in state.faults.items()}.items():
        status = Status.BAD if part in ("data", "decisions", FILE) else Status.WARNING
        yield Finding(part, status, fault, next=state.fixes.get(part))
    yield from _compare_data(state)
    if state.disputed:
        named = "; ".join(f"{image[:12]}: {said}" for image, said in state.disputed.items())
        message = f"people disagree, so validate leaves this out: {shorten(named, 300)}"
        yield Finding("decisions", Status.WARNING, message, next="pixmill review --only disputed")
    rows = (root / FILE).read_bytes().count(b"\n") if (root / FILE).is_file() else 0
    if rows > MAX_ROWS:
        message = f"{rows:,} rows: {FILE} is slow with more than {MAX_ROWS:,}"
        advice = "give the labels of a whole table with its images: pixmill import TABLE"
        yield Finding("decisions", Status.WARNING, message, next=advice)
    if state.missing is not None:
        sentences, command = state.missing
        yield Finding("decisions", Status.WARNING, " ".join(sentences), next=command)
    if state.series is not None:
        yield Finding("series", Status.WARNING, state.series)


def _compare_data(state: ProjectState) -> Iterator[Finding]:
    """Compare the images with ``data.dvc`` and the last commit."""
    data = state.data
    if data is None or not (state.root / "data").exists():  # reported by others
        return
    present = f"{data.count} files of {data.size / 1e6:.1f} MB"
    uncommitted = state.repository.uncommitted
    message = f"{present}, as data.dvc records"
    advice = state.commit
    if not data.count:
        message = "data/ is empty"
        advice = f"pixmill demo, or for your own images: {state.commit_first('dvc pull data.dvc')}"
    elif data.record is None:
        message = f"{present}, not tracked by DVC"
        advice = "dvc add data"
    elif data.differs:
        message = f"{present}, but data.dvc records others"
        # `dvc checkout` would delete files in data/ that the cache lacks.
        restore = "mv data data.old && dvc checkout data.dvc"
        advice = f"{advice or 'dvc add data'}, or to restore: {restore}"
        if uncommitted.has_earlier_images:  # `dvc add` would undo the changes that were pulled.
            advice = "dvc pull data.dvc"
    elif advice is not None:
        message += f", but {uncommitted.sentence}"
    yield Finding("data", Status.WARNING if advice else Status.OK, message, next=advice)


def _dvc(root: Path) -> Iterator[Finding]:
    """Check DVC's configuration and its default remote."""
    from dvc.config import Config, ConfigError

    if not (root / ".dvc").is_dir():
        yield Finding("DVC", Status.BAD, f"{root} is not a DVC repository", next="dvc init")
        return
    try:
        config = Config(dvc_dir=str(root / ".dvc"))
    except ConfigError as error:
        advice = "fix .dvc/config or .dvc/config.local, then: pixmill doctor"
        yield Finding("DVC", Status.BAD, f"{error}", next=advice)
        return
    name = config["core"].get("remote")
    url = config["remote"].get(name, {}).get("url")
    if url is None:
        message = f"'{name}' has no URL" if name else "none: outputs stay on this machine"
        advice = f"dvc remote add --default {name or 'storage'} <folder or URL>"
        yield Finding("DVC remote", Status.BAD if name else Status.WARNING, message, next=advice)
    elif "://" not in url and not Path(url).is_dir():
        yield Finding(
            "DVC remote",
            Status.WARNING,
            f"{url} does not exist",
            next=f"mkdir -p '{url}', or mount it",
        )
    else:
        yield Finding("DVC remote", Status.OK, f"{url} (to test it: dvc status --cloud)")


def _mlflow(root: Path) -> Iterator[Finding]:
    """Check that MLflow can record runs."""
    from pixmill.tracking.relocation import former_homes
    from pixmill.tracking.store import StoreError, check_store, tracking_uri, without_password

    workspace = Workspace(root, root)
    uri = tracking_uri(workspace)
    for home in former_homes(workspace):
        yield Finding(
            "MLflow",
            Status.WARNING,
            f"its database names files in {home}, from where the project was moved or copied",
            next="pixmill doctor --fix",
        )
    try:
        check_store(uri)
    except StoreError as error:
        status = Status.BAD if uri.startswith("sqlite") else Status.WARNING
        yield Finding(
            "MLflow",
            status,
            f"{without_password(uri)} {error.message}: runs stay pending",
            next=error.next,
        )
    else:
        yield Finding("MLflow", Status.OK, without_password(uri))


def _fix_mlflow(root: Path) -> Iterator[Finding]:
    """Let MLflow follow a moved project, and send pending runs."""
    from pixmill.tracking.delivery import sync
    from pixmill.tracking.relocation import follow_move

    follow_move(Workspace(root, root))
    result = sync(Workspace(root, root))
    yield Finding("runs", Status.BAD if result.waiting else Status.OK, result.line())


_Check = Callable[[Path], Iterable[Finding]]

CHECKS: Mapping[str, _Check] = {
    "Python": machine.check_python,
    "PATH": machine.check_path,
    "account": machine.check_account,
    "Git": _git,
    "merging": _merging,
    "packages": _packages,
    "code": _code,
    "disk": machine.check_disk,
    "params": _params,
    "data": _data,
    "files": _files,
    "DVC": _dvc,
    "browser": machine.check_browser,
    "proxy": machine.check_proxy,
    "compute": machine.check_compute,
    "MLflow": _mlflow,
}
"""All checks by name, in the order in which to fix their findings."""

QUICK = ("PATH", "merging", "code", "params", "data", "files")
"""Checks of the project alone, which take half a second."""

FIXES: Mapping[str, _Check] = {
    "merging": _fix_merging,
    "browser": machine.fix_browser,
    "MLflow": _fix_mlflow,
}
"""What ``pixmill doctor --fix`` can fix, by the name of the check."""
