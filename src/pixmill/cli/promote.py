"""Put a model into production.

Takes a model that keeps the limits and is better than the one in production, or the
same within the margin; an undecided one only if its own estimate is not lower.
Without a model in production, the limits alone decide. Registers it in MLflow and
moves the alias; a server of `pixmill serve --model models:/NAME@champion` follows.
Promotes the last commit, so the working tree must be clean. Writes
reports/promote.html and promote.md; promote-other.* for another commit, alias or name.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pixmill.cli.parser import project_workspace
from pixmill.core.errors import PixmillError
from pixmill.core.process.progress import announce

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.experiments.compare.comparison import Comparison

EXAMPLES = (
    ("pixmill promote", "promote the model of the last commit"),
    ("pixmill compare models:/garments@champion HEAD --gate", "preview the comparison"),
    ('pixmill promote --accept-undecided "new licence"', "take it although its estimate is lower"),
    (
        'pixmill promote --accept-removed-classes "the shop has no coats now"',
        "take it although it lacks classes",
    ),
    (
        'pixmill promote --force --because "the other has no licence"',
        "override a refusal by the numbers",
    ),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "revision",
        nargs="?",
        metavar="REV",
        help="a commit, branch, tag, experiment or models:/NAME/VERSION (default: HEAD)",
    )
    add_registry_options(parser)
    parser.add_argument(
        "--accept-undecided",
        "--accept-removed-classes",
        "--accept-rolled-back",
        dest="accept",
        metavar="WHY",
        help=(
            "promote although it is undecided and lower, lacks classes, or was rolled back; the "
            "reason is stored"
        ),
    )
    parser.add_argument(
        "--force", action="store_true", help="promote despite a refusal; needs --because"
    )
    parser.set_defaults(refuse=parser.error)


def add_registry_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that ``promote`` and ``rollback`` share."""
    parser.add_argument("--name", help="name of the registered model (default: the project's name)")
    parser.add_argument("--alias", default="champion", help="alias to move (default: champion)")
    parser.add_argument("--because", metavar="TEXT", help="reason, stored with the version")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> None:
    """Promote, and print the outcome."""
    from pixmill.core.params import load_params
    from pixmill.experiments.promotion.promoting import promote
    from pixmill.experiments.promotion.report import promotion_json
    from pixmill.tracking.delivery import pending_folders, sync

    because = _reason(arguments)
    workspace = project_workspace()
    if pending_folders(workspace.scratch("record")):
        announce(f"note: {sync(workspace).line()}")
    compared: list[Comparison] = []
    # `pixmill summary` takes promote.html for a decision on the last commit.
    is_last = (
        arguments.revision in (None, "HEAD")
        and arguments.alias == "champion"
        and arguments.name is None
    )
    stem = workspace.root / "reports" / ("promote" if is_last else "promote-other")
    for end in (".md", ".html"):
        stem.with_suffix(end).unlink(missing_ok=True)  # of an earlier call

    def show(comparison: Comparison) -> None:
        compared.append(comparison)
        if not arguments.json:
            result = f"{comparison.gate.result}"
            if not comparison.gate.rules:
                result += " (no limits apply: set compare.min in params.yaml)"
            print(f"{comparison.sentence}\nGate: {result}", flush=True)

    try:
        done = promote(
            workspace,
            load_params(workspace.root),
            arguments.revision,
            name=arguments.name,
            alias=arguments.alias,
            because=because,
            accept=arguments.accept is not None,
            force=arguments.force,
            show=show,
        )
    except PixmillError as error:
        if compared:
            _write(stem, compared[0], [f"{error.message[:1].upper()}{error.message[1:]}"])
        raise
    if compared:
        warnings = [f"Warning: {warning}" for warning in done.warnings]
        _write(stem, compared[0], [done.describe(), *warnings])
    print(promotion_json(done) if arguments.json else done.describe())
    for warning in done.warnings:
        announce(f"warning: {warning}")


def _reason(arguments: argparse.Namespace) -> str:
    """Return the reasons that were given; refuse an option that needs one."""
    given = [text.strip() for text in (arguments.because, arguments.accept) if text]
    because = "; ".join(filter(None, dict.fromkeys(given)))
    if (arguments.force or arguments.accept is not None) and not because:
        arguments.refuse(
            "--force needs --because, and --accept-undecided a reason, which is stored with the "
            "version"
        )
    return because


def _write(stem: Path, comparison: Comparison, outcome: list[str]) -> None:
    """Write the reports of the comparison, the text with the outcome first."""
    from pixmill.core.files.writing import storage_errors, write_text
    from pixmill.experiments.compare.page import write_reports
    from pixmill.experiments.compare.view import escape

    with storage_errors(then="pixmill compare"):
        stem.parent.mkdir(exist_ok=True)
        _, text, *_ = write_reports(comparison, stem.parent, stem.name)
        head = "\n\n".join(f"**{escape(line, 1000)}**" for line in outcome)
        write_text(text, f"{head}\n\n{text.read_text(encoding='utf-8')}")
