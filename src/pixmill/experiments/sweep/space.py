"""The search space of a sweep, a list or a range of values per param.

And the values of a trial in ``params.yaml``.
"""

import contextlib
import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import ParamsError, PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import write_text
from pixmill.core.params import Params, RangeParams, check_space, parse_params, read_text
from pixmill.core.params.document import edit_params, item_of
from pixmill.core.params.models import Space
from pixmill.core.params.reference import plain
from pixmill.experiments.sweep.trial_store import SweepTrial
from pixmill.train.checkpoints import pin
from pixmill.train.training_key import deciding_params

if TYPE_CHECKING:
    from optuna.trial import Trial

_MAX_COMBINATIONS = 1000
"""Combinations of a grid, and combinations that are checked to find the params that have an effect.
"""


def default_space(params: Params) -> dict[str, RangeParams | tuple[Any, ...]]:
    r"""Return the default search space of ``train.model``, for an empty ``sweep.space``.

    >>> from pixmill.core.params import parse_params
    >>> text = "classes: [cat, dog]\nscrape: {snapshot: '2026-11-20'}\ntrain: {model: features}"
    >>> params = parse_params(text)
    >>> [*default_space(params)]
    ['train.features.inverse_regularization', 'train.features.layers']

    Args:
        params: All params of ``params.yaml``.
    """
    space = params.train.kind.space()
    return {name: values for name, values in space.items() if _is_allowed(params, name, values)}


def _is_allowed(params: Params, name: str, values: RangeParams | tuple[Any, ...]) -> bool:
    """Return whether params accept all values.

    For example, KerasHub presets cannot be fine-tuned.
    """
    try:
        for value in (values.low, values.high) if isinstance(values, RangeParams) else values:
            params.changed({name: value})
    except ParamsError:
        return False
    return True


def check_searched(params: Params) -> Space:
    """Return the validated search space.

    Args:
        params: All params of ``params.yaml``.

    Raises:
        ParamsError: A param cannot be searched or has no effect on any of the models, a grid has a
            range, or a value is invalid.
    """
    check_space(params)
    space = {
        name: _as_floats(params, name, each)
        for name, each in (params.sweep.space or default_space(params)).items()
    }
    faults = _find_faults(params, space)
    if faults:
        raise ParamsError("\n".join(faults), next="edit params.yaml, then: pixmill sweep --show")
    return space


def _find_faults(params: Params, space: Space) -> list[str]:
    used: set[str] = set()
    for chosen in itertools.islice(combinations(space), _MAX_COMBINATIONS):
        with contextlib.suppress(ParamsError):  # An invalid combination becomes a failed trial.
            used |= {*deciding_params(params.changed(chosen).train)}
    is_grid = params.sweep.sampler == "grid"
    size = 1
    faults = []
    for name, values in space.items():
        if not any(f"train.{each}.".startswith(f"{name}.") for each in used):
            faults.append(
                f"sweep.space.{name}: has no effect with train.model={params.train.model}"
            )
        if not isinstance(values, RangeParams):
            size *= len(values)
        elif is_grid:
            faults.append(f"sweep.space.{name}: a grid needs a list of values")
    if is_grid and size > _MAX_COMBINATIONS:
        faults.append(
            f"sweep.space: a grid has at most {_MAX_COMBINATIONS:,} combinations; for more, set "
            "sweep.sampler to random"
        )
    return faults


def _as_floats(
    params: Params, name: str, values: RangeParams | tuple[Any, ...]
) -> RangeParams | tuple[Any, ...]:
    """Return a range of integers as one of floats for a float: 0 to 30 degrees includes 7.5."""
    if not isinstance(values, RangeParams) or not _is_allowed(
        params, name, ((values.low + values.high) / 2 + 0.25,)
    ):
        return values
    return RangeParams(low=float(values.low), high=float(values.high), log=values.log)


def combinations(space: Space) -> Iterator[dict[str, Any]]:
    """Yield all combinations of the lists of a space, for ``sampler: grid``."""
    lists = {name: values for name, values in space.items() if not isinstance(values, RangeParams)}
    for chosen in itertools.product(*lists.values()):
        yield dict(zip(lists, chosen, strict=True))


def suggest(trial: "Trial", space: Space) -> dict[str, Any]:
    """Return the values that Optuna suggests for a trial; floats have four significant digits."""
    found: dict[str, Any] = {}
    for name, values in space.items():
        if not isinstance(values, RangeParams):
            # As JSON text, since a value may be a list.
            found[name] = json.loads(
                trial.suggest_categorical(name, [json.dumps(value) for value in values])
            )
        elif isinstance(values.low, int) and isinstance(values.high, int):
            found[name] = trial.suggest_int(name, values.low, values.high, log=values.log)
        else:
            value = trial.suggest_float(name, values.low, values.high, log=values.log)
            found[name] = min(max(float(f"{value:.4g}"), values.low), values.high)
    return found


def current_values(params: Params, names: Iterable[str]) -> dict[str, Any]:
    """Return the current values of params by dotted name."""
    content = params.model_dump(mode="json", by_alias=True)
    return {name: functools.reduce(item_of, name.split("."), content) for name in names}


def find_trial(trials: Sequence[SweepTrial], number: int | None, *, command: str) -> SweepTrial:
    """Return a complete trial by its number.

    Args:
        trials: The complete trials of the sweep, best first.
        number: Default: that of the best.
        command: Command that runs the sweep.

    Raises:
        PixmillError: There is no such trial.
    """
    if not trials:
        raise PixmillError(
            "there are no trials of these images, params and code yet",
            next=f"{command}, then repeat the command",
        )
    if number is None:
        return trials[0]
    found = next((trial for trial in trials if trial.number == number), None)
    if found is None:
        raise PixmillError(
            f"there is no complete trial {number}", next=f"{command} lists the best trials"
        )
    return found


def apply_trial(workspace: Workspace, trial: SweepTrial) -> list[str]:
    """Write the values of a trial into ``params.yaml``, and pin its weights for ``dvc repro``.

    Returns:
        One line per change: ``train.features.head: logistic → mlp``.
    """
    path = workspace.root / "params.yaml"
    text = read_text(path)
    params = parse_params(text)
    changes = describe_changes(params, trial)
    wanted = params.model_copy(update={"train": params.changed(trial.values).train})
    changed = edit_params(text, wanted, otherwise="set the values yourself") if changes else text
    pin(workspace.scratch("train") / "checkpoints", "applied", [trial.key])
    if changes:
        write_text(path, changed)
    return changes


def describe_changes(params: Params, trial: SweepTrial) -> list[str]:
    """Return what :func:`apply_trial` changes, one line for each param."""
    now = current_values(params, trial.values)
    return [
        f"{name}: {plain(now[name])} → {plain(value)}"
        for name, value in trial.values.items()
        if value != now[name]
    ]
