"""The stage train: a classifier fitted to the packed images, the same bytes each time.

- ``training``: the stage's one function
- ``training_key``: what a training's weights depend on; ``checkpoints``: trainings kept by it, finished or not
- ``fitting``: epochs until it gets no better, in the precision that is faster
- ``steps``: one step of training, and the batches that it is given; ``strategy``: where it is computed
- ``history``: the figures of each epoch, and what follows from them
- ``interruption``: signals that end a training between two steps
- ``heads``: what is fitted to the features of a frozen backbone
- ``learning_curve``: the same model fitted to fewer images, to tell whether more would help
- ``folds``: the same model without a part of the images, to tell how much is luck
"""

from pixmill.train.checkpoints import OnEpoch
from pixmill.train.history import curves_csv
from pixmill.train.interruption import Interrupted
from pixmill.train.learning_curve import learning_curve_csv
from pixmill.train.strategy import is_chief
from pixmill.train.training import Trained, train

__all__ = ["Interrupted", "OnEpoch", "Trained", "curves_csv", "is_chief", "learning_curve_csv", "train"]
