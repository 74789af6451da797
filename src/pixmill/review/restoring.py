"""Put back what was decided and has vanished from ``data/`` or ``review.csv`` before a commit held it."""

from dataclasses import replace

from pixmill.core.dvc import add_data
from pixmill.core.errors import DataError
from pixmill.core.files import storage_errors, write_durably, write_text
from pixmill.core.params import Params
from pixmill.core.progress import announce
from pixmill.core.words import count
from pixmill.core.workspace import Workspace
from pixmill.images import UndecodableError, read_verified
from pixmill.review.decision_log import Accepted, Changed, DecisionLog
from pixmill.review.examining import describe_state, examine
from pixmill.review.review_file import lock_decisions
from pixmill.serve.inbox import Entry, Inbox
from pixmill.state.uncommitted import commit_command, commit_first
from pixmill.validate.decisions import Decision, read_decisions, render_decisions

_PATIENCE = 15.0
"""Seconds to wait for DVC."""


def restore(workspace: Workspace, params: Params) -> None:
    """Put accepted images back into ``data/`` and decisions into ``review.csv``, after naming them and the branch.

    Args:
        workspace: The project's folders.
        params: Its parameters; what has another label than its classes is not restored.

    Raises:
        DataError: Something was not restored: its label is no class, the inbox's copy of the image is no longer what
            it was, or DVC failed; the rest was.
        LockedError: Another review holds the inbox or ``review.csv``.
        ReviewError: ``review.csv`` is malformed; nothing was restored there.
        StorageError: The disk is full, or a file may not be written.
    """
    root = workspace.root
    journal = DecisionLog(Inbox(root / "inbox"), root)
    state = examine(journal)
    most = len(state.missing) + len(state.gone) + len(state.lost) + len(state.malformed)
    described = describe_state(state, most)
    if described is not None:
        announce("\n".join(described[0]))
    if not state.missing and not state.lost:
        announce(
            "Nothing to restore: what is left of the accepted images and decisions is in data/, review.csv or a commit."
        )
        return
    labels = {"", *params.classes}
    images = [item for item in state.missing if item.label in labels]
    lines = [item for item in state.lost if item.label in labels]
    decided: list[Accepted | Changed] = [*state.missing, *state.lost]
    others = [item for item in decided if item.label not in labels]
    branch = journal.branch()
    entries = {entry.id: entry for entry in journal.inbox.entries()[0]}
    broken: list[Entry] = []
    if images or lines:
        announce(f"Restoring {'the others' if others else 'them'}{f' on branch {branch}' if branch else ''} ...")
        broken = [entries[item.image] for item in images if not _put_back(journal, item, entries[item.image])]
        _write_lines(workspace, params, lines)
        if len(broken) < len(images) and (root / ".dvc").is_dir():
            add_data(root, patience=_PATIENCE)
        commit = commit_command(root, "Restore images and decisions")
        announce(f"Restored: {count(len(images) - len(broken), 'image')}, {count(len(lines), 'decision')}.")
        if commit:
            announce(f"Next: {commit}")
    _refuse(journal, broken, others)


def _refuse(journal: DecisionLog, broken: list[Entry], others: list[Accepted | Changed]) -> None:
    """Raise what was not restored, and what to do about it."""
    problems, steps = [], []
    if broken:
        names = ", ".join(f"{journal.inbox.place}/{entry.names[0]}" for entry in broken)
        problems.append(f"not what was accepted any more: {names}")
        steps.append(f"delete the lines of these images in {journal.path}")
    if others:
        labels = ", ".join(dict.fromkeys(repr(item.label) for item in others))
        problems.append(f"{len(others):,} not restored, whose label is no class on this branch: {labels}")
        branch = next((item.branch for item in others if item.branch not in ("", journal.branch())), None)
        change = commit_first(journal.root, f"git checkout {branch}") if branch else "add the class to params.yaml"
        steps.append(f"{change}, then: pixmill review --restore")
    if problems:
        raise DataError("\n".join(problems), next="; ".join(steps))


def _put_back(journal: DecisionLog, item: Accepted, entry: Entry) -> bool:
    try:
        content = read_verified(journal.inbox.read_image(entry), item.image)
    except UndecodableError:
        return False
    with journal.inbox.lock(then="pixmill review --restore"):
        write_durably(journal.root / item.file, content)
    return True


def _write_lines(workspace: Workspace, params: Params, lost: list[Changed]) -> None:
    if not lost:
        return
    path = workspace.root / "review.csv"
    lock = lock_decisions(workspace.scratch("review") / "review.lock", then="stop it, then: pixmill review --restore")
    with storage_errors(then="pixmill review --restore"), lock:
        there = read_decisions(path, params.classes)
        kept = [decision for decision in there if not any(item.concerns(decision.image) for item in lost)]
        added = [Decision(0, *item.after) for item in lost if item.after is not None]  # type: ignore[arg-type]
        write_text(path, render_decisions([*(replace(decision, line=0) for decision in kept), *added]))
