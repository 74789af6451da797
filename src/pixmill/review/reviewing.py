"""A sitting as one function: a project in, a page until Ctrl-C, decisions in ``review.csv``."""

from __future__ import annotations

import getpass
import sys
import webbrowser
from pathlib import Path

import pandas as pd

from pixmill.compare.comparison import NotComparable
from pixmill.compute import Limits
from pixmill.core.errors import PixmillError
from pixmill.core.git import git
from pixmill.core.params import Params
from pixmill.core.workspace import Workspace
from pixmill.review.doubts import Kind, find_doubts
from pixmill.review.feedback import Feedback, InboxLedger, WithInbox, sort_feedback, unread
from pixmill.review.ledger import Ledger
from pixmill.review.material import load_material
from pixmill.review.page_server import Server
from pixmill.review.preview import Previews, Source
from pixmill.review.review_session import Session
from pixmill.serve.bucket import Bucket
from pixmill.serve.inbox import Inbox
from pixmill.web.loopback import wait_for_interrupt

__all__ = ["default_name", "review"]


def review(
    workspace: Workspace,
    params: Params,
    *,
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
        by: Who decides; default: :func:`default_name`.
        only: The one kind of cases to show; default: all.
        inbox: Where servers put feedback; default: ``inbox/``. What lies in a bucket,
            ``s3://BUCKET/PREFIX``, is first moved to ``inbox/``.
        port: The port on 127.0.0.1; default: a free one.
        open_browser: Whether to show the page in the default browser.

    Raises:
        ManifestError: The tables of scrape or validate are missing, or do not belong together.
        LockedError: Another review empties the bucket.
        PixmillError: The port is taken, or the inbox that was named is not there.
        ReviewError: ``review.csv`` is malformed.
        StorageError: The bucket may not be used, or does not answer.
    """
    root = workspace.root
    bucket = Bucket(inbox) if isinstance(inbox, str) else None
    if isinstance(inbox, Path) and not inbox.exists():
        raise PixmillError(f"{inbox} does not exist", next="name the folder that pixmill serve has as --inbox")
    table = root / "artifacts/validate/manifest.parquet"
    stamp = _stamp(table)
    material = load_material(root)
    ledger = Ledger(
        root / "review.csv",
        params.classes,
        material.names,
        lock=workspace.scratch("review") / "review.lock",
    )
    decided = {row for name in ledger.read() if (row := material.row(name)) is not None}
    box = Inbox(inbox if isinstance(inbox, Path) else root / "inbox")
    if bucket is not None:
        _say_moved(bucket, box)
    entries, broken = box.entries()
    feedback = sort_feedback(entries, material, root / "data")
    images = WithInbox(material, feedback, params.classes)
    folder = root / "data" / ("train" if params.scrape.folder.layout == "fixed" else "")
    desk = InboxLedger(ledger, box, feedback, images, folder)
    flips, why = _flips(root, only)
    cases = find_doubts(material, images.cases(), flips=flips, decided=decided, only=only)
    if not cases:
        desk.settle()
        _say(f"Nothing to review{f' in {only}' if only else ''}.{why and ' ' + why}")
        _remark(feedback, broken, box.folder)
        if material.ranking is None and only in (None, "labels"):
            _say("Labels have not been checked yet.\nNext: set evaluate.label_errors above 0, then: dvc repro evaluate")
        return
    _remark(feedback, broken, box.folder)
    if feedback.new:
        desk.sweep()
    session = Session(
        images,
        cases,
        desk,
        classes=params.classes,
        by=default_name(root) if by is None else by,
        outdated=lambda: _stamp(table) != stamp,
    )
    scraped = root / "artifacts/scrape"
    paths = {name: scraped / path for name, path in zip(material.ids, material.manifest["path"], strict=True)}
    paths |= {entry.id: entry.path for entry in feedback.new}
    limits = Limits(seconds=params.validate.timeout, memory=params.validate.memory << 20)

    def source(name: str) -> Source:
        return Source(name, paths[name], params.validate.max_pixels)

    try:
        with Previews(source, limits=limits) as previews, Server(session, previews, port=port) as server:
            _say(f"{_count(len(cases), 'case')} to review at {server.address} (stop with Ctrl-C)")
            if open_browser:
                webbrowser.open(server.ticket)
            wait_for_interrupt()
    except KeyboardInterrupt:
        desk.settle()
        _conclude(session, desk, params)
        if bucket is not None:
            bucket.drop(box.dropped())


def _flips(root: Path, only: Kind | None) -> tuple[pd.DataFrame | None, str]:
    """Return the flips, and why there are none, which is told only to those who ask for them alone.

    Among all kinds, they are shown where the base's predictions are on this machine.
    """
    if only not in (None, "flips"):
        return None, ""
    from pixmill.compare.flips import read_flips

    try:
        return read_flips(root, fetch=only == "flips"), ""
    except NotComparable as reason:
        return None, str(reason) if only else ""
    except PixmillError:
        if only:
            raise
        return None, ""


def _say_moved(bucket: Bucket, box: Inbox) -> None:
    """Empty a bucket into the inbox, and say how much came."""
    moved, strange = bucket.move_to(box)
    _say(f"{_count(moved, 'correction')} moved from {bucket.url} to {box.folder}.")
    if strange:
        _say(f"Skipped {_count(strange, 'object')} of {bucket.url}/corrections/ that cannot be read as one.")


def _remark(feedback: Feedback, broken: int, folder: Path) -> None:
    """Say what is in the inbox that is not shown."""
    if broken:
        _say(f"Skipped {_count(broken, 'broken line')} of {folder / 'feedback.jsonl'}.")
    if feedback.waiting:
        said = _count(len(feedback.waiting), "image")
        _say(f"Not shown: {said} of {folder} in data/, but not in the manifest yet.\nNext: dvc repro")


def _conclude(session: Session, desk: InboxLedger, params: Params) -> None:
    """Say what was decided, and what comes next."""
    moved, dropped = desk.moved(), desk.dropped()
    written = sum(not desk.keeps(name) for name in session.changed)
    said = [f"{_count(written, 'decision')} written to review.csv."] if written or not moved + dropped else []
    if moved or dropped:
        said += [f"{_count(moved, 'image')} moved from the inbox to data/, {dropped:,} dropped."]
    _say("\n" + "\n".join(said))
    if moved:
        line = unread(params)
        first = f"set {line} in params.yaml, then: " if line else ""
        _say(f"Next: {first}dvc repro && git add data.dvc review.csv dvc.lock metrics plots && git commit")
    elif written:
        _say("Next: dvc repro")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
