"""What a sweep tries: a list or a range for each of some params."""

import contextlib
import itertools
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import ParamsError
from pixmill.core.params import Params, RangeParams, check_space, flat
from pixmill.train.training_key import deciding_params

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

Space = Mapping[str, RangeParams | tuple[Any, ...]]
"""What is tried of each param, by dotted name."""


_MODELS = 1000
"""Combinations of lists that are looked at to find out which params have an effect."""


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
        for value in ends(values):
            params.changed({name: value})
    except ParamsError:
        return False
    return True


def with_kinds(params: Params, space: Space) -> Space:
    """Return the space with ranges of real numbers where the params are real: 0 to 30 degrees has 7.5, too."""

    def kind(name: str, values: RangeParams | tuple[Any, ...]) -> RangeParams | tuple[Any, ...]:
        if not isinstance(values, RangeParams) or not is_whole(values):
            return values
        real = RangeParams(low=float(values.low), high=float(values.high), log=values.log)
        return real if _is_allowed(params, name, ((values.low + values.high) / 2 + 0.25,)) else values

    return {name: kind(name, values) for name, values in space.items()}


def check_searched(params: Params) -> Space:
    """Return what a sweep searches, checked.

    Args:
        params: The whole of ``params.yaml``.

    Raises:
        ParamsError: A param may not be searched, has no effect on any of the models, or is real in a grid; or a value
            is wrong.
    """
    check_space(params)
    space = with_kinds(params, params.sweep.space or default_space(params))
    told = []
    lists = {name: values for name, values in space.items() if not isinstance(values, RangeParams)}
    used: set[str] = set()
    for chosen in itertools.islice(itertools.product(*lists.values()), _MODELS):
        with contextlib.suppress(ParamsError):  # Such a trial fails, with its reason.
            used |= {*deciding_params(params.changed(dict(zip(lists, chosen, strict=True))).train)}
    for name in space:
        if name.startswith("train.") and not any(f"train.{each}.".startswith(f"{name}.") for each in used):
            told.append(f"sweep.space.{name}: has no effect with train.model={params.train.model}")
    if params.sweep.sampler == "grid":
        told += [
            f"sweep.space.{name}: a grid needs a list, since this is a real number"
            for name, values in space.items()
            if isinstance(values, RangeParams) and not is_whole(values)
        ]
    if told:
        raise ParamsError("\n".join(told), next="edit params.yaml, then: pixmill sweep --show")
    return space


def ends(values: RangeParams | tuple[Any, ...]) -> tuple[Any, ...]:
    """Return both ends of a range, or all items of a list."""
    return (values.low, values.high) if isinstance(values, RangeParams) else values


def is_whole(values: RangeParams) -> bool:
    """Tell whether a range is one of whole numbers."""
    return isinstance(values.low, int) and isinstance(values.high, int)


def combinations(space: Space) -> int | None:
    """Return how many combinations there are; ``None`` where a range of real numbers makes them countless."""
    counts = []
    for values in space.values():
        if not isinstance(values, RangeParams):
            counts.append(len(values))
        elif is_whole(values):
            counts.append(int(values.high - values.low) + 1)
        else:
            return None
    return math.prod(counts)


def distributions(space: Space) -> dict[str, "BaseDistribution"]:
    """Return the space as Optuna has it; an item of a list goes by its JSON text, since it may be a list itself."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, values in space.items():
        if not isinstance(values, RangeParams):
            found[name] = CategoricalDistribution([_text(value) for value in values])
        elif is_whole(values):
            found[name] = IntDistribution(int(values.low), int(values.high), log=values.log)
        else:
            found[name] = FloatDistribution(float(values.low), float(values.high), log=values.log)
    return found


def suggest(trial: "Trial", space: Space) -> dict[str, Any]:
    """Return the values that Optuna chooses for a trial, as params have them."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    for name, each in distributions(space).items():
        if isinstance(each, CategoricalDistribution):
            trial.suggest_categorical(name, each.choices)
        elif isinstance(each, IntDistribution):
            trial.suggest_int(name, each.low, each.high, log=each.log)
        else:
            trial.suggest_float(name, each.low, each.high, log=each.log)  # type: ignore[attr-defined]
    return from_optuna(space, trial.params)


def from_optuna(space: Space, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return values that Optuna chose as params have them: real numbers to four significant digits."""
    found = {}
    for name, value in chosen.items():
        values = space[name]
        if not isinstance(values, RangeParams):
            found[name] = json.loads(value)
        else:
            found[name] = value if is_whole(values) else min(max(float(f"{value:.4g}"), values.low), values.high)
    return found


def to_optuna(space: Space, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return values as Optuna has them; ``None`` if one is outside of the space."""
    found = {}
    for name, allowed in space.items():
        value = values[name]
        if isinstance(allowed, RangeParams):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and allowed.low <= value <= allowed.high):
                return None
            found[name] = value
        else:
            found[name] = _text(value)
            if found[name] not in map(_text, allowed):
                return None
    return found


def current_values(params: Params, space: Space) -> dict[str, Any]:
    """Return what the searched params are now."""
    content, every = params.model_dump(mode="json", by_alias=True), flat(params.model_dump(mode="json", by_alias=True))
    found = {}
    for name in space:
        if name in every:
            found[name] = every[name]
            continue
        owner: Any = content  # A list of sections, whose items have names of their own.
        for key in name.split("."):
            owner = owner[int(key) if isinstance(owner, list) else key]
        found[name] = owner
    return found


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
