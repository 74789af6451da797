"""Write the values of a trial into ``params.yaml``, and keep its comments."""

from collections.abc import Mapping, Sequence
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import write_text
from pixmill.core.params import Params, parse_params, read_text
from pixmill.core.params.reference import plain
from pixmill.core.params.yaml_text import dump_commented, load_commented
from pixmill.experiments.sweep.space import current_values
from pixmill.experiments.sweep.trial_store import SweepTrial
from pixmill.train.checkpoints import pin


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
            "there are no trials of these images, params and code yet", next=f"{command}, then repeat the command"
        )
    if number is None:
        return trials[0]
    found = next((trial for trial in trials if trial.number == number), None)
    if found is None:
        raise PixmillError(f"there is no complete trial {number}", next=f"{command} lists the best trials")
    return found


def apply_trial(workspace: Workspace, trial: SweepTrial) -> list[str]:
    """Write the values of a complete trial into ``params.yaml``, and pin its weights for ``dvc repro`` to reuse.

    Returns:
        One line per change: ``train.features.head: logistic → mlp``.
    """
    path = workspace.root / "params.yaml"
    text = read_text(path)
    params = parse_params(text)
    now = current_values(params, trial.values)
    changes = {name: value for name, value in trial.values.items() if value != now[name]}
    changed = _with_values(text, changes, params.changed(trial.values)) if changes else text
    parse_params(changed)
    pin(workspace.scratch("train") / "checkpoints", "applied", [trial.key])
    if changes:
        write_text(path, changed)
    return [f"{name}: {plain(now[name])} → {plain(value)}" for name, value in changes.items()]


def _with_values(text: str, values: Mapping[str, Any], params: Params) -> str:
    """Return the text of a params file with changed values; missing sections are taken from ``params``."""
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
