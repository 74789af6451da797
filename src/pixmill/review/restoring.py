"""Put back what was decided and has vanished from ``data/`` or ``review.csv`` before a commit held it."""

from __future__ import annotations

import sys
from dataclasses import replace

import filelock

from pixmill.core.dvc import add_data
from pixmill.core.errors import DataError, LockedError
from pixmill.core.files import storage_errors, write_text
from pixmill.core.git import git
from pixmill.core.params import Params
from pixmill.core.uncommitted import commit_command
from pixmill.core.workspace import Workspace
from pixmill.images import Undecodable, read_verified
from pixmill.review.journal import Accepted, Changed, Journal, copy_of, describe_missing, examine
from pixmill.serve.inbox import Inbox, write_durably
from pixmill.validate.decisions import Decision, read_decisions, render_decisions

__all__ = ["restore"]

_PATIENCE = 15.0
"""Seconds to wait for DVC, and for another `pixmill review` that is writing."""


def restore(workspace: Workspace, params: Params) -> None:
    """Put accepted images back into ``data/`` and decisions into ``review.csv``, after naming them and the branch.

    Args:
        workspace: The project's folders.
        params: Its parameters.

    Raises:
        DataError: The inbox's copy of an image is no longer what it was, or DVC failed; the rest was restored.
        LockedError: Another review holds the inbox or ``review.csv``.
        ReviewError: ``review.csv`` or ``decided.jsonl`` is malformed; nothing was restored there.
        StorageError: The disk is full, or a file may not be written.
    """
    root = workspace.root
    journal = Journal(Inbox(root / "inbox"), root)
    state = examine(journal)
    if not state.missing and not state.lost:
        _say("Nothing to restore: all accepted images and decisions are in data/, review.csv or a commit.")
        return
    _say("\n".join(describe_missing(state, most=len(state.missing) + len(state.lost))[:-1]))
    branch = (git(root, "symbolic-ref", "--quiet", "--short", "HEAD") or "").strip()
    _say(f"Restoring them{f' on branch {branch}' if branch else ''} ...")
    broken = [item for item in state.missing if not _put_back(journal, item)]
    _write_lines(workspace, params, state.lost)
    if len(broken) < len(state.missing) and (root / ".dvc").is_dir():
        add_data(root, patience=_PATIENCE)
    commit = commit_command(root, "Restore images and decisions")
    _say(f"Restored: {len(state.missing) - len(broken):,} images, {len(state.lost):,} decisions.")
    if commit:
        _say(f"Next: {commit}")
    if broken:
        names = ", ".join(str(copy_of(journal.inbox, item)) for item in broken)
        raise DataError(
            f"not what was accepted any more: {names}", next=f"delete the lines of these images in {journal.path}"
        )


def _put_back(journal: Journal, item: Accepted) -> bool:
    try:
        content = read_verified(copy_of(journal.inbox, item), item.image)
    except Undecodable:
        return False
    with journal.inbox.locked(then="pixmill review --restore"):
        write_durably(journal.root / item.file, content)
    return True


def _write_lines(workspace: Workspace, params: Params, lost: list[Changed]) -> None:
    if not lost:
        return
    path = workspace.root / "review.csv"
    lock = filelock.FileLock(workspace.scratch("review") / "review.lock", timeout=_PATIENCE)
    try:
        with storage_errors(then="pixmill review --restore"), lock:
            there = read_decisions(path, params.classes)
            kept = [decision for decision in there if not any(item.concerns(decision.image) for item in lost)]
            added = [Decision(0, *item.after) for item in lost if item.after is not None]  # type: ignore[arg-type]
            write_text(path, render_decisions([*(replace(decision, line=0) for decision in kept), *added]))
    except filelock.Timeout:
        raise LockedError(
            f"another `pixmill review` has locked {path.name} for {_PATIENCE:g} seconds",
            next="stop it, then: pixmill review --restore",
        ) from None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
