"""Promote a model: compare it with the champion, register it, and move the alias to it.

A model is promoted if it keeps the limits, and is better than the champion, or the same within the
margin. An undecided model is promoted only if its own estimate is not lower. Without a champion,
the limits alone decide.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from shlex import quote
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import significant
from pixmill.core.params import Params
from pixmill.core.repository.git import FIRST_COMMIT, changed_files, git, require_git
from pixmill.core.words import count, first_of, join_names, printable
from pixmill.experiments.compare.answers import MAX_CLASSES
from pixmill.experiments.compare.comparing import compare_revisions
from pixmill.experiments.compare.comparison import Comparison, Revision
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.experiments.compare.revisions import read_each
from pixmill.tracking import model_versions
from pixmill.tracking.delivery import WEIGHTS
from pixmill.tracking.model_lookup import (
    COMMIT,
    MODEL,
    STATE,
    list_models,
    newest_model,
    resolve,
    store_errors,
)
from pixmill.tracking.model_versions import (
    ModelVersion,
    Registry,
    check_alias,
    options,
    previous_of,
    who,
)
from pixmill.tracking.relocation import follow_move
from pixmill.tracking.rolling_back import rolled_back
from pixmill.tracking.run_lookup import MlflowRun
from pixmill.tracking.store import RECORD_AGAIN, local_registry


@dataclass(frozen=True)
class Candidate:
    """A model to promote.

    Args:
        revision: Results of its commit.
        run: Run that trained it.
        model_id: Id of the model ``classifier`` of that run.
    """

    revision: Revision
    run: MlflowRun
    model_id: str


def name_of(workspace: Workspace, given: str | None) -> str:
    """Return the name of the commit to promote: of a version, the commit that it was promoted from.

    Args:
        workspace: Workspace of the project.
        given: Commit, branch, tag or experiment, or a version in the registry; default: HEAD.

    Raises:
        PixmillError: The commit is not in this clone.
    """
    name = given or "HEAD"
    if name.startswith("models:/"):
        found = resolve(name, workspace)
        if (
            found.version
            and found.commit
            and git(workspace.root, "cat-file", "-e", f"{found.commit}^{{commit}}") == ""
        ):
            return found.commit
        if found.commit:
            raise PixmillError(
                f"{name} was promoted from {printable(found.commit)}, which is not a commit of "
                "this clone",
                next="git fetch --all, then the same command",
            )
    if name == "workspace" or name.startswith(("models:/", "runs:/")):
        raise PixmillError(
            f"{name} is not a commit of this clone, so its model could not be made again",
            next="commit its results, then: pixmill promote",
        )
    return name


def check_clean(workspace: Workspace) -> None:
    """Check that the working tree, whose ``params.yaml`` has the limits, equals its commit.

    Raises:
        PixmillError: Files that Git tracks were changed, or there is no commit.
    """
    require_git()
    changed = changed_files(workspace.root, "--untracked-files=no", "--", ".")
    if changed is None:
        start = f"git init && {FIRST_COMMIT}, then the same command"
        raise PixmillError("the project is not in Git, so no commit has its model", next=start)
    if git(workspace.root, "rev-parse", "--verify", "--quiet", "HEAD:./") is None:
        raise PixmillError(
            "nothing is committed yet", next=f"{FIRST_COMMIT}, then the same command"
        )
    if changed:
        named = first_of([*map(printable, changed)], 4)
        raise PixmillError(
            f"{named} changed since the last commit, so no commit has this model",
            next="dvc repro, if results are not there yet, then commit: git commit -a",
        )


def find_candidate(registry: Registry, workspace: Workspace, revision: Revision) -> Candidate:
    """Return the model to promote.

    Args:
        registry: Registry of the model.
        workspace: Workspace of the project.
        revision: Results of the commit.

    Raises:
        PixmillError: The results are older than the commit's inputs, or MLflow lacks the run or the
            model.
    """
    again = "dvc repro, commit its results, then the same command"
    if not revision.lock:
        raise PixmillError(f"{revision.title} has no dvc.lock, so no results", next=again)
    if revision.outdated:
        raise PixmillError(revision.outdated.partition("; to update them")[0], next=again)
    run = revision.run
    if run is None:
        raise PixmillError(
            f"MLflow at {registry.store} has no run with the weights of {revision.title}",
            next=_upload_command(workspace),
        )
    with store_errors(f"runs:/{run.id}", registry.store):
        model = newest_model(list_models(registry.client, registry.client.get_run(run.id)), MODEL)
    if model is None:
        raise PixmillError(
            f"the run {run.name} in MLflow has no model '{MODEL}'", next=_upload_command(workspace)
        )
    return Candidate(revision, run, model.model_id)


def _upload_command(workspace: Workspace) -> str:
    """Return the command that sends a run to MLflow."""
    waiting = workspace.root / ".pixmill/record"
    if waiting.is_dir() and any(path.is_dir() for path in waiting.iterdir()):
        return "pixmill doctor --fix, then the same command"
    return (
        f"{RECORD_AGAIN}, then the same command; or set MLFLOW_TRACKING_URI to the store that "
        "has it"
    )


@dataclass(frozen=True)
class Promotion:
    """The outcome of a promotion.

    Args:
        name: Name of the registered model.
        alias: The alias.
        number: Version of the alias.
        former: Earlier version of the alias; ``None`` if there was none.
        comparison: Comparison of the two; ``None`` if the alias did not move, since it had this
            model already.
        warnings: Warnings for the user.
    """

    name: str
    alias: str
    number: int
    former: int | None
    comparison: Comparison | None
    warnings: tuple[str, ...]

    def describe(self) -> str:
        """Return the outcome as a sentence."""
        if self.comparison is None:
            return (
                f"Nothing to do: {self.alias} of {self.name} is this model already, as version "
                f"{self.number}."
            )
        instead = ""
        if self.former:
            instead = f", instead of version {self.former}, which is {previous_of(self.alias)} now"
        return f"Promoted: {self.alias} of {self.name} is version {self.number}{instead}."


def promote(
    workspace: Workspace,
    params: Params,
    given: str | None = None,
    *,
    name: str | None = None,
    alias: str = model_versions.CHAMPION,
    because: str | None = None,
    accept: bool = False,
    force: bool = False,
    show: Callable[[Comparison], object] = lambda _: None,
) -> Promotion:
    """Promote the model of a commit, if it keeps the limits and is not lower than the champion.

    Args:
        workspace: Workspace of the project.
        params: Params of the project; ``compare`` and ``evaluate`` are used.
        given: Commit as in :func:`pixmill.experiments.promotion.promoting.name_of`; default: HEAD.
        name: Name of the registered model; default: that of the project.
        alias: Alias to move.
        because: Reason to record; required by the command line with ``accept`` and ``force``.
        accept: Whether to promote a model that is undecided and lower, lacks classes, or was rolled
            back.
        force: Whether to promote a model despite any refusal by its numbers.
        show: Called with the comparison before the decision.

    Raises:
        PixmillError: The model is refused, another process was faster, or MLflow does not respond.
    """
    check_alias(alias)
    check_clean(workspace)
    follow_move(workspace)
    registry = Registry(workspace, name)
    spec = name_of(workspace, given)
    seen = registry.aliases().get(alias)
    champion = None if seen is None else registry.require(seen)
    again = f"pixmill promote{f' {quote(given)}' if given else ''}{options(name, alias)}"
    before, after = _read(workspace, registry, champion, spec, again)
    candidate = find_candidate(registry, workspace, after)
    if champion is not None and _is_same(champion, candidate):
        former, warnings = registry.finish(alias)
        return Promotion(registry.name, alias, champion.number, former, None, warnings)
    alone = (
        f"There is no {alias} to compare with{local_registry(registry.store)}: the limits of "
        "`compare` decide."
    )
    comparison = compare_revisions(workspace, params, before, after, alone=alone)
    show(comparison)
    refused = _why_not(comparison, seen)
    lower = [*_why_lower(comparison, seen)]
    removed = [*_why_removed(comparison, seen)]
    doubts = [*lower, *removed, *_rollbacks(registry, candidate, alias)]
    if not force and (refused or (doubts and not accept)):
        word = _word(refused, lower, removed)
        raise PixmillError(
            f"not promoted: {'; '.join(refused + doubts)}",
            next=f'if it must be: {again} {word} "…"',
        )
    tags = _tags(workspace, candidate, comparison, params.evaluate.confidence, because)
    tags |= {
        model_versions.FORCED: "; ".join(refused)[:1000],
        model_versions.ACCEPTED: "; ".join(doubts)[:1000],
        model_versions.ALIAS: alias,
        STATE: model_versions.PENDING,
    }
    if seen is not None:
        tags[model_versions.REPLACES] = str(seen)
    tags = {tag: text for tag, text in tags.items() if text}
    warnings = (*doubts, *_warnings(comparison, seen))
    registry.check_still(alias, seen, again)
    source = f"models:/{candidate.model_id}"
    number = registry.register(source, run=candidate.run.id, model_id=candidate.model_id, tags=tags)
    registry.move_pending(alias, number, seen, again)
    former, unfinished = registry.finish(alias)
    return Promotion(registry.name, alias, number, former, comparison, (*warnings, *unfinished))


def _word(refused: list[str], lower: list[str], removed: list[str]) -> str:
    """Return the option that promotes nevertheless, for the gravest objection."""
    if refused:
        return "--force --because"
    if lower:
        return "--accept-undecided"
    return "--accept-removed-classes" if removed else "--accept-rolled-back"


def _read(
    workspace: Workspace, registry: Registry, champion: ModelVersion | None, spec: str, again: str
) -> tuple[Revision | None, Revision]:
    """Return the revisions of the champion, if any, and of the candidate."""
    if champion is None:
        return None, next(read_each(workspace, [spec]))
    revisions = read_each(workspace, [f"models:/{registry.name}/{champion.number}", spec])
    try:
        before = next(revisions)
    except PixmillError as error:
        raise PixmillError(
            f"version {champion.number}, the current one, cannot be read: {error.message}",
            next=f"{error.next}; if it is lost, delete its alias in MLflow, then: {again}",
        ) from None
    return before, next(revisions)


def _is_same(champion: ModelVersion, candidate: Candidate) -> bool:
    weights = candidate.run.tags.get(WEIGHTS)
    return champion.model_id == candidate.model_id or (
        weights is not None and champion.tags.get(WEIGHTS) == weights
    )


def _why_not(comparison: Comparison, seen: int | None) -> list[str]:
    """Return the reasons to refuse a model for its numbers; empty if there are none."""
    reasons = []
    if comparison.base is not None and comparison.verdict == "worse":
        reasons.append(f"it is worse than version {seen}")
    if comparison.base is not None and comparison.verdict == "not_comparable":
        reasons.append(comparison.sentence.rstrip(".").replace("Not", "not", 1))
    broken = [rule for rule in comparison.gate.rules if rule.result == "fail"]
    if reasons:  # compare.max_drop would say the same.
        broken = [rule for rule in broken if rule.name != "compare.max_drop"]
    texts = [f"{rule.name} is broken ({rule.sentence.removesuffix(': fail')})" for rule in broken]
    return [*reasons, *texts]


def _why_lower(comparison: Comparison, seen: int | None) -> Iterator[str]:
    """Yield the reason to doubt an undecided model: a lower estimate than the champion's."""
    if (numbers := comparison.numbers) is None or comparison.verdict != "undecided":
        return
    found = numbers.decisive
    if numbers.gain[1] < 0:
        side = "higher" if found.difference > 0 else "lower"
        yield (
            f"its {METRIC_NAMES[numbers.metric]} is {side} than that of version {seen} "
            f"({found.second:.3f} after {found.first:.3f}), and "
            f"{count(numbers.n, numbers.image)} cannot decide"
        )


def _why_removed(comparison: Comparison, seen: int | None) -> Iterator[str]:
    """Yield the reason to doubt a model that lacks classes of the champion."""
    own = comparison.numbers.own_classes if comparison.numbers else ()
    if removed := [row["name"] for row in own if row["side"] == "base"]:
        yield f"it does not know {join_names(removed, MAX_CLASSES)} of version {seen}"


def _warnings(comparison: Comparison, seen: int | None) -> Iterator[str]:
    """Yield warnings about undecided results of a promoted model."""
    if comparison.verdict == "undecided" and comparison.numbers:
        yield (
            f"the {comparison.numbers.image}s do not decide whether it is better than version "
            f"{seen}"
        )
    undecided = [rule.name for rule in comparison.gate.rules if rule.result == "undecided"]
    if undecided:
        yield f"not decided: {', '.join(undecided)}"


def _rollbacks(registry: Registry, candidate: Candidate, alias: str) -> Iterator[str]:
    """Yield the rollback of this model, if it was not promoted since, with its reason."""
    for version, record in rolled_back(registry, alias):
        if _is_same(version, candidate):
            why = f": {record.because}" if record.because else ""
            yield (
                f"version {version.number}, the same model, was rolled back on {record.at[:10]} "
                f"by {record.by}{why}"
            )


def _tags(
    workspace: Workspace,
    candidate: Candidate,
    comparison: Comparison,
    confidence: float,
    because: str | None,
) -> dict[str, str]:
    tags = {
        COMMIT: candidate.revision.commit,
        WEIGHTS: candidate.run.tags.get(WEIGHTS),
        model_versions.VERDICT: comparison.verdict if comparison.base else "first",
        model_versions.GATE: comparison.gate.result,
        model_versions.BY: who(workspace.root),
        model_versions.BECAUSE: because and printable(because, instead=" ")[:1000],
        model_versions.RECORDED: json.dumps(significant(_recorded(candidate, confidence))),
    }
    return {key: value for key, value in tags.items() if value}


def _recorded(candidate: Candidate, confidence: float) -> dict[str, Any]:
    metrics = candidate.revision.metrics or {}
    limited = {
        key: [metrics.get(f"{key}{end}") for end in ("", "_low", "_high")]
        for key in METRIC_NAMES
        if key in metrics
    }
    return {
        **limited,
        "n": metrics.get("n"),
        "confidence": confidence,
        "megabytes": candidate.run.megabytes,
    }
