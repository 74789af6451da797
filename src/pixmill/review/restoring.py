"""Put back what was decided and has vanished from ``data/`` or ``review.csv`` before a commit held it."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from pixmill.core.errors import DataError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import storage_errors, write_durably, write_text
from pixmill.core.params import Params
from pixmill.core.process.progress import announce
from pixmill.core.repository.uncommitted import commit_command
from pixmill.core.words import count, join_names
from pixmill.review.decision_log import Accepted, Changed, DecisionLog
from pixmill.review.examining import describe_state, examine
from pixmill.review.review_file import lock_decisions
from pixmill.serve.inbox import Inbox
from pixmill.validate.decisions import Decision, read_decisions, render_decisions

_AGAIN = "pixmill review --restore"


def restore(workspace: Workspace, params: Params) -> None:
    """Put accepted images back into ``data/`` and decisions into ``review.csv``, after naming them and their branch.

    Args:
        workspace: The project's folders.
        params: Its parameters; what has another label than its classes is not restored.

    Raises:
        DataError: A line of the log is malformed, or something was not restored: its label is no class, or the inbox's
            copy of the image is not what it was. The rest was restored.
        LockedError: Another review holds the inbox or ``review.csv``.
        ReviewError: ``review.csv`` is malformed; nothing was restored there.
        StorageError: The disk is full, or a file may not be written.
    """
    journal = DecisionLog(Inbox(workspace.root / "inbox"), workspace.root)
    state = examine(journal)
    described = describe_state(state)
    if described is None:
        announce("Nothing to restore: all accepted images and decisions are in data/, review.csv or a commit.")
        return
    announce("\n".join(described[0]))
    labels = {"", *params.classes}
    images = [item for item in state.missing if item.label in labels]
    lines = [item for item in state.lost if item.label in labels]
    broken = _put_back(journal, images)
    _write_lines(workspace, params, lines)
    announce(f"Restored: {count(len(images) - len(broken), 'image')}, {count(len(lines), 'decision')}.")
    if commit := commit_command(workspace.root, "Restore images and decisions"):
        announce(f"Next: {commit}")
    others = [item for item in (*state.missing, *state.lost) if item not in (*images, *lines)]
    if left := [*broken, *others]:
        names = join_names([str(item) for item in left])
        raise DataError(
            f"not restored, since the label is no class here or inbox/ has no sound copy: {names}",
            next=f"git checkout {left[0].branch or 'BRANCH'}, then: {_AGAIN}; to forget them, edit {journal.path}",
        )


def _put_back(journal: DecisionLog, images: Sequence[Accepted]) -> list[Accepted]:
    """Copy images from the inbox into ``data/``, and return those of which there is no sound copy."""
    entries = {entry.id: entry for entry in journal.inbox.entries()[0]}
    broken = []
    for item in images:
        entry = entries.get(item.image)
        content = journal.inbox.read_image(entry) if entry else b""
        if sha256(content).hexdigest() != item.image:
            broken.append(item)
        else:
            with storage_errors(then=_AGAIN):
                write_durably(journal.root / item.file, content)
    return broken


def _write_lines(workspace: Workspace, params: Params, lost: Sequence[Changed]) -> None:
    if not lost:
        return
    path = workspace.root / "review.csv"
    lock = lock_decisions(workspace.scratch("review") / "review.lock", then=f"stop it, then: {_AGAIN}")
    with storage_errors(then=_AGAIN), lock:
        kept = [
            replace(item, line=0)
            for item in read_decisions(path, params.classes)
            if not any(one.concerns(item.image) for one in lost)
        ]
        added = [Decision(0, *item.after) for item in lost if item.after is not None]  # type: ignore[arg-type]
        write_text(path, render_decisions([*kept, *added]))
