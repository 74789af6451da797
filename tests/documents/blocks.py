r"""Fenced blocks of pages: commands of ``console`` blocks with the output shown, and code of ``python`` blocks.

Lines with ``$ `` are commands, which ``\`` at the end of a line and ``> `` at the start of the next
one continue. The lines after a command are its output, where ``...`` stands for anything; without
any, the command must succeed. A block whose info string is ``console not run: REASON`` is not run.

``python -m tests.documents.blocks PROJECT PAGE...`` runs the blocks of each page in a copy of a
finished project, with the commands of this Python's environment; without arguments it counts the
blocks of all pages.
"""

import contextlib
import difflib
import os
import re
import secrets
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RUN = ("console", "python")
"""Languages of the blocks that are run."""

LIMIT = 900.0
"""Seconds that a command may take."""

_FENCE = re.compile(r"( *)(`{3,}|~{3,})\s*(\S*)[ \t]*(.*?)\s*$")
_HIDDEN = ("CI", "DVC_", "GIT_", "MLFLOW_", "PIXMILL_", "PYTEST", "XDG_CONFIG")

_QUIET = {
    "COLUMNS": "80",
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "GIT_PAGER": "cat",
    "GX_ANALYTICS_ENABLED": "false",
    "LC_ALL": "C.UTF-8",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "PIP_NO_INDEX": "1",
    "SE_AVOID_STATS": "true",
    "SE_OFFLINE": "true",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


@dataclass
class Command:
    """A command, the number of its line in the page, and the output shown."""

    line: int
    text: str
    shown: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        line: Number of the line of its fence.
        language: First word of the info string.
        reason: Why it is not run; None if it is.
        lines: Its lines, without the indentation of the fence.
    """

    line: int
    language: str
    reason: str | None
    lines: list[str]

    def commands(self) -> list[Command]:
        """Return the commands of a ``console`` block, or the code of a ``python`` block as one command.

        Raises:
            ValueError: If a ``console`` block does not start with a command.
        """
        if self.language == "python":
            return [
                Command(
                    self.line, "\n".join(["python - <<'END_OF_BLOCK'", *self.lines, "END_OF_BLOCK"])
                )
            ]
        found: list[Command] = []
        for number, line in enumerate(self.lines, self.line + 1):
            if line.startswith("$ "):
                found.append(Command(number, line[2:]))
            elif not found:
                raise ValueError(f"line {number}: a console block starts with a command: {line!r}")
            elif not found[-1].shown and (line.startswith("> ") or found[-1].text.endswith("\\")):
                found[-1].text += "\n" + line.removeprefix("> ")
            else:
                found[-1].shown.append(line)
        return found


def read_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page in order.

    Raises:
        ValueError: If a block does not end, or ``not run`` has no reason.
    """
    found: list[Block] = []
    open_block: tuple[str, str, Block] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if open_block is None:
            if fence and "`" not in fence[4]:
                words = fence[4]
                reason = None
                if words.startswith("not run"):
                    reason = words.removeprefix("not run").removeprefix(":").strip()
                    if not reason:
                        raise ValueError(f"line {number}: a block that is not run needs a reason")
                open_block = (fence[1], fence[2], Block(number, fence[3], reason, []))
        elif (
            line.strip()
            and set(line.strip()) == {open_block[1][0]}
            and len(line.strip()) >= len(open_block[1])
        ):
            found.append(open_block[2])
            open_block = None
        else:
            open_block[2].lines.append(line.removeprefix(open_block[0]))
    if open_block is not None:
        raise ValueError(f"line {open_block[2].line}: the block does not end")
    return found


def agrees(shown: Sequence[str], output: str) -> bool:
    """Return whether output is what a page shows: ``...`` stands for anything, alone on its line also for no line."""
    lines = [line.rstrip() for line in "\n".join(shown).strip("\n").split("\n")]
    pattern = "".join(
        "(?:.*\n)?"
        if line.strip() == "..."
        else ".*".join(map(re.escape, line.split("..."))) + " *\n"
        for line in lines
    )
    text = "".join(f"{line.rstrip()}\n" for line in output.strip("\n").split("\n"))
    return re.fullmatch(pattern, text, re.DOTALL) is not None


class Shell:
    """A shell for the commands of one page: the working directory and variables last.

    Args:
        folder: Working directory at first.
        home: Home of the user; its ``.gitconfig`` is written.
        python: Interpreter of an environment with the commands; None for this one.
    """

    def __init__(self, folder: Path, home: Path, python: Path | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitconfig").write_text(
            "[user]\n\tname = You\n\temail = you@example.org\n[init]\n\tdefaultBranch = main\n",
            encoding="utf-8",
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)}
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
        path = f"{(python or Path(sys.executable)).parent}{os.pathsep}{os.environ['PATH']}"
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=kept
            | _QUIET
            | {"HOME": str(home), "XDG_CACHE_HOME": cache, "PATH": path, "PWD": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.ended = False
        """Whether a command took too long or ended the shell, so no further ones can run."""

    def run(self, command: str) -> tuple[str, int]:
        """Run a command, and return its output and exit status.

        Raises:
            TimeoutError: If it takes longer than `LIMIT`.
            EOFError: If it ended the shell.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        mark = secrets.token_hex(8)
        lines = f"eval {shlex.quote(command)} </dev/null\nprintf '\\n{mark} %d\\n' $?\n"
        self._process.stdin.write(lines.encode())
        self._process.stdin.flush()
        read = b""
        end = time.monotonic() + LIMIT
        while not (found := re.search(rf"\n{mark} (\d+)\n".encode(), read)):
            if not select.select([self._process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                self.ended = True
                raise TimeoutError(f"no end after {LIMIT:.0f} s:\n{read.decode(errors='replace')}")
            if not (more := os.read(self._process.stdout.fileno(), 65536)):
                self.ended = True
                raise EOFError(f"the shell ended:\n{read.decode(errors='replace')}")
            read += more
        return read[: found.start()].decode(errors="replace"), int(found[1])

    def close(self) -> None:
        """End the shell and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


def run_block(shell: Shell, block: Block) -> str | None:
    """Run the commands of a block, and return how the first wrong one differs, or None."""
    for command in block.commands():
        try:
            output, status = shell.run(command.text)
        except (TimeoutError, EOFError) as error:
            return f"line {command.line}: $ {command.text}\n{error}"
        if "Traceback (most recent call last)" in output or (status and not command.shown):
            return f"line {command.line}: $ {command.text}\nexit status {status}, output:\n{output}"
        if command.shown and not agrees(command.shown, output):
            real = [line.rstrip() for line in output.strip("\n").split("\n")]
            difference = difflib.unified_diff(
                command.shown, real, "shown", "real output", n=99, lineterm=""
            )
            return "\n".join([f"line {command.line}: $ {command.text}", *difference])
    return None


def run_blocks(shell: Shell, page: str, blocks: Sequence[Block]) -> list[str]:
    """Run the blocks of a page, until the shell ends, and return the failures."""
    failures = (run_block(shell, block) for block in blocks if not shell.ended)
    return [f"{page}, {failure}" for failure in failures if failure is not None]


def run_page(page: Path, project: Path, scratch: Path, python: Path | None = None) -> list[str]:
    """Run the blocks of a page in a copy of a finished project, and return the failures."""
    copy = scratch / project.name
    shutil.copytree(project, copy, symlinks=True, copy_function=_copy)
    shell = Shell(copy, scratch / "home", python)
    try:
        return run_blocks(shell, page.name, runnable(page))
    finally:
        shell.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _copy(source: str, target: str) -> None:
    """Link the files of DVC's cache, which no command writes into, and copy others."""
    if "/.dvc/cache/files/" in source:
        with contextlib.suppress(OSError):  # another file system
            os.link(source, target)
            return
    shutil.copy2(source, target)


def runnable(page: Path) -> list[Block]:
    """Return the blocks of a page that are run."""
    blocks = read_blocks(page.read_text(encoding="utf-8"))
    return [block for block in blocks if block.language in RUN and block.reason is None]


def pages(root: Path) -> list[Path]:
    """Return the pages whose blocks are run: the README and the site."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def counts(found: Sequence[Path]) -> Iterator[str]:
    """Yield lines that count the blocks of pages that are run, and those that are not by reason."""
    blocks = [block for page in found for block in read_blocks(page.read_text(encoding="utf-8"))]
    blocks = [block for block in blocks if block.language in RUN]
    reasons = Counter(block.reason for block in blocks if block.reason is not None)
    yield f"{len(blocks) - reasons.total()} blocks run, {reasons.total()} not run"
    for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        yield f"{number:4} {reason}"


def _main() -> None:
    if len(sys.argv) == 1:
        print(*counts(pages(Path(__file__).parents[2])), sep="\n")  # noqa: T201
        return
    project, *names = map(Path, sys.argv[1:])
    failures = 0
    for page in names:
        if not (blocks := runnable(page)):
            continue
        begin = time.monotonic()
        found = run_page(page, project.resolve(), Path(tempfile.mkdtemp(prefix="pixmill-blocks-")))
        failures += len(found)
        print(f"{page}: {len(blocks)} blocks, {len(found)} wrong, {time.monotonic() - begin:.1f} s")  # noqa: T201
        print("".join(f"\n{failure}\n" for failure in found), flush=True)  # noqa: T201
    print(*counts(names), sep="\n")  # noqa: T201
    sys.exit(bool(failures))


if __name__ == "__main__":
    _main()
