"""The parameters of a run: ``params.yaml``, parsed whole and refused by name.

- ``document``: the whole file, and its values by dotted name
- ``sections``, ``scrape``, ``train``, ``validate`` and ``review``: one frozen class a section
- ``reading``: YAML as DVC reads it
- ``refusal``: what a wrong key is told
"""

from pixmill.core.params.document import Params, flat, load_params, parse_overrides, parse_params
from pixmill.core.params.reading import parse_yaml, read_text
from pixmill.core.params.review import ReviewParams
from pixmill.core.params.scrape import SOURCES, FolderParams, KerasParams, ScrapeParams, UrlsParams
from pixmill.core.params.sections import EvaluateParams, Severity, SplitParams
from pixmill.core.params.train import (
    AugmentationParams,
    BackboneParams,
    BlockParams,
    CnnParams,
    DenseParams,
    FeaturesParams,
    ScheduleParams,
    TrainParams,
)
from pixmill.core.params.validate import ValidateParams

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
    "ReviewParams",
    "ScheduleParams",
    "ScrapeParams",
    "Severity",
    "SplitParams",
    "TrainParams",
    "UrlsParams",
    "ValidateParams",
    "flat",
    "load_params",
    "parse_overrides",
    "parse_params",
    "parse_yaml",
    "read_text",
]
