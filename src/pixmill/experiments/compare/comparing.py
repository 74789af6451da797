"""Compare two revisions, or find only the images that one of them predicts correctly."""

from pathlib import Path
from typing import Any

import pandas as pd

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import Params
from pixmill.core.repository.documents import MalformedError, read_stages
from pixmill.experiments.compare.answers import predictions_of
from pixmill.experiments.compare.changes import find_changes
from pixmill.experiments.compare.comparison import (
    Comparison,
    NotComparableError,
    Numbers,
    Revision,
    Verdict,
)
from pixmill.experiments.compare.gate import judge
from pixmill.experiments.compare.git_revisions import WORKSPACE, choose, find
from pixmill.experiments.compare.image_changes import compare_data
from pixmill.experiments.compare.numbers import compare_numbers, find_flips
from pixmill.experiments.compare.plain import Shift, find_shift
from pixmill.experiments.compare.revisions import read_predictions, read_revisions
from pixmill.experiments.compare.trees import DvcStore, Tree
from pixmill.experiments.compare.verdict import give_verdict


def compare(
    workspace: Workspace, params: Params, base: str | None = None, head: str | None = None
) -> Comparison:
    """Read and compare two revisions, named as for :func:`.read_revisions`.

    Args:
        workspace: Workspace of the project.
        params: Params of the project; ``compare`` and ``evaluate`` are used.
        base: Revision to compare with; default: the merge base with the main branch.
        head: Revision under review; default: the workspace.

    Raises:
        PixmillError: A revision does not exist, or has no results.
    """
    before, after = read_revisions(workspace, base, head)
    alone = "There is nothing to compare with: this is the first commit."
    return compare_revisions(workspace, params, before, after, alone=alone)


def compare_revisions(
    workspace: Workspace, params: Params, before: Revision | None, after: Revision, *, alone: str
) -> Comparison:
    """Compare two revisions.

    Args:
        workspace: Workspace of the project.
        params: Params of the project; ``compare`` and ``evaluate`` are used.
        before: Revision to compare with; without one, only the limits that need no base apply.
        after: Revision under review.
        alone: Sentence that states why there is no base.
    """
    numbers: Numbers | None = None
    obstacle: str | None = None
    verdict: Verdict = "not_comparable"
    data = changes = None
    if before is None:
        sentence = alone
    else:
        data = compare_data(before, after, params.compare)
        changes = find_changes(before, after, workspace.root)
        try:
            numbers = compare_numbers(before, after, params.compare, params.evaluate)
            verdict, sentence = give_verdict(numbers)
        except NotComparableError as reason:
            sentence = obstacle = str(reason)
    level = params.evaluate.confidence
    draws = params.evaluate.draws
    gate = judge(after, numbers, params.compare, confidence=level, draws=draws, obstacle=obstacle)
    revisions = (before, after) if before else (after,)
    missing = [line for revision in revisions for line in (*revision.missing, *revision.faults)]
    return Comparison(
        before, after, verdict, sentence, numbers, data, changes, gate, tuple(missing)
    )


def read_flips(root: Path, *, fetch: bool = True) -> pd.DataFrame | None:
    """Return :attr:`.Numbers.flips` of the default base and head.

    Args:
        root: Folder of the project.
        fetch: Whether to fetch predictions from DVC's remote if the cache lacks them.

    Returns:
        ``None`` if both revisions have the same results of evaluate.

    Raises:
        NotComparableError: There is no base, or the revisions cannot be compared.
        PixmillError: The base cannot be determined.
    """
    base, head = choose(root, None, None)
    if base is None:
        raise NotComparableError("There is nothing to compare with: this is the first commit.")
    store = DvcStore(root, fetch=fetch)
    trees = [Tree(store, revision) for revision in (base, head)]
    before, after = map(_evaluate_outs, trees)
    if before is not None and before == after:
        return None
    return find_flips(*map(read_predictions, trees))


def read_shift(root: Path, base: str, head: str | None) -> Shift:
    """Return why the accuracy differs between two commits, from the predictions that are here.

    Args:
        root: Folder of the project.
        base: Commit to compare with.
        head: Commit under review; ``None``: the workspace.

    Raises:
        NotComparableError: DVC's cache lacks predictions, or they are malformed.
        PixmillError: There is no such commit.
    """
    store = DvcStore(root, fetch=False)
    trees = [Tree(store, find(root, name)) for name in (base, head or WORKSPACE)]
    return find_shift(*(predictions_of(read_predictions(tree)) for tree in trees))


def _evaluate_outs(tree: Tree) -> list[Any] | None:
    """Return the outputs of evaluate in ``dvc.lock``."""
    try:
        outs: list[Any] | None = (
            read_stages(tree.read("dvc.lock") or b"").get("evaluate", {}).get("outs")
        )
    except MalformedError as fault:
        raise NotComparableError(f"dvc.lock of {tree.revision.name} {fault}.") from None
    return outs
