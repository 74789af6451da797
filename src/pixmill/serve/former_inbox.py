"""The former format of an inbox in a folder, which is converted when it is first used.

``images/<id>.<extension>`` held each image once, ``feedback.jsonl`` a line for each correction, and ``dropped.txt`` the
ids that a reviewer did not want.
"""

import hashlib
import re
import shutil
from collections import Counter
from datetime import UTC, datetime

from pixmill.core.progress import track
from pixmill.serve.correction import Correction, line_of, parse_line
from pixmill.serve.stores import Folder

_IMAGE = re.compile("[0-9a-f]{64}[.][a-z0-9]{1,5}")


def convert_former_inbox(store: Folder, *, patience: float | None = None) -> None:
    """Write the corrections and dropped ids of the former format as objects, then remove it.

    If this is killed or fails, the next one completes it: an object has the same name each time, and an image is
    removed once the last of its lines is an object, which leaves room for the others on a disk that is nearly full. A
    broken line becomes an object that is no correction. An image that no line names is kept where a broken line may be
    that of it, or where it was accepted and may be in no commit yet; else it was never answered.

    Args:
        store: The folder.
        patience: Seconds to wait for other processes. Default: 10.

    Raises:
        LockedError: Other processes kept it locked for longer.
        StorageError: It may not be written.
    """
    lines, dropped, images = (store.path / name for name in ("feedback.jsonl", "dropped.txt", "images"))
    decided = store.path / "decided.jsonl"
    if not (lines.exists() or dropped.exists() or images.exists()):
        return
    with store.lock(then="the same command again", patience=patience):
        files = {path.stem: path for path in images.glob("*") if _IMAGE.fullmatch(path.name)}
        orphans = dict(files)
        # A last line without an end was never answered.
        whole = lines.read_bytes().split(b"\n")[:-1] if lines.exists() else []
        items = [parse_line(line) for line in whole]
        to_come = Counter(item.id for item in items if item)
        has_broken = None in items
        pairs = zip(whole, items, strict=True)
        for number, (line, item) in enumerate(track(pairs, "Convert the inbox", len(whole), unit="correction"), 1):
            name = f"corrections/{number:08}-{hashlib.sha256(line).hexdigest()[:16]}"
            if item is None:
                store.write(name, line)
                continue
            to_come[item.id] -= 1
            if (path := files.get(item.id)) is not None:
                store.write(name, line + b"\n" + path.read_bytes())
                if not to_come[item.id]:
                    path.unlink()
                    del orphans[item.id]
        accepted = decided.read_text("ascii", "replace") if decided.exists() else ""
        for image, path in orphans.items():
            if has_broken or image in accepted:
                content = path.read_bytes()
                item = Correction(
                    id=image,
                    extension=path.suffix.removeprefix("."),
                    bytes=len(content),
                    label=None,
                    prediction={},
                    model={},
                    received=datetime.fromtimestamp(int(path.stat().st_mtime), UTC),
                )
                store.write(f"corrections/{0:08}-{image[:16]}", line_of(item) + content)
        for image in re.findall("[0-9a-f]{64}", dropped.read_text("ascii", "replace") if dropped.exists() else ""):
            store.write(f"dropped/{image}", b"")
        # The lines last: without them, images would be taken for unanswered.
        if images.exists():
            shutil.rmtree(images)
        dropped.unlink(missing_ok=True)
        lines.unlink(missing_ok=True)
