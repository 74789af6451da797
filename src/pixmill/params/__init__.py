"""The parameters of a run: ``params.yaml``, parsed whole and refused by name.

- ``section``, ``scrape``, ``train`` and ``sections``: one frozen class a section
- ``document``: reading the file
- ``refusal``: what a wrong key is told
"""

from pixmill.params.document import load_params, parse_params
from pixmill.params.scrape import SOURCES, FolderParams, KerasParams, ScrapeParams, UrlsParams
from pixmill.params.sections import EvaluateParams, Params, Severity, SplitParams, ValidateParams, flat
from pixmill.params.train import (
    AugmentationParams,
    BackboneParams,
    BlockParams,
    CnnParams,
    DenseParams,
    FeaturesParams,
    ScheduleParams,
    TrainParams,
)

__all__ = [
    "SOURCES",
    "AugmentationParams",
    "BackboneParams",
    "BlockParams",
    "CnnParams",
    "DenseParams",
    "EvaluateParams",
    "FeaturesParams",
    "FolderParams",
    "KerasParams",
    "Params",
    "ScheduleParams",
    "ScrapeParams",
    "Severity",
    "SplitParams",
    "TrainParams",
    "UrlsParams",
    "ValidateParams",
    "flat",
    "load_params",
    "parse_params",
]
