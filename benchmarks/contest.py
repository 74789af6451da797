"""Run contestants in separate processes, and measure their time and memory."""

import contextlib
import io
import json
import os
import platform
import runpy
import shutil
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

ROOT = Path(__file__).resolve().parent.parent
PROJECT = Path(os.environ.get("PROJECT", ROOT))
"""Project with results, which some benchmarks need."""
QUICK = os.environ.get("QUICK", "")
TRIAL_SIDE = 56
"""Image size in trial runs: a single one, for which a backbone is converted once."""
PEERS = ROOT / ".venv-bench"
_LIMIT_SECONDS = 600.0
_SAMPLE_SECONDS = 0.02


Size = TypeVar("Size")


def sized(full: Size, quick: Size, tiny: Size) -> Size:
    """Return the size for a full benchmark, a short one (``QUICK``), or a trial run (``QUICK=tiny``).

    A trial run only shows that a benchmark runs and prints its ratios. Its numbers mean nothing: no
    peers are installed, and the contestants share one interpreter.
    """
    return tiny if QUICK == "tiny" else quick if QUICK else full


@dataclass(frozen=True)
class Contestant:
    """A script, and the interpreter with its packages.

    Args:
        name: Name in the table.
        script: File in ``contestants/``; its last line is a JSON object with ``seconds``.
        python: Interpreter; ``None`` if a peer could not be installed.
        arguments: Arguments of the script, in addition to those of the work.
    """

    name: str
    script: str
    python: Path | None
    arguments: tuple[str, ...] = ()


@dataclass
class Record:
    """Results of a contestant: seconds, peak memory of all its processes in bytes, and its JSON output."""

    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    outputs: list[dict[str, object]] = field(default_factory=list)

    def rate(self, count: int) -> float:
        """Return the median of items per second."""
        return count / statistics.median(self.seconds)

    def spread(self, count: int) -> str:
        """Return the slowest and the fastest rate."""
        return f"{count / max(self.seconds):,.0f} to {count / min(self.seconds):,.0f}"

    def megabytes(self) -> float:
        """Return the median peak memory in MB."""
        return statistics.median(self.memory) / 1e6


def install(packages: Sequence[str]) -> Path | None:
    """Install peers into a separate environment, in addition to those installed earlier.

    Returns:
        Its interpreter, or ``None`` if the installation fails, and in a trial run.
    """
    if QUICK == "tiny":
        return None
    python = PEERS / "bin" / "python"
    marker = PEERS / "packages.txt"
    installed = set(marker.read_text().splitlines()) if marker.is_file() else set()
    if installed >= set(packages):
        return python
    uv = [sys.executable, "-m", "uv"]
    commands = [[*uv, "pip", "install", "--quiet", "--python", str(python), *packages]]
    if not installed:
        commands.insert(0, [*uv, "venv", "--clear", "--quiet", str(PEERS)])
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(
                f"cannot install {', '.join(packages)}: {done.stderr.strip().splitlines()[-1:]}",
                file=sys.stderr,
            )
            return None
    marker.write_text("\n".join(sorted(installed | set(packages))))
    return python


def run(
    contestant: Contestant,
    arguments: Sequence[str],
    record: Record,
    *,
    seconds: float = _LIMIT_SECONDS,
) -> None:
    """Run a contestant once, within a time limit, and add the result to its record."""
    if QUICK == "tiny":
        with _memory_of(os.getpid()) as peak:
            output = run_here(contestant.script, [*arguments, *contestant.arguments])
        _add(record, output, peak)
        return
    command = [str(contestant.python), str(ROOT / "benchmarks" / "contestants" / contestant.script)]
    environ = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1", "PYTHONPATH": str(ROOT / "src")}
    with (
        subprocess.Popen(
            [*command, *arguments, *contestant.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
        ) as process,
        _memory_of(process.pid) as peak,
    ):
        try:
            output, error = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise SystemExit(f"{contestant.name} did not end within {seconds:g} s") from None
    if process.returncode != 0:
        raise SystemExit(f"{contestant.name} ended with {process.returncode}:\n{error[-3000:]}")
    _add(record, output, peak)


def run_here(script: str, arguments: Sequence[str], given: str = "") -> str:
    """Run a script of ``contestants/`` in this interpreter with the given standard input, and return its output."""
    path = ROOT / "benchmarks" / "contestants" / script
    before = (sys.argv, sys.stdin, sys.stderr, list(sys.path))
    output = io.StringIO()
    sys.argv = [str(path), *arguments]
    sys.stdin = io.StringIO(given)
    sys.path.insert(0, str(path.parent))
    try:
        with contextlib.redirect_stdout(output):
            runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv, sys.stdin, sys.stderr, sys.path[:] = before
    return output.getvalue()


def _add(record: Record, output: str, peak: list[int]) -> None:
    result = json.loads(output.strip().splitlines()[-1])
    record.seconds.append(float(result["seconds"]))
    record.memory.append(peak[0])
    record.outputs.append(result)


@contextlib.contextmanager
def _memory_of(pid: int) -> Iterator[list[int]]:
    """Sample the memory of a process and its descendants; the list holds the peak."""
    peak = [0]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            with contextlib.suppress(psutil.Error):
                root = psutil.Process(pid)
                total = 0
                for process in (root, *root.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        total += process.memory_info().rss
                peak[0] = max(peak[0], total)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peak
    finally:
        done.set()
        sampler.join()


def folder_for_files() -> Path:
    """Return a folder in memory, if there is one, to exclude the disk from measurements."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 1_000_000_000:
        return memory
    (ROOT / ".pixmill").mkdir(exist_ok=True)
    return ROOT / ".pixmill"


def machine() -> str:
    """Return a description of the machine, for a table's caption."""
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return (
        f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}, Python "
        f"{platform.python_version()}{load}"
    )
