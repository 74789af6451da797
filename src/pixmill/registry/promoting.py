"""Promote a model: compare it with the champion, register it, and let the alias name it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pixmill.compare.comparing import compare_revisions
from pixmill.compare.comparison import Comparison, Revision
from pixmill.compare.json_document import comparison_json
from pixmill.compare.revisions import read_each
from pixmill.core.errors import PixmillError
from pixmill.core.files import significant
from pixmill.core.params import Params
from pixmill.core.progress import announce
from pixmill.core.words import printable
from pixmill.core.workspace import Workspace
from pixmill.registry.candidate import Candidate, check_clean, find_candidate, name_of
from pixmill.registry.model_versions import (
    BECAUSE,
    BY,
    COMMIT,
    COMPARISON,
    GATE,
    LOCK,
    RECORDED,
    VERDICT,
    ModelVersion,
    Registry,
    check_alias,
    options,
    previous_of,
    who,
)
from pixmill.registry.taking_turns import Ticket, take_ticket

_MOST = 90_000
"""Characters of a tag; MLflow takes 100,000."""

_LIMITED = ("accuracy", "macro_f1", "log_loss", "ece")
"""Metrics that the list of versions shows, with their limits."""


@dataclass(frozen=True)
class Promotion:
    """A promotion that took place.

    Args:
        name: The registered model.
        alias: The alias that moved.
        number: The version that it names now.
        former: The version that it named before; ``None`` if none.
        comparison: Of the two.
        warnings: What a person should know although it took place.
        moved: Whether it did; not if the alias named this model already.
    """

    name: str
    alias: str
    number: int
    former: int | None
    comparison: Comparison
    warnings: tuple[str, ...]
    moved: bool = True

    def describe(self) -> str:
        """Return the outcome in a sentence."""
        if not self.moved:
            return f"Nothing to do: {self.alias} of {self.name} is this model already, as version {self.number}."
        instead = f", instead of version {self.former}, which is {previous_of(self.alias)} now" if self.former else ""
        return f"Promoted: {self.alias} of {self.name} is version {self.number}{instead}."


def promote(
    workspace: Workspace,
    params: Params,
    given: str | None = None,
    *,
    name: str | None = None,
    alias: str = "champion",
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
    if because is not None:
        because = printable(because, instead=" ")[:1000]
    check_clean(workspace)
    registry, spec = Registry(workspace, name), name_of(workspace, given)
    seen = registry.aliases().get(alias)
    champion = None if seen is None else registry.require(seen)
    again = f"pixmill promote{f' {given}' if given else ''}{options(name, alias)}"
    forced = f'{again} --force --because "…"'
    before, after = _read(workspace, registry, champion, spec, forced, force=force)
    candidate = find_candidate(registry, workspace, spec, after)
    comparison = compare_revisions(
        workspace, params, before, after, alone=f"There is no {alias} to compare with: the limits of `review` decide."
    )
    show(comparison)
    if champion is not None and champion.model_id == candidate.model_id:
        former = registry.repair_previous(alias)
        return Promotion(registry.name, alias, champion.number, former, comparison, (), moved=False)
    warnings = _judge(comparison, alias, forced, force=force)
    ticket = take_ticket(
        registry,
        alias,
        seen=seen,
        source=f"models:/{candidate.model_id}",
        run=candidate.run.id,
        model_id=candidate.model_id,
        tags=_tags(
            workspace,
            candidate,
            comparison,
            confidence=params.evaluate.confidence,
            because=because,
            is_first=seen is None,
        ),
        command=again,
    )
    with giving_up(ticket):
        ticket.wait()
        registry.move(alias, ticket.number)
    former = registry.repair_previous(alias)
    return Promotion(registry.name, alias, ticket.number, former, comparison, warnings)


@contextlib.contextmanager
def giving_up(ticket: Ticket) -> Iterator[None]:
    """Delete the ticket if the block fails before the alias has moved to it."""
    try:
        yield
    except BaseException:
        # An answer that was lost leaves open whether the alias moved: a version that it names is kept.
        with contextlib.suppress(PixmillError):
            if ticket.registry.aliases().get(ticket.alias) != ticket.number:
                ticket.give_up()
        raise


def _read(
    workspace: Workspace, registry: Registry, champion: ModelVersion | None, spec: str, forced: str, *, force: bool
) -> tuple[Revision | None, Revision]:
    """Return the champion and the candidate; no champion if there is none, or if it is lost and this is forced."""
    if champion is not None:
        revisions = read_each(workspace, [f"models:/{registry.name}/{champion.number}", spec])
        try:
            before = next(revisions)
        except PixmillError as error:
            message = f"version {champion.number}, the present one, cannot be compared with: {error.message}"
            if not force:
                raise PixmillError(message, next=f"{error.next}, or if it must be: {forced}") from None
            announce(f"warning: {message}")
        else:
            return before, next(revisions)
    return None, next(read_each(workspace, [spec]))


def _judge(comparison: Comparison, alias: str, forced: str, *, force: bool) -> tuple[str, ...]:
    """Return warnings about what is promoted all the same.

    Raises:
        PixmillError: It is refused.
    """
    failed = [rule.sentence for rule in comparison.gate.rules if rule.result == "fail"]
    reasons = list(failed)
    if comparison.base is not None and comparison.verdict in ("worse", "not_comparable"):
        reasons.insert(0, comparison.sentence.rstrip("."))
    if reasons and not force:
        raise PixmillError(f"not promoted: {'; '.join(dict.fromkeys(reasons))}", next=f"if it must be: {forced}")
    warnings = [f"forced: {reason}" for reason in reasons]
    if comparison.verdict == "undecided" and comparison.base is not None:
        warnings.append(f"the test images do not tell whether it is better than {alias} was")
    undecided = [rule.name for rule in comparison.gate.rules if rule.result == "undecided"]
    if undecided:
        warnings.append(f"not decided: {', '.join(undecided)}")
    return tuple(warnings)


def _tags(
    workspace: Workspace,
    candidate: Candidate,
    comparison: Comparison,
    *,
    confidence: float,
    because: str | None,
    is_first: bool,
) -> dict[str, str]:
    tags = {
        COMMIT: candidate.revision.commit,
        LOCK: candidate.lock,
        VERDICT: "first" if is_first else comparison.verdict,
        GATE: comparison.gate.result,
        BY: who(workspace.root),
        BECAUSE: because,
        COMPARISON: shorten_json(comparison_json(comparison)),
        RECORDED: json.dumps(significant(_recorded(candidate, confidence))),
    }
    return {key: value for key, value in tags.items() if value}


def _recorded(candidate: Candidate, confidence: float) -> dict[str, Any]:
    metrics = candidate.revision.metrics or {}
    limited = {key: [metrics.get(f"{key}{end}") for end in ("", "_low", "_high")] for key in _LIMITED if key in metrics}
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
