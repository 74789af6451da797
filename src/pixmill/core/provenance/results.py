"""The code that determines each result, for ``pixmill.lock`` and cache keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from blake3 import blake3

import pixmill
from pixmill.core.files.workspace import STAGES
from pixmill.core.provenance.code import Modules, is_within

PARAMS = "pixmill.core.params"


@dataclass(frozen=True)
class Result:
    """The code that determines a result: entry modules and their imports, with exceptions.

    Args:
        entries: The modules that compute it.
        within: Packages and modules to consider; default: all but those that show results.
        without: Imported modules that do not affect it.
    """

    entries: tuple[str, ...]
    within: tuple[str, ...] = ("pixmill",)
    without: tuple[str, ...] = ()


SHOWING = (
    "pixmill.cli",
    "pixmill.pages",
    "pixmill.tracking",
    *(f"pixmill.{stage}.page" for stage in STAGES),
    "pixmill.models.mlflow_format",
)
"""Packages that show or record results."""

INDIFFERENT = (
    "pixmill.images.compute.cluster",
    "pixmill.core.files.cache",
    "pixmill.core.errors",
    "pixmill.core.process.lifetime",
    "pixmill.core.process.progress",
    "pixmill.core.files.workspace",
    "pixmill.core.install",
    "pixmill.core.provenance",
)
"""Modules that affect no result: errors, signals, progress, folders, plugins, caches."""

_SAVING = ("pixmill.models.classifier", "pixmill.models.model_folder")

RESULTS: Mapping[str, Result] = {
    # Outputs of stages, in pixmill.lock. Changed code never scrapes again, so scrape is missing
    # here.
    "validate": Result(("pixmill.validate.stage",)),
    "split": Result(("pixmill.split.stage",)),
    "train": Result(("pixmill.train.stage",)),
    "evaluate": Result(("pixmill.evaluate.stage",)),
    # Measurements of an image.
    "measures": Result(
        ("pixmill.validate.survey",),
        within=("pixmill.images", "pixmill.validate.survey"),
        without=("pixmill.images.compute",),
    ),
    # Near-duplicates of images.
    "likeness": Result(
        ("pixmill.images.likeness.neighbours",), within=("pixmill.images.likeness",)
    ),
    # Features from pixels; features from an exported network; weights of the classifier.
    "backbone": Result(
        ("pixmill.models.features",),
        within=("pixmill.models",),
        without=(*_SAVING, "pixmill.models.exported"),
    ),
    "features": Result(
        ("pixmill.models.features",),
        within=("pixmill.models.features", "pixmill.models.extraction"),
    ),
    # Value of a sweep's trial.
    "trials": Result(
        ("pixmill.train.trial", "pixmill.experiments.sweep.searching"),
        within=(
            "pixmill.metrics",
            "pixmill.train.trial",
            "pixmill.train.folds",
            "pixmill.experiments.sweep.searching",
        ),
    ),
    "weights": Result(
        ("pixmill.train.training",),
        within=("pixmill.images.parts", "pixmill.models", "pixmill.train"),
        without=(
            *_SAVING,
            "pixmill.models.litert_export",
            "pixmill.models.litert",
            "pixmill.train.checkpoints",
            "pixmill.train.learning_curve",
        ),
    ),
}


def code_of(name: str, modules: Modules) -> set[str]:
    """Return the modules that determine a result, without those of params.

    Args:
        name: One of :data:`RESULTS`.
        modules: The modules of ``pixmill``.
    """
    result = RESULTS[name]
    reached = modules.closure(
        result.entries,
        leave_out=lambda module: (
            module == "pixmill.core.process.stage" or is_within(module, *SHOWING, PARAMS)
        ),
    )
    return {
        module
        for module in reached - {"pixmill"}  # its version
        if is_within(module, *result.within)
        and not is_within(module, *INDIFFERENT, *result.without)
    }


@cache
def digest_code(name: str, package: Path = Path(pixmill.__file__).parent) -> str:
    """Return a digest of the code that determines a result, without comments and docstrings.

    >>> digest_code("features") != digest_code("backbone")
    True

    Args:
        name: One of :data:`RESULTS`.
        package: The folder ``pixmill``.

    Returns:
        64 hexadecimal digits.
    """
    modules = Modules(package)
    digest = blake3()
    for module in sorted(code_of(name, modules)):
        digest.update(f"{module}\n{modules.form(module)}\n".encode())
    return digest.hexdigest()
