"""Doubtful cells: of each label, its yes and no are judged like two classes.

See :mod:`pixmill.evaluate.labels`. A cell is doubtful only where it is not the model's answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pixmill.core.cells import NO, UNKNOWN, YES
from pixmill.core.manifest import table_schema
from pixmill.evaluate.cells.measure import cell_answers
from pixmill.evaluate.labels import MIN_GROUPS, doubtful_labels

DOUBTFUL = table_schema("rank!:int32 id! label! suggested! score!:float32 split!")
"""One row per doubtful cell, the most doubtful first, whose ``rank`` is 1.

``suggested`` is ``yes`` if the label is probably missing, and ``no`` if it is probably wrong;
``score`` is the probability that the cell is right as it is.
"""


def doubtful_cells(
    predictions: pd.DataFrame,
    groups: pd.Series,
    labels: Sequence[str],
    thresholds: Sequence[float],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the columns of :data:`DOUBTFUL` for known cells, and for unknown ones.

    The latter are not wrong: nobody has answered them, and the answer is probably yes. Labels with
    fewer than :data:`pixmill.evaluate.labels.MIN_GROUPS` groups of yes, or of no, are left out.

    Args:
        predictions: Columns as in :func:`pixmill.evaluate.predictions.predictions_schema`; those
            that are not held out are left out.
        groups: Cluster by image id.
        labels: The labels.
        thresholds: Probability from which the answer is yes, by label.
    """
    table = predictions[predictions["held_out"]]
    answers = cell_answers(table, labels, thresholds)
    members = table["id"].map(groups).to_numpy()
    found = [pd.DataFrame(columns=[*DOUBTFUL.names, "cell"])]
    for place, label in enumerate(labels):
        given = answers.cells[:, place]
        likely = answers.probabilities[:, place]
        yes = answers.yes[:, place]
        if min(len(set(members[given == side])) for side in (YES, NO)) < MIN_GROUPS:
            continue
        answered = np.flatnonzero(given != UNKNOWN)
        shares = np.column_stack([1 - likely, likely])
        suggested, score = doubtful_labels(given[answered], [shares[answered]])
        doubted = (suggested >= 0) & ((given == YES) != yes)[answered]
        # Of the others, those whose answer is yes, and as likely as where the label is known.
        missing = (given == UNKNOWN) & yes & (likely >= likely[given == YES].mean())
        for chosen, is_yes, scores in (
            (answered[doubted], suggested[doubted] == YES, score[doubted]),
            (np.flatnonzero(missing), True, (1 - likely[missing]).round(6)),
        ):
            words = np.where(is_yes, "yes", "no")
            columns = {"label": label, "suggested": words, "score": scores, "cell": given[chosen]}
            found.append(table.iloc[chosen][["id", "split"]].assign(**columns))
    ordered = pd.concat(found).sort_values(["score", "id", "label"])
    known = ordered["cell"] != UNKNOWN
    return _ranked(ordered[known]), _ranked(ordered[~known])


def _ranked(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop(columns="cell").assign(rank=range(1, len(rows) + 1))
