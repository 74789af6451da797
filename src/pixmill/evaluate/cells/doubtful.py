"""Doubtful cells, by confident learning for each label.

A label is probably missing if a model that was not trained on the image gives it at least the mean
probability over the images that have it; and probably wrong if the probability is at most the mean
over the images that lack it. Both only where that is also the model's answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pixmill.core.cells import NO, UNKNOWN, YES
from pixmill.core.manifest import table_schema
from pixmill.evaluate.cells.measure import cell_answers
from pixmill.evaluate.labels import MIN_GROUPS

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
        missing = (given != YES) & yes & (likely >= likely[given == YES].mean())
        wrong = (given == YES) & ~yes & (likely <= likely[given == NO].mean())
        for suggested, chosen, score in (("yes", missing, 1 - likely), ("no", wrong, likely)):
            # Rounded before ranking, because rounding errors differ between processors.
            columns = {"label": label, "suggested": suggested, "score": score[chosen].round(6)}
            rows = table.loc[chosen, ["id", "split"]]
            found.append(rows.assign(**columns, cell=given[chosen]))
    ordered = pd.concat(found).sort_values(["score", "id", "label"])
    known = ordered["cell"] != UNKNOWN
    return _ranked(ordered[known]), _ranked(ordered[~known])


def _ranked(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop(columns="cell").assign(rank=range(1, len(rows) + 1))
