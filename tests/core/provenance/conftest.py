"""A copy of the package whose code a test may edit."""

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

import pixmill


class Edited(Protocol):
    def __call__(self, *edits: tuple[str, str, str]) -> AbstractContextManager[Path]: ...


@pytest.fixture(scope="session")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Edited:
    """Return what gives a copy of ``pixmill/`` in which a text of each file is replaced by another."""
    original = Path(pixmill.__file__).parent
    package = tmp_path_factory.mktemp("copy") / "pixmill"
    shutil.copytree(original, package, ignore=shutil.ignore_patterns("__pycache__"))

    @contextlib.contextmanager
    def edit(*edits: tuple[str, str, str]) -> Iterator[Path]:
        try:
            for name, old, new in edits:
                text = (package / name).read_text(encoding="utf-8")
                assert old in text
                (package / name).write_text(text.replace(old, new, 1), encoding="utf-8")
            yield package
        finally:
            for name, _, _ in edits:
                shutil.copyfile(original / name, package / name)

    return edit
