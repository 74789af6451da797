"""The parameters of a run: ``params.yaml``, parsed whole and refused by name.

- ``sections``: one frozen class a section
- ``document``: reading the file
- ``refusal``: what a wrong key is told
"""

from pixmill.params.document import load_params, parse_params
from pixmill.params.sections import (
    AugmentationParams,
    CnnParams,
    EvaluateParams,
    Params,
    ScrapeParams,
    Severity,
    SplitParams,
    TrainParams,
    ValidateParams,
    flat,
)

__all__ = [
    "AugmentationParams",
    "CnnParams",
    "EvaluateParams",
    "Params",
    "ScrapeParams",
    "Severity",
    "SplitParams",
    "TrainParams",
    "ValidateParams",
    "flat",
    "load_params",
    "parse_params",
]
