"""Regenerate the pinned packages: those of this repository, of the container image, and of projects.

A project's ``requirements.txt`` is put together from the files in ``LOCKS``: the packages of the
extra ``pipeline``, and for each further extra those that it adds or replaces.

Options for ``uv pip compile``, such as ``--upgrade``, may follow.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "src/pixmill/project/new/locks"
EXTRAS = ("cpu", "gpu", "heic", "hub", "onnx", "ray", "s3")
TOOLS = "pytest\nsetuptools\n"
"""Packages with which a project is tested and built."""
LIMITS = "backports-strenum<1.3\n"
"""LiteRT needs any version; 1.3 forbids Python 3.11 and later, which uv ignores and pip does not.
"""


def compile_pins(into: Path, extras: tuple[str, ...], *options: str, more: str = "") -> None:
    """Pin the packages of extras by hash for every platform and version of Python."""
    given = [f"--extra={extra}" for extra in extras]
    form = [
        "--universal",
        "--generate-hashes",
        "--python-version=3.11",
        "--no-header",
        "--no-annotate",
        "--quiet",
    ]
    command = [
        str(ROOT / ".venv/bin/uv"),
        "pip",
        "compile",
        *form,
        *given,
        *options,
        "pyproject.toml",
        "-",
    ]
    # Not [tool.uv] of pyproject.toml, whose limits `uv pip install --require-hashes` refuses.
    with tempfile.NamedTemporaryFile("w") as limits:
        limits.write(LIMITS)
        limits.flush()
        command += [f"--constraint={limits.name}", f"--output-file={into}"]
        subprocess.run(command, input=more, cwd=ROOT, text=True, check=True)  # noqa: S603


def read_pins(path: Path) -> dict[str, str]:
    """Return the lines of a file by package, without Pixmill."""
    found: dict[str, str] = {}
    for block in re.findall(
        r"^\w[^\n]*(?:\n +[^\n]+)*\n", path.read_text(encoding="utf-8"), re.MULTILINE
    ):
        name = re.split("[ =;]", block)[0]
        found[name] = found.get(name, "") + block
    found.pop("pixmill", None)
    return found


def main() -> None:
    """Write all files."""
    given = sys.argv[1:]
    shared = ROOT / "requirements.txt"
    compile_pins(shared, ("dev",), *given)
    fixed = [f"--constraint={shared}", *given]
    compile_pins(ROOT / "deploy/requirements.txt", ("serve",), *fixed, more="setuptools\n")
    LOCKS.mkdir(exist_ok=True)
    base: dict[str, str] = {}
    for extra in ("pipeline", *EXTRAS):
        path = LOCKS / f"{extra}.txt"
        before = read_pins(path) if path.exists() else {}
        path.write_text(
            "".join((base | before).values()), encoding="utf-8"
        )  # versions that uv keeps
        compile_pins(path, ("cpu",) if extra == "cpu" else ("pipeline", extra), *fixed, more=TOOLS)
        pins = read_pins(path)
        other = {name: block for name, block in pins.items() if base.get(name) != block}
        if replaced := base.keys() & other.keys() - {"tensorflow"}:
            sys.exit(
                f"the extra {extra} pins other versions than pipeline: "
                f"{', '.join(sorted(replaced))}"
            )
        path.write_text("".join(other.values()), encoding="utf-8")
        base = base or pins


if __name__ == "__main__":
    main()
