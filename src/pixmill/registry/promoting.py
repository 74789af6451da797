"""Promote a model: compare it with the champion, register it, and let the alias name it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from shlex import quote
from typing import Any

from pixmill.compare.comparing import compare_revisions
from pixmill.compare.comparison import Comparison, Revision
from pixmill.compare.numbers import METRIC_NAMES
from pixmill.compare.revisions import read_each
from pixmill.compare.view import comparison_json
from pixmill.core.errors import PixmillError
from pixmill.core.files import significant
from pixmill.core.params import Params
from pixmill.core.words import printable
from pixmill.core.workspace import Workspace
from pixmill.record.delivery import WEIGHTS
from pixmill.record.model_lookup import COMMIT, DONE, STATE
from pixmill.registry.candidate import Candidate, check_clean, find_candidate, name_of
from pixmill.registry.model_versions import (
    ALIAS,
    BECAUSE,
    BY,
    CHAMPION,
    COMPARISON,
    FORCED,
    GATE,
    LOCK,
    RECORDED,
    TAKEN_BACK,
    VERDICT,
    ModelVersion,
    Registry,
    check_alias,
    options,
    previous_of,
    who,
)
from pixmill.registry.taking_turns import take_ticket

_MOST = 90_000
"""Characters of a tag; MLflow takes 100,000."""


@dataclass(frozen=True)
class Promotion:
    """The outcome of a promotion.

    Args:
        name: The registered model.
        alias: The alias.
        number: The version that it names now.
        former: The version that it named before; ``None`` if none.
        comparison: Of the two; ``None`` if the alias named this model already, so that nothing moved.
        warnings: What a person should know although it took place.
    """

    name: str
    alias: str
    number: int
    former: int | None
    comparison: Comparison | None
    warnings: tuple[str, ...]

    def describe(self) -> str:
        """Return the outcome in a sentence."""
        if self.comparison is None:
            return f"Nothing to do: {self.alias} of {self.name} is this model already, as version {self.number}."
        instead = f", instead of version {self.former}, which is {previous_of(self.alias)} now" if self.former else ""
        return f"Promoted: {self.alias} of {self.name} is version {self.number}{instead}."


def promote(
    workspace: Workspace,
    params: Params,
    given: str | None = None,
    *,
    name: str | None = None,
    alias: str = CHAMPION,
    because: str | None = None,
    force: bool = False,
    show: Callable[[Comparison], object] = lambda _: None,
) -> Promotion:
    """Promote a commit's or run's model, if the gate of ``review`` lets it pass.

    Args:
        workspace: The project's workspace.
        params: Its params; those in ``review`` and ``evaluate`` are used.
        given: As for :func:`pixmill.registry.candidate.name_of`; default: HEAD.
        name: Of the registered model; default: the project's.
        alias: The alias that is to name it.
        because: Why, in the person's own words; needed to force.
        force: Whether to promote what would be refused for its numbers.
        show: Is given the comparison as soon as it is known.

    Raises:
        PixmillError: It is refused, or another process was faster, or MLflow does not respond.
    """
    check_alias(alias)
    check_clean(workspace)
    registry, spec = Registry(workspace, name), name_of(workspace, given)
    registry.settle(alias)
    seen = registry.aliases().get(alias)
    champion = None if seen is None else registry.require(seen)
    again = f"pixmill promote{f' {quote(given)}' if given else ''}{options(name, alias)}"
    forced = f'{again} --force --because "…"'
    before, after, lost = _read(workspace, registry, champion, spec, forced, force=force)
    candidate = find_candidate(registry, workspace, spec, after)
    if champion is not None and _is_same(champion, candidate):
        former, warnings = registry.finish(alias)
        return Promotion(registry.name, alias, champion.number, former, None, warnings)
    alone = lost or f"There is no {alias} to compare with: the limits of `review` decide."
    comparison = compare_revisions(workspace, params, before, after, alone=alone)
    show(comparison)
    refused = _why_not(comparison, seen)
    if refused and not force:
        raise PixmillError(f"not promoted: {'; '.join(refused)}", next=f"if it must be: {forced}")
    tags = _tags(workspace, candidate, comparison, params.evaluate.confidence, because)
    tags |= {FORCED: "; ".join(refused)[:1000]} if refused else {}
    tags |= {} if comparison.base else {VERDICT: "not_comparable" if lost else "first"}
    warnings = (*([lost] if lost else []), *_warnings(comparison, seen), *_taken_back(registry, candidate, alias))
    ticket = take_ticket(
        registry,
        alias,
        seen=seen,
        source=f"models:/{candidate.model_id}",
        run=candidate.run.id,
        model_id=candidate.model_id,
        tags=tags,
        command=again,
    )
    try:
        ticket.wait()
    except BaseException:
        ticket.give_up()
        raise
    try:
        registry.move(alias, ticket.number)
    except BaseException:
        ticket.abandon()
        raise
    former, unfinished = registry.finish(alias)
    with contextlib.suppress(PixmillError):
        registry.tag(ticket.number, STATE, DONE)  # also where it was rolled back at once
    return Promotion(registry.name, alias, ticket.number, former, comparison, (*warnings, *unfinished))


def _read(
    workspace: Workspace, registry: Registry, champion: ModelVersion | None, spec: str, forced: str, *, force: bool
) -> tuple[Revision | None, Revision, str]:
    """Return the champion and the candidate; without one if it is lost and this is forced, then with the reason."""
    lost = ""
    if champion is not None:
        revisions = read_each(workspace, [f"models:/{registry.name}/{champion.number}", spec])
        try:
            before = next(revisions)
        except PixmillError as error:
            lost = f"Version {champion.number}, the present one, cannot be compared with: {error.message}"
            if not force:
                raise PixmillError(lost, next=f"{error.next}, or if it must be: {forced}") from None
        else:
            return before, next(revisions), ""
    return None, next(read_each(workspace, [spec])), lost


def _is_same(champion: ModelVersion, candidate: Candidate) -> bool:
    weights = candidate.run.tags.get(WEIGHTS)
    return champion.model_id == candidate.model_id or (weights is not None and champion.tags.get(WEIGHTS) == weights)


def _why_not(comparison: Comparison, seen: int | None) -> list[str]:
    """Return why a model is refused for its numbers; nothing if it is not."""
    reasons = []
    if comparison.base is not None and comparison.verdict == "worse":
        reasons.append(f"it is worse than version {seen}")
    if comparison.base is not None and comparison.verdict == "not_comparable":
        reasons.append(comparison.sentence.rstrip(".").replace("Not", "not", 1))
    broken = [rule for rule in comparison.gate.rules if rule.result == "fail"]
    # That it is worse is said already.
    broken = [rule for rule in broken if not (reasons and rule.name == "review.max_drop")]
    return reasons + [f"{rule.name} is broken ({rule.sentence.removesuffix(': fail')})" for rule in broken]


def _warnings(comparison: Comparison, seen: int | None) -> Iterator[str]:
    """Yield what a person should know of a model that is promoted."""
    if comparison.base is not None and comparison.verdict == "undecided":
        yield f"the test images do not tell whether it is better than version {seen}"
    undecided = [rule.name for rule in comparison.gate.rules if rule.result == "undecided"]
    if undecided:
        yield f"not decided: {', '.join(undecided)}"
    numbers = comparison.numbers
    if numbers is not None and (coverage := numbers.metrics.get("coverage")) is not None and coverage.high < 0:
        yield f"it is sure of fewer images: coverage falls from {coverage.first:.3f} to {coverage.second:.3f}"
    if (comparison.head.metrics or {}).get("threshold", 0) is None:
        yield "it has no confidence threshold, so it never says whether it is sure"


def _taken_back(registry: Registry, candidate: Candidate, alias: str) -> Iterator[str]:
    """Yield whether this model was taken out of use before, and why."""
    for version in registry.versions(f"tags.`{ALIAS}` = '{alias}'"):
        record = version.rollback(TAKEN_BACK)
        if record and _is_same(version, candidate):
            why = f": {record.because}" if record.because else ""
            yield f"version {version.number}, the same model, was taken back on {record.at[:10]} by {record.by}{why}"


def _tags(
    workspace: Workspace, candidate: Candidate, comparison: Comparison, confidence: float, because: str | None
) -> dict[str, str]:
    tags = {
        COMMIT: candidate.revision.commit,
        LOCK: candidate.lock,
        WEIGHTS: candidate.run.tags.get(WEIGHTS),
        VERDICT: comparison.verdict,
        GATE: comparison.gate.result,
        BY: who(workspace.root),
        BECAUSE: because and printable(because, instead=" ")[:1000],
        COMPARISON: shorten_json(comparison_json(comparison)),
        RECORDED: json.dumps(significant(_recorded(candidate, confidence))),
    }
    return {key: value for key, value in tags.items() if value}


def _recorded(candidate: Candidate, confidence: float) -> dict[str, Any]:
    metrics = candidate.revision.metrics or {}
    limited = {
        key: [metrics.get(f"{key}{end}") for end in ("", "_low", "_high")] for key in METRIC_NAMES if key in metrics
    }
    return {**limited, "n": metrics.get("n"), "confidence": confidence, "megabytes": candidate.run.megabytes}


def shorten_json(text: str) -> str:
    """Return the JSON of a comparison as a tag can hold it: without its images, and with less the longer it is.

    Args:
        text: As :func:`pixmill.compare.json_document.comparison_json` returns it.

    Returns:
        The same object; ``left_out`` names what it lacks.
    """
    document = json.loads(text)
    document["left_out"] = []
    for path in ("flips.images", "data.images", "data.near_test", "slices", "per_class", "changes", "rules", "missing"):
        if path.endswith(("images", "near_test")) or len(json.dumps(document)) > _MOST:
            *parents, key = path.split(".")
            place = document
            for parent in parents:
                place = place.get(parent) or {}
            if place.pop(key, None) is not None:
                document["left_out"].append(path)
    return json.dumps(document)
