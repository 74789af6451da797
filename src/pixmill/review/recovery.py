"""Find decisions that vanished before a commit held them, and restore them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pixmill.core.decisions import FILE
from pixmill.core.errors import DataError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import place_within, storage_errors, write_durably
from pixmill.core.params import Params
from pixmill.core.process.progress import announce
from pixmill.core.repository.dvc import cache_folder, is_cached, read_listing, read_record
from pixmill.core.repository.git import git, git_line
from pixmill.core.words import count, join_names
from pixmill.dataset.deciding import LOG, Accepted, Action, Change, DecisionTable
from pixmill.dataset.inbox import Inbox
from pixmill.dataset.uncommitted import commit_command
from pixmill.images.listing import files_below

_MAX_NAMED = 3
"""Maximum number of images that a message names."""

_RESTORE = "pixmill review --restore"


@dataclass(frozen=True)
class Lost:
    """Decisions of this branch that are neither here nor in the last commit.

    Args:
        rows: Rows of ``decisions.csv``.
        files: Accepted images.
    """

    rows: Sequence[Change]
    files: Sequence[Accepted]

    def describe(self) -> list[str]:
        """Return lines that name them; none if nothing is lost."""
        found = (
            ("accepted image", "data/", [item.file for item in self.files]),
            ("decision", FILE, [str(item) for item in self.rows]),
        )
        return [
            f"{count(len(names), noun)} missing from {place}: {join_names(names, most=_MAX_NAMED)}"
            for noun, place, names in found
            if names
        ]


def pending_images(actions: Iterable[Action]) -> dict[str, Accepted]:
    """Return the images that logged actions accepted and nobody undid, by id."""
    found: dict[str, Accepted] = {}
    for action in actions:
        if action.accepted is not None and action.is_undo:
            found.pop(action.accepted.image, None)
        elif action.accepted is not None:
            found[action.accepted.image] = action.accepted
    return found


def find_lost(table: DecisionTable) -> Lost:
    """Return the decisions that a checkout, ``dvc exp apply`` or the like discarded.

    Raises:
        DataError: A line of the log, or ``data.dvc``, is malformed.
        DecisionsError: ``decisions.csv`` is malformed.
        GitError: Git cannot read the repository.
    """
    if not table.actions():
        return Lost((), ())
    # Where no commit can be read, this fails before anything is decided.
    git(table.root, "rev-parse", "--git-dir")
    return Lost(table.lost(), _find_absent(table))


def _find_absent(table: DecisionTable) -> list[Accepted]:
    """Return the images accepted on this branch that are neither in ``data/`` nor committed."""
    branch = git_line(table.root, "symbolic-ref", "--quiet", "--short", "HEAD")
    pending = pending_images(action for action in table.actions() if action.branch == branch)
    absent = [item for item in pending.values() if not (table.root / item.file).is_file()]
    if not absent:
        return []
    data = table.root / "data"
    # It may have been moved to another class; its name has its id.
    present = {path.name for _, path in files_below(data)} if data.is_dir() else set()
    present |= {Path(item.file).name for item in _committed_images(table.root, absent)}
    return [item for item in absent if Path(item.file).name not in present]


def describe_missing(root: Path) -> tuple[list[str], str] | None:
    """Return lines that name lost decisions, and the command that restores them, if any are."""
    lines = find_lost(DecisionTable(root)).describe() if (root / LOG).is_file() else []
    return (lines, _RESTORE) if lines else None


def release(table: DecisionTable) -> list[Accepted]:
    """Clear the log of what the last commit holds, and return the accepted images among it."""
    pending = pending_images(table.actions())
    committed = _committed_images(table.root, pending.values())
    table.release(lambda item: item in committed)
    left = pending_images(table.actions())
    return [item for name, item in pending.items() if name not in left]


def restore(workspace: Workspace, params: Params) -> None:
    """List lost decisions, and restore images to ``data/`` and rows to ``decisions.csv``.

    Args:
        workspace: Folders of the project.
        params: Its parameters; decisions with other labels are not restored.

    Raises:
        DataError: A line of the log is malformed, or some decisions were not restored: their label
            is not a class, or the inbox has no intact copy of the image. The others were restored.
        DecisionsError: ``decisions.csv`` is malformed; nothing was restored.
        LockedError: Another process has locked the inbox or ``decisions.csv``.
        StorageError: The disk is full, or a file may not be written.
    """
    table = DecisionTable(workspace.root)
    lost = find_lost(table)
    if not (lines := lost.describe()):
        announce("Nothing to restore: all decisions are here or in a commit.")
        return
    announce("\n".join(lines))
    rows = [item for item in lost.rows if item.key[1] in ("", *params.classes)]
    folders = params.class_by_name
    pile = f"{params.evaluate.unlabelled or 'data/unlabelled'}/"
    files = [item for item in lost.files if item.label in folders or item.file.startswith(pile)]
    broken = _restore_images(table, files)
    if rows:
        table.restore(rows)
    done = len(files) - len(broken)
    announce(f"Restored: {count(done, 'image')}, {count(len(rows), 'decision')}.")
    if commit := commit_command(workspace.root, "Restore images and decisions"):
        announce(f"Next: {commit}")
    others = Lost(
        [item for item in lost.rows if item not in rows],
        [item for item in lost.files if item in broken or item not in files],
    )
    if left := others.describe():
        raise DataError(
            "not restored, since the label is not a class here or there is no intact copy: "
            + "; ".join(left),
            next=f"add the class to params.yaml, then: {_RESTORE}; to forget them, edit {LOG}",
        )


def _restore_images(table: DecisionTable, images: Iterable[Accepted]) -> list[Accepted]:
    """Copy images from the inbox to ``data/``, and return those without an intact copy."""
    inbox = Inbox(table.root / "inbox")
    entries = {entry.id: entry for entry in inbox.entries()[0]}
    broken = []
    for item in images:
        # A pull request may contain the log.
        target = place_within(table.root / item.file, table.root / "data")
        entry = entries.get(item.image)
        content = inbox.read_image(entry) if entry else b""
        if sha256(content).hexdigest() != item.image:
            broken.append(item)
            continue
        with storage_errors(then=_RESTORE):
            write_durably(target, content)
    return broken


def _committed_images(root: Path, images: Iterable[Accepted]) -> list[Accepted]:
    """Return the images that the last commit holds.

    Its ``data.dvc`` lists them, and DVC's cache has the list and the image.
    """
    images = list(images)
    text = git(root, "show", "HEAD:./data.dvc") if images else None
    record = read_record(root, text) if text else None
    cache = cache_folder(root) if record else None
    if record is None or cache is None:
        return []
    listed = {*(read_listing(cache, record["md5"]) or {}).values()}
    return [item for item in images if item.md5 in listed and is_cached(cache, item.md5)]
