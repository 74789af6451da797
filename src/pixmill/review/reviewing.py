"""A sitting as one function: a project in, a page until Ctrl-C, decisions in ``review.csv``."""

import getpass
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pixmill.compare.comparison import NotComparableError
from pixmill.compute import RowLimits
from pixmill.core.dvc import add_data
from pixmill.core.errors import DataError, PixmillError
from pixmill.core.git import git
from pixmill.core.params import Params
from pixmill.core.progress import announce
from pixmill.core.words import count
from pixmill.core.workspace import Workspace
from pixmill.review.decision_log import DecisionLog
from pixmill.review.doubts import Kind, find_doubts
from pixmill.review.examining import State, describe_state
from pixmill.review.feedback import Feedback, InboxLedger, WithInbox, sort_feedback, unread
from pixmill.review.material import ReviewData, load_material
from pixmill.review.named import find_image, with_image
from pixmill.review.page_server import Server
from pixmill.review.preview import ImageFile, Previews
from pixmill.review.review_file import ReviewFile
from pixmill.review.review_session import Session
from pixmill.serve.inbox import Inbox
from pixmill.state.uncommitted import commit_command
from pixmill.web.loopback import wait_for_interrupt

_PAUSE = 30.0
"""Seconds without a decision on a new image after which ``data/`` is added to DVC."""

_PATIENCE = 15.0
"""Seconds to wait at the end while DVC is busy."""


def review(
    workspace: Workspace,
    params: Params,
    *,
    image: str | None = None,
    by: str | None = None,
    only: Kind | None = None,
    inbox: Path | str | None = None,
    port: int = 0,
    open_browser: bool = True,
) -> None:
    """Serve the cases to review, and write the decisions, until Ctrl-C.

    Args:
        workspace: The project's folders.
        params: Its parameters.
        image: The id, file or URL of the image to begin with, whatever its state; default: the first open case.
        by: Who decides; default: :func:`default_name`.
        only: The one kind of cases to show; default: all.
        inbox: Where servers put feedback; default: ``inbox/``. What lies in another folder, or in a bucket,
            ``s3://BUCKET/PREFIX``, is first moved there.
        port: The port on 127.0.0.1; default: a free one.
        open_browser: Whether to show the page in the default browser.

    Raises:
        ManifestError: The tables of scrape or validate are missing, or do not belong together.
        LockedError: Another review empties the bucket.
        PixmillError: The port is taken, or the inbox or the image that was named is not there.
        ReviewError: ``review.csv`` is malformed.
        StorageError: The bucket may not be used, or does not answer.
    """
    root = workspace.root
    table = root / "artifacts/validate/manifest.parquet"
    stamp = _stamp(table)
    material = load_material(root)
    ledger = ReviewFile(
        root / "review.csv",
        params.classes,
        material.names,
        lock=workspace.scratch("review") / "review.lock",
    )
    decided = {row for name in ledger.read() if (row := material.row(name)) is not None}
    box = Inbox(root / "inbox")
    other = _empty_other(inbox, box)
    entries, broken = box.entries()
    journal = DecisionLog(box, root)
    feedback = sort_feedback(entries, material, root / "data", accepted=journal.read()[0])
    images = WithInbox(material, feedback, params.classes)
    folder = root / "data" / ("train" if params.scrape.folder.layout == "fixed" else "")
    desk = InboxLedger(ledger, feedback, images, folder, journal)
    flips, why = _flips(root, only)
    cases = find_doubts(material, images.cases(), flips=flips, decided=decided, only=only)
    named = None if image is None else find_image(images, material, image)
    if named is not None:
        cases = with_image(cases, images, named)
    state, problem = _keep_images(desk, root, patience=0)
    if not cases:
        desk.settle()
        announce(f"Nothing to review{f' in {only}' if only else ''}.{why and ' ' + why}")
    _remark(feedback, broken, box, state)
    if not cases:
        _remark_unfinished(problem, is_unchecked=material.ranking is None and only in (None, "labels"))
        return
    if feedback.new:
        desk.sweep()
    session = Session(
        images,
        cases,
        desk,
        classes=params.classes,
        by=default_name(root) if by is None else by,
        first=named,
        outdated=lambda: _stamp(table) != stamp,
    )
    limits = RowLimits(seconds=params.validate.timeout, memory=params.validate.memory << 20)
    find_file = _image_finder(root, material, box, feedback, params.validate.max_pixels)
    try:
        with Previews(find_file, limits=limits) as previews, Server(session, previews, port=port) as server:
            announce(f"{count(len(cases), 'case')} to review at {server.address} (stop with Ctrl-C)")
            if open_browser:
                webbrowser.open(server.ticket)
            wait_for_interrupt(_Pauses(desk, root).look)
    except KeyboardInterrupt:
        desk.settle()
        _, problem = _keep_images(desk, root, patience=_PATIENCE)
        _conclude(session, desk, params, root, problem)
        if other is not None:
            other.drop(box.dropped_ids(), then=f"pixmill review --inbox {other.place}")


def _image_finder(
    root: Path, material: ReviewData, box: Inbox, feedback: Feedback, max_pixels: int
) -> Callable[[str], ImageFile]:
    """Return what finds an image by its id: a file of scrape, or an image of the inbox."""
    paths = dict(zip(material.ids, material.manifest["path"], strict=True))
    entries = {entry.id: entry for entry in feedback.new}

    def find(name: str) -> ImageFile:
        if name in entries:
            return ImageFile(name, box.read_image(entries[name]), max_pixels)
        return ImageFile(name, root / "artifacts/scrape" / paths[name], max_pixels)

    return find


class _Pauses:
    """Add ``data/`` to DVC once when a reviewer pauses, since what DVC has not seen may be removed for good.

    Args:
        desk: Tells when an image was last put into ``data/``, or taken out of it.
        root: The project's folder.
    """

    def __init__(self, desk: InboxLedger, root: Path) -> None:
        self._desk = desk
        self._root = root
        self._since: float | None = None

    def look(self) -> None:
        """Add ``data/`` where a pause has passed since the last change; where DVC is busy, wait for another."""
        touched = self._desk.touched
        if touched is None or not (self._root / ".dvc").is_dir():
            return
        if time.monotonic() - max(touched, self._since or 0) < _PAUSE:
            return
        try:
            add_data(self._root, patience=0)
        except DataError:
            self._since = time.monotonic()  # At the end it is tried again, and said if it fails.
        else:
            self._desk.mark_added(touched)


def _keep_images(desk: InboxLedger, root: Path, *, patience: float) -> tuple[State, DataError | None]:
    """Add ``data/`` to DVC if images were put there, and remove from the inbox what commits hold.

    Args:
        desk: What was decided.
        root: The project's folder.
        patience: How long to wait while DVC is busy, in seconds.

    Returns:
        What has become of what was decided, and why ``data/`` could not be added.
    """
    problem = None
    state = desk.release()
    if (state.unadded or desk.touched) and (root / ".dvc").is_dir():
        try:
            add_data(root, patience=patience)
        except DataError as error:
            problem = error
    return state, problem


def _empty_other(inbox: Path | str | None, box: Inbox) -> Inbox | None:
    """Move what lies in the inbox that was named into the project's, say how much, and return it, if it is another."""
    if inbox is None or (isinstance(inbox, Path) and inbox.resolve() == Path(box.place).resolve()):
        return None
    if isinstance(inbox, Path) and not inbox.exists():
        raise PixmillError(f"{inbox} does not exist", next="name the folder that pixmill serve has as --inbox")
    other = Inbox(inbox)
    moved, broken = other.move_to(box)
    announce(f"{count(moved, 'correction')} moved from {other.place} to {box.place}.")
    _say_skipped(broken, other)
    return other


def _flips(root: Path, only: Kind | None) -> tuple[pd.DataFrame | None, str]:
    """Return the flips, and why there are none, which is told only to those who ask for them alone.

    Among all kinds, they are shown where the base's predictions are on this machine.
    """
    if only not in (None, "flips"):
        return None, ""
    from pixmill.compare.flips import read_flips

    try:
        return read_flips(root, fetch=only == "flips"), ""
    except NotComparableError as reason:
        return None, str(reason) if only else ""
    except PixmillError:
        if only:
            raise
        return None, ""


def _say_skipped(broken: int, box: Inbox) -> None:
    if broken:
        announce(f"Skipped {count(broken, 'object')} of {box.place}/corrections/ that cannot be read as one.")


def _remark(feedback: Feedback, broken: int, box: Inbox, state: State) -> None:
    """Say what is in the inbox that is not shown, and what has vanished."""
    _say_skipped(broken, box)
    if feedback.waiting:
        said = count(len(feedback.waiting), "image")
        announce(f"Not shown: {said} of {box.place} in data/, but not in the manifest yet.\nNext: dvc repro")
    if (described := describe_state(state)) is not None:
        lines, command = described
        announce("\n".join([*lines, f"Next: {command}"]))


def _remark_unfinished(problem: DataError | None, *, is_unchecked: bool) -> None:
    if problem is not None:
        announce(f"data/ is not in DVC yet: {problem}")
    if is_unchecked:
        announce("Labels have not been checked yet.\nNext: set evaluate.label_errors above 0, then: dvc repro evaluate")


def _conclude(session: Session, desk: InboxLedger, params: Params, root: Path, problem: DataError | None) -> None:
    """Say what was decided, and what comes next."""
    moved, dropped = desk.count_moved(), desk.count_dropped()
    written = sum(not desk.keeps(name) for name in session.changed)
    said = [f"{count(written, 'decision')} written to review.csv."] if written or not moved + dropped else []
    if moved or dropped:
        keeps = " The inbox keeps them until a commit's data.dvc holds them." if moved else ""
        said += [f"{count(moved, 'image')} accepted into data/, {dropped:,} dropped.{keeps}"]
    if problem is not None:
        said += [f"data/ is not in DVC yet: {problem.message}"]
    announce("\n" + "\n".join(said))
    commit = commit_command(root, "Review images")
    line = unread(params) if moved else None
    commands = [*([commit] if commit else []), *(["dvc repro"] if moved or written else [])]
    if commands:
        announce(f"Next: {f'set {line} in params.yaml, then: ' if line else ''}{' && '.join(commands)}")


def default_name(root: Path) -> str:
    """Return who sits here: the name in Git's settings, else that of the login, else nothing."""
    if name := (git(root, "config", "user.name") or "").strip():
        # A name that is no text could be written to no file.
        return name.encode("utf-8", "replace").decode()
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container's user may have no name.
        return ""


def _stamp(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None
