"""A trial's values in ``params.yaml``, with its comments kept."""

from collections.abc import Mapping
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import write_text
from pixmill.core.params import Params, parse_params, read_text
from pixmill.core.params.reference import plain
from pixmill.core.params.yaml_text import dump_commented, load_commented
from pixmill.experiments.sweep.planning import Plan, open_trials
from pixmill.experiments.sweep.space import current_values
from pixmill.experiments.sweep.trial_store import SweepTrial
from pixmill.train.checkpoints import pin


def find_trial(workspace: Workspace, plan: Plan, number: int | None) -> SweepTrial:
    """Return a complete trial of a sweep by its number; default: the best.

    Raises:
        PixmillError: There is no such trial.
    """
    trials = open_trials(workspace, plan).load()
    best = plan.best(trials)
    if not best:
        raise PixmillError(
            "there are no trials of these images, params and code yet", next=f"{plan.command}, then repeat the command"
        )
    if number is None:
        return best[0]
    found = next((trial for trial in best if trial.number == number), None)
    if found is None:
        raise PixmillError(f"there is no complete trial {number}", next=f"{plan.command} lists the best trials")
    return found


def apply_trial(workspace: Workspace, plan: Plan, trial: SweepTrial) -> list[str]:
    """Write a trial's values into ``params.yaml``, and keep its weights, so that ``dvc repro`` reuses them.

    Args:
        workspace: The project's workspace.
        plan: The sweep's.
        trial: The trial, complete.

    Returns:
        Each change in a line: ``train.features.head: logistic → mlp``.
    """
    path = workspace.root / "params.yaml"
    text = read_text(path)
    now = current_values(parse_params(text), plan.space)
    wanted = parse_params(text).changed(trial.values)
    changes = {name: value for name, value in trial.values.items() if value != now[name]}
    changed = _with_values(text, changes, wanted) if changes else text
    parse_params(changed)
    pin(workspace.scratch("train") / "checkpoints", "applied", [trial.key])
    if changes:
        write_text(path, changed)
    return [f"{name}: {plain(now[name])} → {plain(value)}" for name, value in changes.items()]


def _with_values(text: str, values: Mapping[str, Any], params: Params) -> str:
    """Return a params file with other values, of which these params are the whole; comments stay."""
    content = load_commented(text)
    for name, value in values.items():
        *sections, key = name.split(".")
        owner, full = content, params.model_dump(mode="json", by_alias=True)
        for section in sections:
            full = full[int(section) if isinstance(full, list) else section]
            if isinstance(owner, list):
                owner = owner[int(section)]
                continue
            if owner.get(section) is None:
                owner[section] = full if isinstance(full, list) else {}
            owner = owner[section]
        owner[int(key) if isinstance(owner, list) else key] = value
    return dump_commented(content)
