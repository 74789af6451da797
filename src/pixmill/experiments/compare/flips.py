"""Find images that only one of two revisions predicts correctly, without computing metrics."""

from pathlib import Path
from typing import Any

import pandas as pd

from pixmill.core.repository.documents import MalformedError, read_stages
from pixmill.experiments.compare.comparison import NotComparableError, Revision
from pixmill.experiments.compare.git_revisions import choose
from pixmill.experiments.compare.numbers import find_flips
from pixmill.experiments.compare.parquet import TableReader
from pixmill.experiments.compare.revisions import read_tables, revision_of
from pixmill.experiments.compare.trees import DvcStore, Tree


def read_flips(root: Path, *, fetch: bool = True) -> pd.DataFrame | None:
    """Return :attr:`pixmill.experiments.compare.comparison.Numbers.flips` of the default base and head.

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
    with TableReader() as reader:
        return find_flips(*(_with_predictions(tree, reader) for tree in trees))


def _evaluate_outs(tree: Tree) -> list[Any] | None:
    """Return the outputs of evaluate in ``dvc.lock``."""
    try:
        outs: list[Any] | None = read_stages(tree.read("dvc.lock") or b"").get("evaluate", {}).get("outs")
    except MalformedError as fault:
        raise NotComparableError(f"dvc.lock of {tree.revision.name} {fault}.") from None
    return outs


def _with_predictions(tree: Tree, reader: TableReader) -> Revision:
    """Return a revision with its predictions only."""
    missing: list[str] = []
    tables = read_tables(tree, missing, reader, ("predictions",))
    if tables["predictions"] is None:
        raise NotComparableError(missing[0])
    return revision_of(tree, missing, **tables)
