"""Search for better params, ranked on validation.

Fits a model for each choice from `sweep` in params.yaml; by default a few params of
the current model. With frozen features a model takes seconds. Finished trials are
kept: the same command resumes after Ctrl-C. Writes reports/sweep.html.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pixmill.cli.parser import number, project_workspace
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import storage_errors
from pixmill.core.process.progress import announce, reporting
from pixmill.core.words import count

if TYPE_CHECKING:
    from pixmill.core.files.workspace import Workspace
    from pixmill.experiments.sweep.planning import Plan
    from pixmill.experiments.sweep.trial_store import SweepTrial

EXAMPLES = (
    ("pixmill sweep", "try 50 models, and rank them on validation"),
    ("pixmill sweep --show", "list the choices, and run nothing"),
    ("pixmill sweep --folds 5", "measure each by 5-fold cross-validation"),
    ("pixmill sweep --apply", "write the best params into params.yaml; then: dvc repro"),
    ("pixmill sweep --json | jq .best", ""),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    whole = number("a whole number of at least 1", int, 1)
    parser.add_argument(
        "--trials", type=whole, metavar="N", help="total number of models (default: sweep.trials)"
    )
    folds = number("a number of folds from 2 to 20", int, 2, 20)
    parser.add_argument(
        "--folds", type=folds, metavar="K", help="cross-validate each model (default: sweep.folds)"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--show", action="store_true", help="list the choices, and run nothing")
    instead.add_argument(
        "--apply",
        type=number("the number of a trial", int, 0),
        nargs="?",
        const=-1,
        metavar="N",
        help="write the params of trial N (default: the best) into params.yaml",
    )
    instead.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--open", action="store_true", help="open the page in your browser")


def run(arguments: argparse.Namespace) -> None:
    """Run the search, or show or apply its outcome."""
    import optuna  # noqa: F401 (fail first if it is missing)

    from pixmill.core.params import load_params
    from pixmill.experiments.sweep.planning import load_trial, lock_sweep, open_trials, plan_sweep

    workspace = project_workspace()
    params = load_params(workspace.root)
    if arguments.apply is not None:
        number = None if arguments.apply < 0 else arguments.apply
        _apply(workspace, load_trial(workspace, params, number, arguments.folds))
        return
    plan = plan_sweep(workspace, params, trials=arguments.trials, folds=arguments.folds)
    if arguments.show:
        from pixmill.experiments.sweep.report import describe_plan

        print(describe_plan(plan, len(open_trials(workspace, plan).load())))
        return
    again = plan.command + (f" --trials {arguments.trials}" if arguments.trials else "")
    with (
        storage_errors(then=f"{again} (finished trials are kept)"),
        lock_sweep(workspace),
        reporting("sweep", workspace.root, workspace.scratch("progress")),
    ):
        _search(workspace, plan, again, as_json=arguments.json)
    if arguments.open:
        import webbrowser

        webbrowser.open((workspace.root / "reports" / "sweep.html").as_uri())


def _search(workspace: Workspace, plan: Plan, again: str, *, as_json: bool) -> None:
    """Run the trials, print the result, and record it; ``again`` is the command that goes on."""
    from pixmill.core.files.writing import write_text
    from pixmill.experiments.sweep.outcome import outcome
    from pixmill.experiments.sweep.planning import open_trials
    from pixmill.experiments.sweep.report import record, render_sweep, sweep_json, sweep_text
    from pixmill.experiments.sweep.searching import search

    store = open_trials(workspace, plan)
    try:
        trials = search(workspace, plan)
    except KeyboardInterrupt:
        kept = count(len(store.load()), "finished trial is", "finished trials are")
        announce(f"sweep: interrupted; {kept} kept. To resume: {again}")
        raise
    images = store.images()
    if images is None or not plan.best(trials):
        raise PixmillError("no trial could be fitted", next=f"{plan.command} --show")
    found = outcome(plan, trials, images)
    page = render_sweep(found, workspace.root)
    (workspace.root / "reports").mkdir(exist_ok=True)
    write_text(workspace.root / "reports" / "sweep.html", page)
    print(
        sweep_json(found) if as_json else f"{sweep_text(found)}\nWritten: reports/sweep.html",
        flush=True,
    )
    if not store.is_recorded(len(trials)):
        record(workspace, found, page)


def _apply(workspace: Workspace, trial: SweepTrial) -> None:
    from pixmill.experiments.sweep.space import apply_trial

    with storage_errors(then="the same command"):
        changes = apply_trial(workspace, trial)
    if not changes:
        print(f"params.yaml already has the values of {trial.name}")
    print("\n".join([*changes, "Next: dvc repro"]))
