"""Write the code dependencies in ``dvc.yaml`` from the imports of each stage: ``make reference``."""

import re
import textwrap
from pathlib import Path

from pixmill.core.provenance.code import Modules
from pixmill.core.provenance.lock import SECTIONS


def with_dependencies(text: str, root: Path) -> str:
    """Return ``dvc.yaml`` with the code dependencies of each stage replaced.

    Args:
        text: The file.
        root: The repository.
    """
    modules = Modules(root / "src" / "pixmill", root / "stages")
    for stage in SECTIONS:
        code = sorted(
            {
                _entry(path.relative_to(root))
                for module in modules.closure([f"stages.{stage}"])
                if module != "pixmill" and (path := modules.path(module))
            },
            key=lambda entry: (entry.startswith("src/"), entry),
        )
        start = text.index("    deps: [", text.index(f"\n  {stage}:\n"))
        end = text.index("]\n", start)
        others = [
            dep for dep in re.findall(r"[^\s,]+", text[start + 11 : end]) if not dep.startswith(("src/", "stages/"))
        ]
        lines = textwrap.wrap(", ".join([*code, *others]), 114, break_long_words=False, break_on_hyphens=False)
        text = f"{text[:start]}    deps: [\n" + textwrap.indent("\n".join(lines), " " * 6) + f"\n    {text[end:]}"
    return text


def _entry(path: Path) -> str:
    """Return the dependency that covers a module: a script in ``stages/``, or a top-level package."""
    return path.as_posix() if path.parts[0] == "stages" else Path(*path.parts[:3]).as_posix()


def main() -> None:
    """Rewrite ``dvc.yaml`` in the current folder."""
    path = Path("dvc.yaml")
    path.write_text(with_dependencies(path.read_text(encoding="utf-8"), Path.cwd()), encoding="utf-8")


if __name__ == "__main__":
    main()
