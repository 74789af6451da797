"""What a model answers about an image: one class, or yes or no for each label.

Stages, pages, sweeps, comparisons and exports ask a head instead of the name of a task.

- ``head``: the interface, with when each method is called
- ``one_label``: one class an image, by softmax
- ``cells``: yes or no for each label, by sigmoid; unknown cells have no weight
- ``heads``: the head of a task
"""

from pixmill.heads.head import Answer, Calibrated, Fit, Head
from pixmill.heads.heads import ONE_LABEL, head_of

__all__ = ["ONE_LABEL", "Answer", "Calibrated", "Fit", "Head", "head_of"]
