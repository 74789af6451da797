r"""``params.yaml``: parsing, validation and typed sections.

- ``document``: the whole file, and values by dotted name
- ``models``: what ``train.model`` selects
- ``sections``, ``scrape``, ``train``, ``validate``, ``compare`` and ``sweep``: one frozen class per
  section
- ``yaml_text``: YAML as DVC reads it
- ``refusal``: messages about wrong keys and values

To add a parameter:

1. Add a field with limits, a description and an example to its section.
2. Run ``make reference``, which writes ``docs/reference/params.md`` and its JSON Schema.
3. Pass it from ``<stage>/stage.py`` to the library as a typed argument.
4. Test a value that must be refused; run ``dvc repro`` and commit the results.

Add it to ``params.yaml`` only if most projects set it. Omitted keys have their defaults:

>>> params = parse_params("classes: [cat, dog]\nscrape: {source: folder, snapshot: '2026-11-20'}")
>>> params.split.image_size
224
"""

from pixmill.core.params.compare import CompareParams
from pixmill.core.params.document import (
    Params,
    check_space,
    flat,
    load_params,
    parse_overrides,
    parse_params,
)
from pixmill.core.params.models import (
    BackboneModel,
    BackboneParams,
    BlockParams,
    CnnModel,
    CnnParams,
    DenseParams,
    FeatureModel,
    FeaturesParams,
    Model,
)
from pixmill.core.params.scrape import SOURCES, FolderParams, KerasParams, ScrapeParams, UrlsParams
from pixmill.core.params.sections import EvaluateParams, Severity, SplitParams
from pixmill.core.params.sweep import RangeParams, SweepParams
from pixmill.core.params.train import AugmentationParams, ScheduleParams, TrainParams
from pixmill.core.params.validate import ValidateParams
from pixmill.core.params.yaml_text import parse_yaml, read_text

__all__ = [
    "SOURCES",
    "AugmentationParams",
    "BackboneModel",
    "BackboneParams",
    "BlockParams",
    "CnnModel",
    "CnnParams",
    "CompareParams",
    "DenseParams",
    "EvaluateParams",
    "FeatureModel",
    "FeaturesParams",
    "FolderParams",
    "KerasParams",
    "Model",
    "Params",
    "RangeParams",
    "ScheduleParams",
    "ScrapeParams",
    "Severity",
    "SplitParams",
    "SweepParams",
    "TrainParams",
    "UrlsParams",
    "ValidateParams",
    "check_space",
    "flat",
    "load_params",
    "parse_overrides",
    "parse_params",
    "parse_yaml",
    "read_text",
]
