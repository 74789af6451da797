"""The state of a project as a whole, read without DVC's lock; a part that cannot be read is named, not raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pixmill.core.files.workspace import Workspace
from pixmill.core.repository.documents import read_yaml
from pixmill.core.repository.dvc import RunningDvc, read_record, running_dvc
from pixmill.core.repository.file_hashes import FileHashes
from pixmill.core.repository.git import git
from pixmill.core.repository.stage_inputs import are_cached, outputs_of, stages_of, workspace_stages
from pixmill.experiments.promotion.report import Champion, read_champion
from pixmill.metrics.growth import Growth
from pixmill.project.disk.usage import measure
from pixmill.project.findings import (
    doubtful_labels,
    read_accuracy,
    read_growth,
    undecodable_images,
    waiting_corrections,
)
from pixmill.project.repository import Repository, read_repository
from pixmill.project.stage_states import IN_GIT, StageState, read_stage_states
from pixmill.review.recovery import describe_missing
from pixmill.tracking.delivery import pending_folders
from pixmill.tracking.store import database_file, tracking_uri

T = TypeVar("T")

PRODUCTION = "model in production"
"""The part that MLflow tells."""

_NEEDED = ("params.yaml", "dvc.yaml", "dvc.lock")


@dataclass(frozen=True)
class ProjectState:
    """All that a look at a project tells.

    Args:
        root: The project's folder.
        stages: The state of each stage, in the order of ``dvc.yaml``; empty where they cannot be told.
        repository: What Git has.
        deleted: Which of ``params.yaml``, ``dvc.yaml`` and ``dvc.lock`` are not here, but in the last commit.
        commands: The DVC commands that run here.
        accuracy: Of the last evaluation, on the test split, with its limits; ``None`` without results.
        awaits_images: Whether images are to come from ``data/``, and none was ever put there.
        is_cached: Whether the images and results of the last run, some of which are not here, are in DVC's cache on
            this machine.
        is_compared: Whether the new results were compared since they were made.
        is_promoted: Whether the model in production is that of the last commit.
        waiting_runs: Runs that MLflow has not got yet.
        champion: The model in production; ``None`` if there is none, or MLflow does not tell.
        has_store: Whether there is an MLflow to promote in.
        corrections: Images of the inbox that wait for a review.
        missing: What has vanished of accepted images and decisions, and the command that helps; ``None`` if nothing.
        doubtful_labels: Images whose label is worth a look.
        undecodable: Files in ``data/`` that no image could be read from.
        growth: What the learning curve says of more images; ``None`` where it was not measured.
        disk: The size of each part in bytes; empty where it was not asked for.
        faults: What could not be told, and why, by part.
    """

    root: Path
    stages: tuple[StageState, ...] = ()
    repository: Repository = Repository(has_git=False)  # noqa: RUF009 (it is frozen)
    deleted: tuple[str, ...] = ()
    commands: tuple[RunningDvc, ...] = ()
    accuracy: tuple[float, float, float] | None = None
    awaits_images: bool = False
    is_cached: bool = False
    is_compared: bool = False
    is_promoted: bool = False
    waiting_runs: int = 0
    champion: Champion | None = None
    has_store: bool = False
    corrections: int = 0
    missing: tuple[list[str], str] | None = None
    doubtful_labels: int = 0
    undecodable: tuple[str, ...] = ()
    growth: Growth | None = None
    disk: dict[str, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def is_fresh(self) -> bool:
        """Whether the results of all stages are those of today's images, params and code."""
        return bool(self.stages) and all(stage.status in ("fresh", "unknown") for stage in self.stages)


def read_project_state(root: Path, *, whole: bool = True) -> ProjectState:
    """Return the state of a project; nothing is written but a cache in ``.pixmill/``.

    Args:
        root: The project's folder.
        whole: Whether all files are measured and MLflow is asked, too, which may take seconds.
    """
    faults: dict[str, str] = {}

    def part(name: str, read: Callable[[], T], default: T) -> T:
        try:
            return read()
        except Exception as error:  # noqa: BLE001 (the other parts are worth knowing all the same)
            faults[name] = getattr(error, "message", None) or str(error) or type(error).__name__
            return default

    workspace = Workspace(root, root)
    with FileHashes(root) as hashes:
        stages: list[StageState] = part("stages", lambda: read_stage_states(root, hashes), [])
        repository = part("Git", lambda: read_repository(root, hashes), Repository(has_git=False))
    champion = part(PRODUCTION, lambda: read_champion(workspace), None) if whole else None
    is_missing = any(reason.kind == "output" for stage in stages for reason in stage.reasons)
    has_store = whole and PRODUCTION not in faults and part("MLflow", lambda: _has_store(workspace), default=False)
    return ProjectState(
        root=root,
        stages=tuple(stages),
        repository=repository,
        deleted=tuple(name for name in _NEEDED if name in repository.changed and not (root / name).exists()),
        commands=tuple(running_dvc(root)),
        accuracy=read_accuracy(root),
        awaits_images=part("params.yaml", lambda: _awaits_images(root), default=False),
        is_cached=is_missing and part("DVC's cache", lambda: _is_cached(root), default=False),
        is_compared=_is_newer(root / "reports" / "compare.html", root / "dvc.lock"),
        is_promoted=part("model of the last commit", lambda: _is_promoted(root, champion), default=False),
        waiting_runs=len(pending_folders(root / ".pixmill" / "record")),
        champion=champion,
        has_store=has_store,
        corrections=part("inbox", lambda: waiting_corrections(root), 0),
        missing=part("decisions", lambda: describe_missing(root), None),
        doubtful_labels=part("labels", lambda: doubtful_labels(root), 0),
        undecodable=tuple(part("images", lambda: undecodable_images(root), [])),
        growth=part("learning curve", lambda: read_growth(root), None),
        disk=part("disk", lambda: measure(root), {}) if whole else {},
        faults=faults,
    )


def _awaits_images(root: Path) -> bool:
    """Tell whether ``data/`` is recorded as empty or not at all, and is empty, although it is the source of images."""
    record = read_record(root)
    if (record is not None and record.get("nfiles") != 0) or any(path.is_file() for path in (root / "data").rglob("*")):
        return False
    path = root / "params.yaml"
    scrape = read_yaml(path.read_bytes() if path.is_file() else b"", "params.yaml").get("scrape")
    return isinstance(scrape, dict) and scrape.get("source") in ("folder", ["folder"])


def _is_newer(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.stat().st_mtime >= other.stat().st_mtime


def _is_cached(root: Path) -> bool:
    """Tell whether DVC's cache holds all results that Git has not, so that they can be checked out."""
    made = {path: md5 for path, md5 in outputs_of(workspace_stages(root)).items() if not path.startswith(IN_GIT)}
    record = read_record(root)
    return bool(made) and are_cached(root, made | ({"data": record["md5"]} if record else {}))


def _is_promoted(root: Path, champion: Champion | None) -> bool:
    """Tell whether the last commit holds the same trained model as the commit that was promoted."""
    if champion is None or champion.commit is None or not champion.commit.isalnum():
        return False
    made = [_model(git(root, "show", f"{revision}:./dvc.lock")) for revision in ("HEAD", champion.commit)]
    return made[0] is not None and made[0] == made[1]


def _model(lock: str | None) -> str | None:
    return outputs_of(stages_of(lock)).get("artifacts/train")


def _has_store(workspace: Workspace) -> bool:
    """Tell whether MLflow is a server, or a database that there is."""
    file = database_file(tracking_uri(workspace))
    return file is None or file.exists()
