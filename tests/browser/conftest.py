"""A machine whose executables are scripts that print a version: all that the finder ever asks of them."""

import sys
from pathlib import Path

import pytest


class Machine:
    """Hold an environment in which nothing is installed but what a test puts there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {"PATH": str(root / "bin"), "HOME": str(root / "home")}

    def script(self, path: str, body: str) -> Path:
        """Write an executable shell script, by its path below the machine's root."""
        script = self.root / path
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        return script

    def program(self, path: str, version: str) -> Path:
        """Write an executable that answers with a version."""
        return self.script(path, f"echo 'The Program {version} (of a test)'")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(sys, "platform", "linux")
    return Machine(tmp_path)
