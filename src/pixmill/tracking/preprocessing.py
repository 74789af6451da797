"""``pixmill.images`` as files that go with a model, under a name that nothing else has.

A process that loads the model may have another Pixmill, or none: an already imported ``pixmill`` would win over any
copy of that name. So the copy is called by the hash of its own text, and refers to itself by that name.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["copy_images"]

_PACKAGE = "pixmill.images"


def copy_images(folder: Path) -> Path:
    """Write the package ``pixmill.images`` into a folder, renamed, and return the copy's own folder.

    Args:
        folder: Where the copy goes; made if absent.
    """
    source = Path(__file__).resolve().parent.parent / "images"
    texts = {path.relative_to(source): path.read_text(encoding="utf-8") for path in sorted(source.rglob("*.py"))}
    digest = hashlib.sha256("\0".join(f"{path.as_posix()}\0{text}" for path, text in texts.items()).encode())
    name = f"pixmill_images_{digest.hexdigest()[:12]}"
    for path, text in texts.items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace(_PACKAGE, name), encoding="utf-8")
    return folder / name
