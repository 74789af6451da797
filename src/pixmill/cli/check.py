"""Check params.yaml and the local files that it names.

Also checks that the installed Pixmill matches pixmill.lock, and warns of
uncommitted or missing images and decisions. Exits 1 if a run would stop.
"""

import argparse
import os

from pixmill.cli.parser import project_root
from pixmill.core.errors import DataError
from pixmill.core.process.progress import announce


def run(_: argparse.Namespace) -> None:
    """Print classes, sources and problems; exit 1 if a run would stop."""
    from pixmill.core.params import load_params
    from pixmill.core.repository.merging import merge_problem
    from pixmill.core.words import shorten
    from pixmill.project.doctor import CHECKS, check_path
    from pixmill.project.next_steps import next_steps
    from pixmill.project.recipes.preflight import find_issues
    from pixmill.project.state import read_project_state

    root = project_root()
    state = read_project_state(root, stages=False, full=False)
    if state.repository.conflicts:
        step = next_steps(state)[0]
        raise DataError(step.sentence, next=step.command)
    # Nobody merges in CI.
    if not ("CI" in os.environ or "Git" in state.faults) and (problem := merge_problem(root)):
        announce(f"note: {problem[0]}\nNext: {problem[1]}")
    for finding in (check_path(), *CHECKS["code"](root)):
        if finding.next is not None:
            announce(f"warning: {finding.message}\nNext: {finding.next}")
    params = load_params(root)
    if params.sweep.space or params.sweep.sampler == "grid":
        from pixmill.experiments.sweep.space import check_searched

        check_searched(params)
    if "PIXMILL_COMPUTE" in os.environ:
        from pixmill.images.compute.cluster import cluster_address

        cluster_address()
    print(
        f"params.yaml is valid: {len(params.classes)} classes "
        f"({shorten(', '.join(params.classes), 300)}); "
        f"images from {', '.join(params.sources())}"
    )
    if "data" in state.faults:
        raise DataError(state.faults["data"], next=state.fixes.get("data"))
    for part, fault in state.faults.items():
        announce(
            f"warning: {part}: {fault}"
            + (f"\nNext: {state.fixes[part]}" if part in state.fixes else "")
        )
    if state.missing is not None:
        announce(
            "\n".join(
                [*(f"warning: {line}" for line in state.missing[0]), f"Next: {state.missing[1]}"]
            )
        )
    if state.commit is not None:
        announce(f"note: {state.repository.uncommitted.sentence}\nNext: {state.commit}")
    if state.series is not None:
        announce(f"warning: {state.series}")
    found = list(find_issues(root, params))
    for issue in found:
        if not issue.stops:
            announce(f"warning: {issue}")
    if stopping := [issue for issue in found if issue.stops]:
        raise DataError(
            "\n".join(issue.message for issue in stopping),
            next="; ".join(dict.fromkeys(issue.next for issue in stopping if issue.next)) or None,
        )
