"""The record of runs, kept by MLflow: what was trained, on what, by which code, and how well it did.

- ``training``: the run of a training
- ``evaluation``: the same run, found again by the weights it produced
- ``run``: what can be recorded; nothing that MLflow does wrong reaches the stage
- ``book``: the records of a process, kept on the disk and then sent
- ``spool``: what is kept, a folder for each process
- ``sender``: the thread that sends
- ``delivery``: what is sent, each record so that sending it again adds nothing
- ``opening``: which run of MLflow the records belong to
- ``publication``: a model in a folder, put into MLflow
- ``sync``: what earlier processes left, sent; ``sending``: the same for a person
- ``probe``: whether MLflow's store answers
- ``model``: a model in a folder, as MLflow keeps it
- ``network``: its network as one file that runs without TensorFlow
- ``preprocessing``: the code that prepares pictures, to go with it
- ``served``: the code that MLflow runs it by
- ``system``: what the machine does meanwhile
- ``store``: where runs are kept, and the experiment they belong to
- ``lineage``: the commit, the DVC hashes and the experiment that a run stands on
- ``process``: which process writes a run, and runs whose process is dead
- ``names``: names within MLflow's alphabet
- ``environment``: MLflow's settings while a run is open
"""

from pixmill.tracking.evaluation import evaluation_run
from pixmill.tracking.lineage import data_hashes
from pixmill.tracking.run import Run
from pixmill.tracking.sending import send_waiting
from pixmill.tracking.training import training_run

__all__ = ["Run", "data_hashes", "evaluation_run", "send_waiting", "training_run"]
