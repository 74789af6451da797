"""Which code decides which result: one table, for ``pixmill.lock``, ``dvc.yaml`` and the keys of caches."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from blake3 import blake3

import pixmill
from pixmill.core.provenance.modules import Modules, is_within

PARAMS = "pixmill.core.params"


@dataclass(frozen=True)
class Result:
    """What decides a result: its entry modules and all that they import, but for what is left out.

    Args:
        entries: The modules where its computation begins.
        within: Packages and modules outside of which nothing decides it; default: all but those that show results.
        without: Modules that are imported and do not affect it.
    """

    entries: tuple[str, ...]
    within: tuple[str, ...] = ("pixmill",)
    without: tuple[str, ...] = ()


SHOWING = (
    "pixmill.cli",
    "pixmill.pages",
    "pixmill.tracking",
    *(f"pixmill.{stage}.page" for stage in ("scrape", "validate", "split", "train", "evaluate")),
    "pixmill.models.mlflow_format",
)
"""Packages that show or record results."""

INDIFFERENT = (
    "pixmill.images.compute.cluster",
    "pixmill.images.compute.node",
    "pixmill.core.files.cache",
    "pixmill.core.errors",
    "pixmill.core.process.lifetime",
    "pixmill.core.process.progress",
    "pixmill.core.process.stage_progress",
    "pixmill.core.files.workspace",
    "pixmill.core.install",
    "pixmill.core.provenance",
)
"""Modules that affect no result: they word errors, handle signals, show progress, find folders and plugins, keep what
was computed, or bring rows to a pass and its results back."""

_SEARCH = ("groups", "index", "neighbours", "similarity")
_SAVING = ("pixmill.models.classifier", "pixmill.models.model_folder")

RESULTS: Mapping[str, Result] = {
    # The outputs of stages, in pixmill.lock. Scrape is not here: no change of code visits a site again.
    "validate": Result(("pixmill.validate.stage",)),
    "split": Result(("pixmill.split.stage",)),
    "train": Result(("pixmill.train.stage",)),
    "evaluate": Result(("pixmill.evaluate.stage",)),
    # What validate measures of an image.
    "measures": Result(
        ("pixmill.validate.survey",),
        within=("pixmill.images", "pixmill.validate.survey"),
        without=(
            "pixmill.images.compute",
            "pixmill.images.fit",
            *(f"pixmill.images.likeness.{name}" for name in _SEARCH),
        ),
    ),
    # What a backbone makes of pixels; from a network in one file that follows from no code of ours; the weights.
    "backbone": Result(
        ("pixmill.models.features",),
        within=("pixmill.models",),
        without=(*_SAVING, "pixmill.models.exported"),
    ),
    "features": Result(("pixmill.models.features",), within=("pixmill.models.features", "pixmill.models.extraction")),
    # What a trial of a sweep is worth.
    "trials": Result(
        ("pixmill.train.trial", "pixmill.experiments.sweep.searching"),
        within=("pixmill.metrics", "pixmill.train.trial", "pixmill.train.folds", "pixmill.experiments.sweep.searching"),
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
            "pixmill.train.regularization",
        ),
    ),
}


def code_of(name: str, modules: Modules) -> set[str]:
    """Return the modules that decide a result, besides params.

    Args:
        name: One of :data:`RESULTS`.
        modules: Those of ``pixmill``.
    """
    result = RESULTS[name]
    # What every stage is run by is not what one does.
    reached = modules.closure(
        result.entries,
        leave_out=lambda module: module == "pixmill.core.process.stage" or is_within(module, *SHOWING, PARAMS),
    )
    return {
        module
        for module in reached - {"pixmill"}  # its version
        if is_within(module, *result.within) and not is_within(module, *INDIFFERENT, *result.without)
    }


@cache
def digest_code(name: str, package: Path = Path(pixmill.__file__).parent) -> str:
    """Return a digest of the code that decides a result; comments, docstrings and layout do not change it.

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
