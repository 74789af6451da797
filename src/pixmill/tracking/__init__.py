"""The record of runs, kept by MLflow: what was trained, on what, by which code, and how well it did.

- ``training``: the run of a training
- ``evaluation``: the same run, found again by the weights it produced
- ``run``: what can be recorded; nothing that MLflow does wrong reaches the stage
- ``store``: where runs are kept, and the experiment they belong to
- ``lineage``: the commit, the DVC hashes and the experiment that a run stands on
- ``process``: which process writes a run, and runs whose process is dead
- ``names``: names within MLflow's alphabet
- ``environment``: MLflow's settings while a run is open
"""

from pixmill.tracking.evaluation import evaluation_run
from pixmill.tracking.lineage import data_hashes
from pixmill.tracking.run import Run
from pixmill.tracking.training import training_run

__all__ = ["Run", "data_hashes", "evaluation_run", "training_run"]
