"""The record of runs, kept by MLflow: what was trained, on what, by which code, and how well it did.

A run is written to a folder when its stage ends, and made whole in MLflow from there. What MLflow does not take waits
in that folder for ``pixmill sync``. The stages import no more of this than they use.

- ``stages``: the run of a training, and of an evaluation, which finds its training by the weights
- ``run``: what can be recorded of either; a training's is shown in MLflow while it goes on
- ``epochs``: what a training tells while it goes on
- ``pending``: a run as files
- ``delivery``: the run in MLflow made whole from the files; doing it again adds nothing
- ``sync``: all runs that wait delivered, at the end of a stage and by ``pixmill sync``
- ``store``: where MLflow keeps runs, and whether it answers
- ``lineage``: the commit, the DVC hashes and the process that a run stands on
- ``model``: models as MLflow keeps them; ``standalone`` and ``served``: the code that goes with the classifier
"""
