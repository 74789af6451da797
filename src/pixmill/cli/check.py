"""Check params.yaml, and the local images, lists and sites that it names.

In a project, also checks that the installed Pixmill is the one of pixmill.lock.
Exits 1 where a run would stop.
"""

import argparse

from pixmill.cli.parser import project_root
from pixmill.core.errors import DataError
from pixmill.core.process.progress import announce

EXAMPLES = (("pixmill check", "check params.yaml, and the images and lists that it names"),)


def run(_: argparse.Namespace) -> None:
    """Print the classes and sources, and what is amiss; exit 1 where a run would stop."""
    from pixmill.core.params import load_params
    from pixmill.core.provenance.lock import check_code, installed_lock, other_libraries, read_lock
    from pixmill.core.repository.uncommitted import describe_uncommitted
    from pixmill.images.compute.cluster import cluster_address
    from pixmill.pages import shorten
    from pixmill.project.doctor.machine import check_path
    from pixmill.project.recipes import find_issues
    from pixmill.review.recovery import describe_missing

    root = project_root()
    if (lock := read_lock(root)) is not None:
        installed = installed_lock()
        check_code(lock, installed)
        if lock.version != installed.version:
            same = f"pixmill {installed.version} gives the same results as {lock.version}"
            announce(f"note: {same}; to adapt the project: pixmill upgrade")
        if (libraries := other_libraries(lock, installed)) is not None:
            announce(f"warning: {libraries[0]}\nNext: {libraries[1]}")
    params = load_params(root)
    if params.sweep.space or params.sweep.sampler == "grid":
        from pixmill.experiments.sweep.space import check_searched

        check_searched(params)
    cluster_address()
    print(
        f"params.yaml is valid: {len(params.classes)} classes ({shorten(', '.join(params.classes), 300)}); "
        f"images from {', '.join(params.sources())}"
    )
    if (missing := describe_missing(root)) is not None:
        announce("\n".join([*(f"warning: {line}" for line in missing[0]), f"Next: {missing[1]}"]))
    if (described := describe_uncommitted(root)) is not None:
        announce(f"note: {described[0]}\nNext: {described[1]}")
    found = list(find_issues(root, params))
    for issue in found:
        if not issue.stops:
            announce(f"warning: {issue}")
    path = check_path()
    if path.next is not None:
        announce(f"warning: {path.message}\nNext: {path.next}")
    if stopping := [issue for issue in found if issue.stops]:
        raise DataError(
            "\n".join(issue.message for issue in stopping),
            next="; ".join(dict.fromkeys(issue.next for issue in stopping if issue.next)) or None,
        )
