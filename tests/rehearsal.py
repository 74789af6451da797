"""Rehearse a release on this machine, for ``make release-rehearsal``.

The wheel is built as a release and installed by name from a package index on loopback. A project
of the release before, from the same index, is upgraded; then the job `test` of both CI templates
runs in a clone of it. All other packages are those installed here: nothing is downloaded.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

import pixmill
from tests.wheel import build_package, copy_repository, environment

ROOT = Path(__file__).parents[1]
GITHUB = ".github/workflows/ci.yml"
GITLAB = ".gitlab-ci.yml"
VERSION = pixmill.__version__.removesuffix(".dev0")
UNRELEASED = "0.0.1"
"""Version of the wheel before, if that commit has no tag."""


class _Index(SimpleHTTPRequestHandler):
    """A package index: a folder ``simple/`` with a folder of wheels for each package."""

    def log_message(self, *_: object) -> None:
        pass


def last_release() -> str | None:
    """Return the last tag before the current commit; ``None`` if nothing was released."""
    words = ["git", "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD~1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def source_of(commit: str, folder: Path) -> Path:
    """Unpack the files of a commit into a folder, and return it."""
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def publish(source: Path, version: str, index: Path) -> None:
    """Build a version as the release workflow does, and put its wheel into the index."""
    path = source / "src/pixmill/__init__.py"
    text = path.read_text(encoding="utf-8")
    text = re.sub(r'^__version__ = ".*"$', f'__version__ = "{version}"', text, flags=re.M)
    path.write_text(text, encoding="utf-8")
    wheel = build_package(source, source / "dist")
    pack = [sys.executable, ROOT / ".ci/release.py", "pack", wheel.parent]
    subprocess.run(pack, env=os.environ | {"SOURCE_DATE_EPOCH": "0"}, check=True)
    place = index / "simple/pixmill"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(wheel, place)


def run(command: str, folder: Path, python: Path, settings: Mapping[str, str]) -> None:
    """Run a shell command with the programs of an environment; exit if it fails."""
    print(f"$ {command}", flush=True)
    environ = os.environ | settings | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", command], cwd=folder, env=environ)
    if done.returncode:
        sys.exit(f"failed with code {done.returncode}: {command}")


def ci_commands(project: Path) -> dict[str, list[str]]:
    """Return the commands of the job `test` in each CI file of a project."""
    github = yaml.safe_load((project / GITHUB).read_text(encoding="utf-8"))
    gitlab = yaml.safe_load((project / GITLAB).read_text(encoding="utf-8"))
    return {
        GITHUB: [step["run"] for step in github["jobs"]["test"]["steps"] if "run" in step],
        GITLAB: gitlab["test"]["script"],
    }


def draw_images(folder: Path) -> None:
    """Draw a few images of two classes."""
    random = np.random.default_rng(0)
    for label in ("high", "low"):
        (folder / label).mkdir(parents=True)
        for number in range(4):
            pixels = random.integers(0, 256, (64, 64, 3), np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")


def rehearse(folder: Path, before: str | None, settings: Mapping[str, str]) -> None:
    """Create a project, upgrade it, and run its CI.

    Args:
        folder: Empty folder.
        before: Version to upgrade from; ``None``: create the project with the new version.
        settings: Environment variables of each command.
    """
    python = environment(folder / "venv")
    project = folder / "shoes"
    commit = "git add -A && git commit -qm"
    # The packages of the release before may be others than those installed here.
    run(f"pip install --no-deps pixmill=={before or VERSION}", folder, python, settings)
    draw_images(folder / "images")
    run("pixmill new shoes --from images", folder, python, settings)
    run(f"{commit} 'New project'", project, python, settings)
    if before is not None:
        run(f"pip install pixmill=={VERSION}", project, python, settings)
        run("pixmill upgrade", project, python, settings)
        run(f"{commit} Upgrade", project, python, settings)
    run("pixmill doctor --quick", project, python, settings)
    for number, (name, commands) in enumerate(ci_commands(project).items()):
        print(f"== {name}")
        clone = folder / f"clone{number}"
        run(f"git clone -q . {clone}", project, python, settings)
        fresh = environment(folder / f"venv{number}")
        for command in commands:
            run(command, clone, fresh, {**settings, "CI": "true"})


def main(commit: str | None) -> None:
    """Rehearse with the wheel of an earlier commit or tag; default: the last release, if any."""
    commit = commit or last_release()
    before = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        index = folder / "index"
        copy_repository(ROOT, folder / "source")
        publish(folder / "source", VERSION, index)
        if commit is None:
            print("There is no release before: nothing to upgrade.")
        else:
            before = commit[1:] if re.fullmatch(r"v\d.*", commit) else UNRELEASED
            publish(source_of(commit, folder / "before"), before, index)
        handler = partial(_Index, directory=str(index))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            settings = {
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "PIP_EXTRA_INDEX_URL": "",
                "PIP_INDEX_URL": f"http://127.0.0.1:{server.server_port}/simple",
                "PIP_NO_CACHE_DIR": "1",
                "PIP_QUIET": "1",
                "PYTHONPATH": "",
                "no_proxy": "127.0.0.1",
            } | {
                f"GIT_{role}_{key}": value
                for role in ("AUTHOR", "COMMITTER")
                for key, value in (("NAME", "release"), ("EMAIL", "release@example.org"))
            }
            rehearse(folder, before, settings)
            server.shutdown()
    print(f"Rehearsed: pixmill {VERSION}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
