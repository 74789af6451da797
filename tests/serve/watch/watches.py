"""A watch as a log of any length would give it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.cells import render_cells
from pixmill.metrics.arrays import Bools
from pixmill.serve.predict.model import Model
from pixmill.serve.watch.estimates import Estimate
from pixmill.serve.watch.evidence import change, fall, preference
from pixmill.serve.watch.record import Judged
from pixmill.serve.watch.watching import Difference, Watch

LAST = datetime(2026, 11, 30, 12, tzinfo=UTC)


def rows(n: int, labels: tuple[str, ...], task: str, days: float) -> pd.DataFrame:
    """Return random rows of a log, over some days; with several labels an image, some without."""
    random = np.random.default_rng(n)
    probabilities = random.dirichlet(np.full(len(labels), 0.1), n)
    names = [labels[place] for place in probabilities.argmax(axis=1)]
    cells = [render_cells({name: True} if k % 2 else {}) for k, name in enumerate(names)]
    texts = cells if task == "labels" else names
    return pd.DataFrame(
        {
            "time": [LAST - timedelta(days=days * (1 - (k + 1) / n)) for k in range(n)],
            "id": [f"{k:064x}" for k in range(n)],
            "predicted": texts,
            "label": texts,
            "confidence": probabilities.max(axis=1),
            "sure": pd.Series([None] * n, dtype=object),
            "unlike": random.random(n) < 0.1,
            "probabilities": [*probabilities],
            "width": 640,
            "height": random.integers(400, 500, n),
            "brightness": random.normal(120, 10, n),
            "sharpness": random.normal(50, 10, n),
            "novelty": random.random(n),
            "shadow": None,
            "right": random.random(n) < 0.9,
        }
    )


def watched(
    folder: Path,
    n: int = 300,
    labels: tuple[str, ...] = ("coat", "dress", "shirt"),
    *,
    task: str = "one_label",
    days: float = 20,
    small: bool = False,
    **others: Any,
) -> Watch:
    """Return a watch; if ``small``, p-values are, so that there is an alarm."""
    found = rows(n, labels, task, days)
    p = np.random.default_rng(1).random(n) ** (4 if small else 1)
    outcome = change(p)
    begun = found["time"].iloc[outcome.start].to_pydatetime() if small else None
    model = Model(folder, "garments", "3", "d" * 64, labels, 28, None, task=task)
    found_out = {
        "labelled": judged(np.array([], bool)),
        "shadow": None,
        "answers": pd.DataFrame({"sample": [], "waiting": []}),
        "shares": {label: Estimate(0.3, 0.2, 0.4) for label in labels},
        "accuracy": Estimate(0.9, 0.87, 0.94),
        "withheld": "",
    }
    found_out |= {name: others.pop(name) for name in {*found_out} & {*others}}
    made = {
        "broken": {"truncated": 3},
        "record": found[["id", "time", "predicted"]].assign(
            shadow=found["predicted"], second="e" * 64, accepted=False, sample=None, asked=np.nan
        ),
        "root": folder,
        **others,
    }
    made_watch = Watch(
        model,
        folder,
        found,
        rows(200, labels, task, days),
        others=0,
        difference=Difference(outcome.evidence, found["time"], begun, only_shares=False),
        **made,
    )
    made_watch.__dict__.update(found_out)  # else read from the project
    return made_watch


def judged(right: Bools, *, wins: bool = False) -> Judged:
    """Return answers; if ``wins``, about a second model."""
    return Judged(2, 1, right, preference(right) if wins else fall(right, 90, 100))
