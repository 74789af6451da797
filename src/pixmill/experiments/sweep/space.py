"""What a sweep tries: a list or a range for each of some params."""

import contextlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import ParamsError
from pixmill.core.params import Params, RangeParams, check_space
from pixmill.train.training_key import deciding_params

if TYPE_CHECKING:
    from optuna.trial import Trial

Space = Mapping[str, RangeParams | tuple[Any, ...]]
"""What is tried of each param, by dotted name."""

_MODELS = 1000
"""Combinations of lists that are looked at to find out which params have an effect, and of a grid."""


def default_space(params: Params) -> dict[str, RangeParams | tuple[Any, ...]]:
    r"""Return what is tried where ``sweep.space`` names nothing: the params that matter most for the model at hand.

    >>> from pixmill.core.params import parse_params
    >>> params = parse_params("classes: [cat, dog]\nscrape: {snapshot: '2026-11-20'}\ntrain: {model: features}")
    >>> [*default_space(params)]
    ['train.features.head', 'train.features.inverse_regularization', 'train.features.layers']

    Args:
        params: The whole of ``params.yaml``.
    """
    space: dict[str, RangeParams | tuple[Any, ...]]
    if params.train.model == "features":
        space = {
            "train.features.head": ("logistic", "mlp"),
            "train.features.inverse_regularization": RangeParams(low=1e-4, high=1.0, log=True),
            "train.features.layers": ("auto", "top"),
        }
    elif params.train.model == "backbone":
        space = {
            "train.learning_rate": RangeParams(low=1e-5, high=1e-2, log=True),
            "train.backbone.rate_factor": RangeParams(low=0.01, high=1.0, log=True),
            "train.backbone.unfreeze": (0, 10, 20, "all"),
            "train.backbone.dropout": RangeParams(low=0.0, high=0.5),
            "train.label_smoothing": (0.0, 0.1),
        }
    else:
        space = {
            "train.learning_rate": RangeParams(low=1e-4, high=1e-2, log=True),
            "train.batch_size": (16, 32, 64),
            "train.augmentation.rotation": RangeParams(low=0.0, high=20.0),
            "train.augmentation.zoom": RangeParams(low=0.0, high=0.2),
            "train.augmentation.erasing": (0.0, 0.25),
            "train.label_smoothing": (0.0, 0.1),
        }
    return {name: values for name, values in space.items() if _is_allowed(params, name, values)}


def _is_allowed(params: Params, name: str, values: RangeParams | tuple[Any, ...]) -> bool:
    """Tell whether all values may be tried; a preset of KerasHub, for one, is not fine-tuned."""
    try:
        for value in (values.low, values.high) if isinstance(values, RangeParams) else values:
            params.changed({name: value})
    except ParamsError:
        return False
    return True


def check_searched(params: Params) -> Space:
    """Return what a sweep searches, checked.

    Args:
        params: The whole of ``params.yaml``.

    Raises:
        ParamsError: A param may not be searched, or has no effect on any of the models; a grid has a range; or a value
            is wrong.
    """
    check_space(params)
    space = {name: _of_kind(params, name, each) for name, each in (params.sweep.space or default_space(params)).items()}
    told = []
    used: set[str] = set()
    lists = {name: values for name, values in space.items() if not isinstance(values, RangeParams)}
    for chosen in itertools.islice(_products(lists), _MODELS):
        with contextlib.suppress(ParamsError):  # Such a trial fails, with its reason.
            used |= {*deciding_params(params.changed(chosen).train)}
    for name, values in space.items():
        if not any(f"train.{each}.".startswith(f"{name}.") for each in used):
            told.append(f"sweep.space.{name}: has no effect with train.model={params.train.model}")
        if params.sweep.sampler == "grid" and isinstance(values, RangeParams):
            told.append(f"sweep.space.{name}: a grid needs a list of values")
    if params.sweep.sampler == "grid" and math.prod(map(len, lists.values())) > _MODELS:
        told.append(f"sweep.space: a grid has at most {_MODELS:,} combinations; for more, set sweep.sampler to random")
    if told:
        raise ParamsError("\n".join(told), next="edit params.yaml, then: pixmill sweep --show")
    return space


def _of_kind(params: Params, name: str, values: RangeParams | tuple[Any, ...]) -> RangeParams | tuple[Any, ...]:
    """Return a range of real numbers where the param is real, however it is written: 0 to 30 degrees has 7.5, too."""
    if not isinstance(values, RangeParams) or not _is_allowed(params, name, ((values.low + values.high) / 2 + 0.25,)):
        return values
    return RangeParams(low=float(values.low), high=float(values.high), log=values.log)


def _products(lists: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    for chosen in itertools.product(*lists.values()):
        yield dict(zip(lists, chosen, strict=True))


def combinations(space: Space) -> list[dict[str, Any]]:
    """Return all combinations of a space of lists, as ``sampler: grid`` tries them."""
    return [*_products({name: values for name, values in space.items() if not isinstance(values, RangeParams)})]


def suggest(trial: "Trial", space: Space) -> dict[str, Any]:
    """Return the values that Optuna chooses for a trial, as params have them: real ones to four significant digits."""
    found: dict[str, Any] = {}
    for name, values in space.items():
        if not isinstance(values, RangeParams):
            # By their JSON text, since one may be a list itself.
            found[name] = json.loads(trial.suggest_categorical(name, [json.dumps(value) for value in values]))
        elif isinstance(values.low, int) and isinstance(values.high, int):
            found[name] = trial.suggest_int(name, values.low, values.high, log=values.log)
        else:
            value = trial.suggest_float(name, values.low, values.high, log=values.log)
            found[name] = min(max(float(f"{value:.4g}"), values.low), values.high)
    return found


def current_values(params: Params, space: Space) -> dict[str, Any]:
    """Return what the searched params are now."""
    found = {}
    for name in space:
        owner: Any = params.model_dump(mode="json", by_alias=True)
        for key in name.split("."):  # An item of a list of sections goes by its place.
            owner = owner[int(key) if isinstance(owner, list) else key]
        found[name] = owner
    return found
