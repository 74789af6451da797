"""Check the requirements of a run: machine, project and services.

To add a check, write a function that yields findings and add it to ``CHECKS``; to ``QUICK``, too,
if it takes milliseconds and concerns the project alone.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.install.extras import installed_tensorflows, installed_version, list_requirements
from pixmill.core.install.origin import install_command
from pixmill.core.repository.git import GitError, git, require_git
from pixmill.core.repository.merging import merge_problem

if TYPE_CHECKING:
    from pixmill.core.provenance.lock import Lock
    from pixmill.project.state import ProjectState

_GIB = 2**30
_COMFORTABLE_BYTES = 5 * _GIB
_MIN_BYTES = 300_000_000
"""Free space below which the disk check warns or fails; the bundled images need the minimum."""


class Status(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    """A run works without it, or with less."""
    BAD = "bad"
    """A run will fail."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        name: Subject of the check.
        status: Severity.
        message: Description of the result.
        next: Command or edit that fixes it; ``None`` if nothing is wrong.
    """

    name: str
    status: Status
    message: str
    next: str | None = None


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
        names = [name for name in FIXES if name != "browser" or _needs_browser(root)]
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


def _path(_: Path) -> Iterator[Finding]:
    """Check that DVC would run the current Python."""
    folder = Path(sys.executable).parent
    python = shutil.which("python")
    if python is not None and Path(python).parent.resolve() == folder.resolve():
        yield Finding("PATH", Status.OK, f"dvc runs {python}")
        return
    message = f"dvc would run {python or 'no python'}, not {sys.executable}"
    yield Finding("PATH", Status.WARNING, message, next=f'export PATH="{folder}:$PATH"')


def _python(_: Path) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", Status.OK, f"{version}, {sys.executable}")


def _account(_: Path) -> Iterator[Finding]:
    """Check that the user has a name and a home folder; this process has set them for itself."""
    from pixmill.core.process.account import ADDED

    if ADDED:
        message = (
            f"dvc fails without {' and '.join(ADDED)}, since the user has no entry in /etc/passwd"
        )
        advice = f"export {' '.join(f'{name}={value}' for name, value in ADDED.items())}"
        yield Finding("account", Status.BAD, message, next=advice)


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
    from pixmill.core.errors import ParamsError
    from pixmill.core.params import load_params
    from pixmill.project.recipes.preflight import find_issues

    try:
        params = load_params(root)
    except ParamsError:  # reported by another check
        return
    for issue in find_issues(root, params):
        status = Status.BAD if issue.stops else Status.WARNING
        yield Finding("files", status, issue.message, next=issue.next)


def _decisions(root: Path) -> Iterator[Finding]:
    """Check that people agree; others than in ``decisions.csv`` are found with the data."""
    from pixmill.core.decisions import MAX_ROWS, disputes
    from pixmill.core.words import shorten
    from pixmill.dataset.deciding import DecisionTable

    decided = DecisionTable(root).decided
    if disputed := disputes(decided):
        named = "; ".join(f"{image[:12]}: {labels}" for image, labels in disputed.items())
        message = f"two labels, so validate drops the image: {shorten(named, 300)}"
        yield Finding("decisions", Status.WARNING, message, next="pixmill review")
    elif len(decided) > MAX_ROWS:
        message = f"{len(decided):,} images: decisions.csv is slow with more than {MAX_ROWS:,}"
        yield Finding(
            "decisions", Status.WARNING, message, next="move labels into data/metadata.csv"
        )
    else:
        yield Finding("decisions", Status.OK, f"{len(decided):,} images in decisions.csv")


def _data(root: Path) -> Iterator[Finding]:
    """Compare images and decisions with ``data.dvc`` and the last commit."""
    from pixmill.project.next_steps import next_steps
    from pixmill.project.state import read_project_state

    state = read_project_state(root, stages=False, full=False)
    if state.repository.conflicts:
        step = next_steps(state)[0]
        yield Finding("data", Status.BAD, step.sentence, next=step.command)
        return
    for part, fault in state.faults.items():
        status = Status.BAD if part in ("data", "decisions", "decisions.csv") else Status.WARNING
        yield Finding(part, status, fault, next=state.fixes.get(part))
    yield from _compare_data(state)
    yield from _check_decisions(state)
    if state.missing is not None:
        sentences, command = state.missing
        yield Finding("decisions", Status.WARNING, " ".join(sentences), next=command)
    if state.series is not None:
        yield Finding("series", Status.WARNING, state.series)


def _check_decisions(state: ProjectState) -> Iterator[Finding]:
    """Name images to which people gave several labels, and a table that is too long."""
    from pixmill.core.decisions import FILE, MAX_ROWS

    for name, said in state.disputed.items():
        message = f"{name[:12]} has several labels, and no part in a run: {said}"
        yield Finding("decisions", Status.WARNING, message, next="pixmill review")
    path = state.root / FILE
    rows = path.read_bytes().count(b"\n") - 1 if path.is_file() else 0
    if rows > MAX_ROWS:
        message = f"{FILE} has {rows:,} rows, and is made for {MAX_ROWS:,}"
        advice = "give the labels of a whole table with its images: pixmill import TABLE"
        yield Finding("decisions", Status.WARNING, message, next=advice)


def _compare_data(state: ProjectState) -> Iterator[Finding]:
    """Compare the images with ``data.dvc`` and the last commit."""
    data = state.data
    if data is None or not (state.root / "data").exists():  # reported by others
        return
    present = f"{data.count} files of {data.size / 1e6:.1f} MB"
    other = f"{present}, but data.dvc records others"
    uncommitted = state.repository.uncommitted
    if not data.count:
        advice = f"pixmill demo, or for your own images: {state.commit_first('dvc pull data.dvc')}"
        yield Finding("data", Status.WARNING, "data/ is empty", next=advice)
    elif data.record is None:
        yield Finding("data", Status.WARNING, f"{present}, not tracked by DVC", next="dvc add data")
    elif data.differs and uncommitted.has_earlier_images:
        # `dvc add` would undo the changes that were pulled.
        yield Finding("data", Status.WARNING, other, next="dvc pull data.dvc")
    elif data.differs:
        # `dvc checkout` would delete files in data/ that the cache lacks.
        restore = "mv data data.old && dvc checkout data.dvc"
        advice = f"{state.commit or 'dvc add data'}, or to restore: {restore}"
        yield Finding("data", Status.WARNING, other, next=advice)
    elif state.commit is not None:
        message = f"{present}, as data.dvc records, but {uncommitted.sentence}"
        yield Finding("data", Status.WARNING, message, next=state.commit)
    else:
        yield Finding("data", Status.OK, f"{present}, as data.dvc records")


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


def _disk(root: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(root).free
    status = Status.OK
    if free < _COMFORTABLE_BYTES:
        status = Status.WARNING
    if free < _MIN_BYTES:
        status = Status.BAD
    advice = None if status is Status.OK else "pixmill clean   # lists sizes and unneeded files"
    yield Finding("disk", status, f"{free / _GIB:.1f} GiB free at {root}", next=advice)


def _browser(_: Path) -> Iterator[Finding]:
    """Find the browser and driver, or contact the remote driver."""
    from pixmill.fetch.browser import RemoteDriver, check_remote, choose_browser

    browser = choose_browser()
    if not isinstance(browser, RemoteDriver):
        yield Finding("browser", Status.OK, f"{browser.binary} {browser.version}")
        yield Finding("driver", Status.OK, f"{browser.driver} {browser.driver_version}")
        return
    check_remote(browser)
    yield Finding("browser", Status.OK, f"{browser.kind.title} by the remote driver {browser.url}")


def _fix_browser(root: Path) -> Iterator[Finding]:
    """Install a browser and driver if none is found and no remote driver is set."""
    from pixmill.core.process.progress import announce
    from pixmill.fetch.browser import install_browser

    if not os.environ.get("PIXMILL_WEBDRIVER_URL"):
        install_browser(report=announce)
    yield from _browser(root)


def _needs_browser(root: Path) -> bool:
    """Return whether a search of the project reads pages in a browser."""
    from pixmill.core.errors import ParamsError
    from pixmill.core.params import load_params

    try:
        sources = load_params(root).sources()
    except ParamsError:  # another check reports it
        return False
    return bool({*sources} - {"folder", "urls", "keras", "openverse", "wikimedia"})


def _proxy(_: Path) -> Iterator[Finding]:
    """Name a proxy that a scrape does not use."""
    from pixmill.fetch.guard import NO_PROXY_ADVICE, ignored_proxy

    if remark := ignored_proxy():
        yield Finding(
            "proxy", Status.WARNING, remark, next=f"if sites are unreachable: {NO_PROXY_ADVICE}"
        )


def _compute(_: Path) -> Iterator[Finding]:
    """Count the processors that passes over images use."""
    from pixmill.images.compute import default_workers
    from pixmill.images.compute.cluster import cluster_address, processors

    address = cluster_address()
    where = "processors of this machine" if address is None else f"processors of {address}"
    yield Finding(
        "compute", Status.OK, f"{processors(address) if address else default_workers()} {where}"
    )


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
    "Python": _python,
    "PATH": _path,
    "account": _account,
    "Git": _git,
    "merging": _merging,
    "packages": _packages,
    "code": _code,
    "disk": _disk,
    "params": _params,
    "decisions": _decisions,
    "data": _data,
    "files": _files,
    "DVC": _dvc,
    "browser": _browser,
    "proxy": _proxy,
    "compute": _compute,
    "MLflow": _mlflow,
}
"""All checks by name, in the order in which to fix their findings."""

QUICK = ("PATH", "merging", "code", "params", "decisions", "data", "files")
"""Checks of the project alone, which take half a second."""

FIXES: Mapping[str, _Check] = {
    "merging": _fix_merging,
    "browser": _fix_browser,
    "MLflow": _fix_mlflow,
}
"""What ``pixmill doctor --fix`` can fix, by the name of the check."""
