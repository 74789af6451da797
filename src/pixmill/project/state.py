"""The state of a project: stages, Git, decisions, model in production and disk.

`pixmill summary`, `pixmill doctor` and the page of `pixmill open` read it here. No lock of DVC is
taken. A part that cannot be read is listed in ``faults`` instead of raising.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pixmill.core.cells import Task
from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.errors import ParamsError, PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.params import Params, load_params
from pixmill.core.process.progress import StageProgress, read_progress
from pixmill.core.repository.dvc import RunningDvc, has_remote, read_record, running_dvc
from pixmill.core.repository.file_hashes import FileHashes
from pixmill.core.repository.git import GitError, changed_files, git, git_line
from pixmill.core.repository.stage_inputs import (
    RESULTS,
    are_cached,
    outputs_of,
    stages_of,
    workspace_stages,
)
from pixmill.core.words import count
from pixmill.dataset.uncommitted import Data, Uncommitted, find_uncommitted, read_data
from pixmill.metrics.growth import Growth
from pixmill.project.committing import OWN
from pixmill.project.disk.usage import measure
from pixmill.project.findings import (
    HEADLINES,
    Pile,
    count_corrections,
    count_label_issues,
    find_disputes,
    find_series,
    find_undecodable,
    has_labels,
    read_growth,
    read_pile,
    read_score,
)
from pixmill.project.next_steps import next_steps
from pixmill.project.stage_states import IN_GIT, StageState, read_run, read_stage_states
from pixmill.review.recovery import describe_missing
from pixmill.serve.watch import LAST, RETRAIN
from pixmill.tracking.delivery import pending_folders
from pixmill.tracking.store import database_file, local_registry, tracking_uri

if TYPE_CHECKING:
    from pixmill.experiments.promotion.report import Champion

T = TypeVar("T")

PRODUCTION = "model in production"
"""The key in ``faults`` when MLflow cannot be read."""

_REQUIRED_FILES = ("params.yaml", "dvc.yaml", "dvc.lock")

_OPERATIONS: Mapping[str, str] = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
"""Files in ``.git`` that exist during an operation."""

_SHARED_FILES = (
    "dvc.lock",
    "dvc.yaml",
    "params.yaml",
    "pixmill.lock",
    "data.dvc",
    DECISIONS,
)
"""Files that several branches change, searched for conflict marks."""

_SHOWN = (
    "at",
    "week",
    "alarm",
    "accuracy",
    "sentence",
    "advice",
    "command",
    "log",
)
"""What is shown of it."""

_LARGE_BYTES = 1_000_000

_CONFLICT_MARK = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)


@dataclass(frozen=True)
class Repository:
    """The Git state of a project.

    Args:
        has_git: Whether the project is in a Git repository.
        has_commit: Whether a commit has files of the project.
        branch: Current branch; empty if HEAD is detached.
        changed: Files that differ from the last commit, by path; a new folder is one entry.
        untracked: Entries of ``changed`` that Git does not track.
        large: Entries of ``untracked`` of more than a megabyte, except those that belong into a
            commit.
        conflicts: Files in a merge conflict, by Git's index or by marks in them.
        marked: Entries of ``conflicts`` with conflict marks.
        operation: ``merge``, ``rebase``, ``cherry-pick`` or ``revert`` in progress; else empty.
        remote: First Git remote; empty if there is none.
        has_upstream: Whether the branch has an upstream.
        has_storage: Whether DVC has a default remote.
        unpushed: Number of commits that no remote has, as of the last fetch; 0 without a remote.
        behind: Number of upstream commits that the branch lacks, as of the last fetch.
        uncommitted: Images and decisions that no commit has.
    """

    has_git: bool
    has_commit: bool = False
    branch: str = ""
    changed: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    large: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    operation: str = ""
    remote: str = ""
    has_upstream: bool = False
    has_storage: bool = False
    unpushed: int = 0
    behind: int = 0
    uncommitted: Uncommitted = Uncommitted()  # noqa: RUF009 (it is frozen)

    @property
    def changed_results(self) -> tuple[str, ...]:
        """Entries of ``changed`` that runs write."""
        return tuple(path for path in self.changed if path.partition("/")[0] in RESULTS)

    @property
    def text(self) -> str:
        """The state in a phrase, such as ``3 files changed, results committed``."""
        if not self.has_git:
            return "not in Git"
        if not self.has_commit:
            return "no commit yet"
        parts = [f"{self.operation} in progress"] if self.operation else []
        parts += [f"{count(len(self.conflicts), 'file')} in conflict"] if self.conflicts else []
        parts += [
            f"{count(len(self.changed), 'file')} changed" if self.changed else "nothing changed"
        ]
        parts += [f"results {'not ' * bool(self.changed_results)}committed"]
        if not self.remote:
            parts.append("no remote")
        elif self.unpushed:
            parts.append(f"{count(self.unpushed, 'commit')} not pushed")
        parts += [f"{count(self.behind, 'commit')} to pull"] if self.behind else []
        return ", ".join(parts)


@dataclass(frozen=True)
class ProjectState:
    """The state of a project.

    Args:
        root: Project folder.
        stages: State of each stage in the order of ``dvc.yaml``; empty if unreadable or not
            requested.
        repository: Git state.
        data: Files in ``data/`` compared with ``data.dvc``; ``None`` if unreadable.
        deleted: Names among ``params.yaml``, ``dvc.yaml`` and ``dvc.lock`` that only the last
            commit has.
        commands: Running DVC commands.
        sweep: Progress of the running ``pixmill sweep``; ``None`` if none runs.
        accuracy: Test accuracy of the last evaluation with its confidence limits; ``None`` without
            results.
        mean_average_precision: The same with several labels an image.
        awaits_images: Whether images come from ``data/`` and it never had any.
        awaits_labels: Whether images come from ``data/`` and none of them has a label.
        is_cached: Whether missing images and results of the last run are in DVC's local cache.
        is_compared: Whether the current results have been compared.
        is_promoted: Whether the model of the last commit is in production.
        is_judged: Whether ``pixmill promote`` has compared the results with those of the model in
            production.
        is_rolled_back: Whether the model of the last commit was in production, and was rolled back.
        waiting_runs: Number of runs that MLflow has not received.
        champion: Model in production; ``None`` if there is none or MLflow is unreachable.
        watched: What ``pixmill watch`` found last about the model in production, or without one
            about that of now, a part of its ``--json``; ``None`` if it has not.
        has_store: Whether MLflow can take a promotion.
        registry: Remark on a registry that teammates do not see; empty for a server.
        corrections: Number of images in the inbox that wait for a review.
        missing: Sentences on accepted images and decisions that disappeared, and the command that
            restores them.
        task: What an image's label is; ``one_label`` if params.yaml cannot be read.
        doubtful_labels: Number of doubtful labels without a decision.
        pile: Images without a label.
        disputed: Who said what, by id of each image about which people disagree.
        undecodable: Files in ``data/`` that cannot be decoded, each with the reason.
        growth: Forecast of the learning curve for more images; ``None`` if not measured.
        series: Sentence on images that should stay in one split, with the line to set; ``None`` if
            there are none.
        disk: Size of each part in bytes; empty if not requested.
        wrong_params: Why ``params.yaml`` is refused; empty if it is not.
        faults: Error message of each unreadable part.
        fixes: Command that fixes a fault, by part.
    """

    root: Path
    stages: tuple[StageState, ...] = ()
    repository: Repository = Repository(has_git=False)
    data: Data | None = None
    deleted: tuple[str, ...] = ()
    commands: tuple[RunningDvc, ...] = ()
    sweep: StageProgress | None = None
    accuracy: tuple[float, float, float] | None = None
    mean_average_precision: tuple[float, float, float] | None = None
    awaits_images: bool = False
    awaits_labels: bool = False
    is_cached: bool = False
    is_compared: bool = False
    is_promoted: bool = False
    is_judged: bool = False
    is_rolled_back: bool = False
    waiting_runs: int = 0
    champion: Champion | None = None
    watched: dict[str, Any] | None = None
    has_store: bool = False
    registry: str = ""
    corrections: int = 0
    missing: tuple[list[str], str] | None = None
    task: Task = "one_label"
    doubtful_labels: int = 0
    pile: Pile = field(default_factory=Pile)
    disputed: dict[str, str] = field(default_factory=dict)
    undecodable: dict[str, str] = field(default_factory=dict)
    growth: Growth | None = None
    series: str | None = None
    disk: dict[str, int] = field(default_factory=dict)
    wrong_params: str = ""
    faults: dict[str, str] = field(default_factory=dict)
    fixes: dict[str, str] = field(default_factory=dict)

    @property
    def is_fresh(self) -> bool:
        """Whether all results match the current images, params and code."""
        return bool(self.stages) and all(
            stage.status in ("fresh", "unknown") for stage in self.stages
        )

    @property
    def commit(self) -> str | None:
        """The command that commits images and decisions; ``None`` if all are committed."""
        return self.repository.uncommitted.command("Add images and decisions")

    def commit_first(self, command: str) -> str:
        """Return a command, preceded by the commit of images and decisions that it may discard."""
        return command if self.commit is None else f"{self.commit} && {command}"

    def document(self) -> dict[str, Any]:
        """Return state and next steps as JSON; ``docs/reference/json.md`` lists its keys."""
        document = asdict(self)
        for key in ("root", "data", "fixes"):
            del document[key]
        for entry, stage in zip(document["stages"], self.stages, strict=True):
            entry["text"] = stage.text
            if stage.progress is not None:
                entry["progress"]["text"] = stage.progress.describe()
        repository = document["repository"]
        repository["text"] = self.faults.get("Git") or self.repository.text
        repository["images_and_decisions"] = {
            **repository.pop("uncommitted"),
            "text": self.repository.uncommitted.sentence,
            "command": self.commit,
        }
        growth = document.pop("growth")
        run = read_run(self.stages, time.time())
        return {
            "next": [asdict(step) for step in next_steps(self)],
            **document,
            "is_fresh": self.is_fresh,
            "run": run and asdict(run),
            "more_images": self.growth and {**growth, "text": self.growth.sentence()},
        }


def read_project_state(root: Path, *, stages: bool = True, full: bool = True) -> ProjectState:
    """Read the state of a project; only a cache of hashes in ``.pixmill/`` is written.

    Args:
        root: Project folder.
        stages: Whether to read the states of the stages, which hashes changed files, and findings
            in their outputs.
        full: Whether to measure the disk and query MLflow, which may take seconds.
    """
    faults: dict[str, str] = {}
    fixes: dict[str, str] = {}

    def part(name: str, read: Callable[[], T], default: T, *, wanted: bool = True) -> T:
        if not wanted:
            return default
        try:
            return read()
        except Exception as error:  # noqa: BLE001 (the other parts are still useful)
            if isinstance(error, GitError):
                name = "Git"
            faults[name] = getattr(error, "message", None) or str(error) or type(error).__name__
            if fix := getattr(error, "next", None):
                fixes[name] = fix
            return default

    workspace = Workspace(root, root)
    no_stages: list[StageState] = []
    with FileHashes(root) as hashes:
        found = part("stages", lambda: read_stage_states(root, hashes), no_stages, wanted=stages)
        repository = part("Git", lambda: read_repository(root, hashes), Repository(has_git=False))
        data = part("data", lambda: read_data(root, hashes.files("data")), None)
    champion = part(PRODUCTION, lambda: _champion(workspace), None, wanted=full)
    can_promote = full and PRODUCTION not in faults
    has_store = part("MLflow", lambda: _has_store(workspace), default=False, wanted=can_promote)
    promoted, gone = (champion.commit, champion.rolled_back) if champion else (None, ())
    params, wrong_params = read_params(root)
    reads_data = params is not None and params.scrape.source == ("folder",)
    is_unlabelled = reads_data and _is_unlabelled(hashes.files("data"))
    is_missing = any(reason.kind == "output" for stage in found for reason in stage.reasons)
    return ProjectState(
        root=root,
        stages=tuple(found),
        repository=repository,
        data=data,
        deleted=_deleted(root, repository),
        commands=tuple(running_dvc(root)),
        sweep=_running_sweep(root),
        accuracy=read_score(root, HEADLINES[0]),
        mean_average_precision=read_score(root, HEADLINES[1]),
        awaits_images=reads_data and data is not None and data.is_new,
        awaits_labels=not part(
            DECISIONS, lambda: has_labels(root), default=True, wanted=is_unlabelled
        ),
        is_cached=part("DVC's cache", lambda: _is_cached(root), default=False, wanted=is_missing),
        is_compared=_is_newer(root / "reports/compare.html", root / "dvc.lock"),
        is_promoted=part(
            "model of the last commit", lambda: _is_last(root, [promoted]), default=False
        ),
        is_judged=has_store and _is_newer(root / "reports/promote.html", root / "dvc.lock"),
        is_rolled_back=part("rollbacks", lambda: _is_last(root, gone), default=False),
        waiting_runs=len(pending_folders(root / ".pixmill/record")),
        champion=champion,
        watched=_watched(root, champion),
        has_store=has_store,
        registry=part("MLflow", lambda: local_registry(tracking_uri(workspace)), ""),
        corrections=part("inbox", lambda: count_corrections(root), 0),
        missing=part("decisions", lambda: describe_missing(root), None),
        task=getattr(params, "task", "one_label"),
        doubtful_labels=part("labels", lambda: count_label_issues(root), 0, wanted=stages),
        pile=part("unlabelled", lambda: read_pile(root), Pile(), wanted=not wrong_params),
        disputed=part(DECISIONS, lambda: find_disputes(root), {}),
        undecodable=part("images", lambda: find_undecodable(root), {}, wanted=stages),
        growth=part("learning curve", lambda: read_growth(root), None, wanted=stages),
        series=part("series", lambda: find_series(root), None, wanted=params is not None),
        disk=part("disk", lambda: measure(root), {}, wanted=full),
        wrong_params=wrong_params,
        faults=faults,
        fixes=fixes,
    )


def _running_sweep(root: Path) -> StageProgress | None:
    found = read_progress(root / ".pixmill/progress")
    return next((each for each in found if each.stage == "sweep" and each.is_running), None)


def _deleted(root: Path, repository: Repository) -> tuple[str, ...]:
    changed = [name for name in _REQUIRED_FILES if name in repository.changed]
    return tuple(name for name in changed if not (root / name).exists())


def _is_unlabelled(files: Iterable[str]) -> bool:
    """Return whether there are images in ``data/``, all of them in ``unlabelled``."""
    images = [name for name in files if not name.endswith(".csv")]
    return bool(images) and all(name.startswith("unlabelled/") for name in images)


def read_repository(root: Path, hashes: FileHashes) -> Repository:
    """Read the Git state of a project; nothing is fetched.

    Args:
        root: Project folder.
        hashes: Hashes of its files.
    """
    git_dir = git(root, "rev-parse", "--absolute-git-dir")
    has_commit = git(root, "rev-parse", "--verify", "--quiet", "HEAD:./") is not None
    if git_dir is None:
        return Repository(has_git=False, has_storage=has_remote(root))
    codes = changed_files(root, "-unormal", "--", ".") or {}
    unmerged = [path for path, code in codes.items() if "U" in code or code in ("AA", "DD")]
    marked = _find_marked(root, unmerged)
    untracked = tuple(path for path, code in codes.items() if code == "??")
    operation = _operation(Path(git_dir.removesuffix("\n")))
    remote = (git(root, "remote") or "").partition("\n")[0]
    unpushed = None
    if has_commit and remote:
        unpushed = git(root, "rev-list", "--count", "HEAD", "--not", "--remotes")
    uncommitted = Uncommitted()
    # During a merge, the other side may have deleted the missing images.
    if not (marked or unmerged):
        uncommitted = find_uncommitted(root, hashes=hashes)
    if operation:
        uncommitted = replace(uncommitted, missing="")
    divergence = git(root, "rev-list", "--count", "--left-right", "@{upstream}...HEAD")
    return Repository(
        has_git=True,
        has_commit=has_commit,
        branch=git_line(root, "branch", "--show-current"),
        changed=tuple(sorted(codes)),
        untracked=untracked,
        large=tuple(path for path in untracked if _is_large(root, path)),
        conflicts=tuple(dict.fromkeys([*marked, *unmerged])),
        marked=tuple(marked),
        operation=operation,
        remote=remote,
        has_upstream=divergence is not None,
        has_storage=has_remote(root),
        unpushed=int(unpushed or 0),
        behind=int((divergence or "0").split()[0]),
        uncommitted=uncommitted,
    )


def _find_marked(root: Path, unmerged: Iterable[str]) -> list[str]:
    """Return the files with conflict marks among those that are not merged, or often changed."""
    names = dict.fromkeys([*_SHARED_FILES, *unmerged])
    files = [name for name in names if (root / name).is_file()]
    return [name for name in files if _CONFLICT_MARK.search((root / name).read_bytes())]


def _operation(git_dir: Path) -> str:
    """Return the operation of Git in progress; empty if there is none."""
    running = (name for file, name in _OPERATIONS.items() if (git_dir / file).exists())
    return next(running, "")


def _is_large(root: Path, name: str) -> bool:
    """Return whether an untracked file or folder is too large for Git, and not Pixmill's."""
    listed = (
        git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", f":(literal){name}")
        or ""
    )
    files = [
        root / each
        for each in listed.split("\0")
        if each and not each.startswith((*OWN, ".dvc/", "wheels/"))
    ]
    return sum(file.lstat().st_size for file in files if file.exists()) > _LARGE_BYTES


def _champion(workspace: Workspace) -> Champion | None:
    from pixmill.experiments.promotion.report import (
        read_champion,
    )  # imports pandas, which `pixmill doctor --quick` may lack

    return read_champion(workspace)


def _watched(root: Path, champion: Champion | None) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, PixmillError):
        outcome = json.loads((root / LAST).read_bytes())
        model = outcome["model"]
        if champion:
            is_of = (model["name"], model["version"]) == (champion.name, str(champion.number))
        else:
            from pixmill.serve.predict.model import TRAINED, folder_digest

            is_of = model["version"] is None and model["digest"] == folder_digest(root / TRAINED)
        if is_of and (not outcome["alarm"] or _is_advised(str(outcome["command"]))):
            is_answered = outcome["waiting"] > 0 and _is_newer(root / DECISIONS, root / LAST)
            return {key: outcome[key] for key in _SHOWN} | {"is_answered": is_answered}
    return None


def _is_advised(command: str) -> bool:
    """Return whether it is a command of `pixmill watch`; a stranger's branch may have any."""
    if command == RETRAIN:
        return True
    words = shlex.split(command)
    return (
        words[:2] in (["pixmill", "watch"], ["pixmill", "serve"]) and shlex.join(words) == command
    )


def read_params(root: Path) -> tuple[Params | None, str]:
    """Return the params, and why they are refused; the first reason of several.

    Args:
        root: Project folder.
    """
    try:
        return load_params(root), ""
    except (ParamsError, OSError) as error:
        first, *others = str(error).partition("\nNext: ")[0].splitlines()
        file = "" if "params.yaml" in first else "params.yaml: "
        more = f" (and {len(others)} more)" if others else ""
        return None, f"{file}{first}{more}"


def _is_newer(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.stat().st_mtime >= other.stat().st_mtime


def _is_cached(root: Path) -> bool:
    """Return whether DVC's cache has all results that are not in Git."""
    outputs = {
        path: md5
        for path, md5 in outputs_of(workspace_stages(root)).items()
        if not path.startswith(IN_GIT)
    }
    record = read_record(root)
    return bool(outputs) and are_cached(root, outputs | ({"data": record["md5"]} if record else {}))


def _is_last(root: Path, commits: Iterable[str | None]) -> bool:
    """Return whether one of these commits has the same trained model as the last one."""
    if not (names := [commit for commit in commits if commit and commit.isalnum()]):
        return False
    locks = [git(root, "show", f"{name}:./dvc.lock") for name in ("HEAD", *names)]
    current, *others = (outputs_of(stages_of(lock)).get("artifacts/train") for lock in locks)
    return current is not None and current in others


def _has_store(workspace: Workspace) -> bool:
    """Return whether MLflow is a server or an existing database."""
    file = database_file(tracking_uri(workspace))
    return file is None or file.exists()
