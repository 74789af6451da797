"""Build a ranking of models."""

import pandas as pd

from pixmill.experiments.compare.ranking import Planned, RankedModel, Ranking
from pixmill.experiments.compare.trained_models import TrainedModel
from pixmill.metrics.many_models import Gap
from pixmill.tracking.run_lookup import MlflowRun


def model(name: str, *, kind: str = "run", seed: int = 0, **over) -> TrainedModel:
    """Return a model; all kinds except experiments have a run."""
    url = f"http://127.0.0.1:5000/#/experiments/1/runs/{name}"
    run = MlflowRun(name, name, url, 60.0, None, {}, command="mlflow ui")
    facts = {
        "revision": name if kind == "experiment" else f"runs:/{name}",
        "started": 1_790_000_000.0,
        "weights": name,
        "commit": "0123456789abcdef" * 2 + "01234567",
        "params": {"train.seed": seed},
        "recipe": None,
        "seconds": 60.0,
        "megabytes": 14.25,
        "run": None if kind == "experiment" else run,
        "predictions": pd.DataFrame(),
    }
    return TrainedModel(name=name, kind=kind, **{**facts, **over})


def ranking(**over) -> Ranking:
    """Return a ranking with three rows, three seeds of the second, and an incomparable model."""
    seeds = tuple((model(f"small-{seed}", seed=seed), 0.9 - seed / 100) for seed in range(3))
    rows = (
        RankedModel(
            model("wide"),
            ((model("wide"), 0.912),),
            params={"train.epochs": 30, "train.model": "cnn"},
            n=240,
            value=0.912,
            low=0.88,
            high=0.94,
            gap=Gap(0.0, None, None, 1.0, worse=False),
        ),
        RankedModel(
            seeds[0][0],
            seeds,
            "many",
            params={"train.epochs": 9, "train.model": "cnn"},
            n=240,
            value=0.89,
            low=0.86,
            high=0.92,
            gap=Gap(-0.022, -0.06, 0.016, 0.31, worse=False),
        ),
        RankedModel(
            model("<b>poor", kind="experiment", seconds=None, megabytes=None),
            ((model("<b>poor", kind="experiment"), 0.5),),
            "same",
            params={"train.model": "features"},
            n=240,
            value=0.5,
            low=0.45,
            high=0.55,
            gap=Gap(-0.412, -0.5, -0.3, 0.001, worse=True),
        ),
    )
    other = RankedModel(
        model("other"), why="its classes differ: only it has <i>parka", params=rows[0].params
    )
    planned = Planned(
        "main (1a2b3c4 First results)",
        "wide",
        "Same: all the same.",
        "pixmill compare main runs:/wide",
    )
    given = {
        "others": (other,),
        "planned": planned,
        "left_out": False,
        "limit": 500,
        "notes": (),
        "command": "mlflow ui",
    }
    return Ranking("macro_f1", 0.95, rows, **{**given, **over})
