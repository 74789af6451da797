"""Write what follows from the code: ``docs/params.md``, its JSON Schema, and the code dependencies in ``dvc.yaml``.

``make reference`` runs this in the root of the repository.
"""

import re
import textwrap
from pathlib import Path

from pixmill.core.params.reference import plain, reference, schema
from pixmill.core.provenance.code import Modules
from pixmill.core.provenance.lock import SECTIONS


def markdown() -> str:
    """Return ``docs/params.md``."""
    lines = [
        "# Params",
        "",
        "Every key of `params.yaml`. The file holds the keys that you usually change; you can add any other.",
        "`pixmill params` prints all current values, `pixmill params KEY` one of them with its meaning. For an",
        "experiment, `dvc exp run -S '++train.minutes=5'` sets a key whether or not the file has it.",
        "",
        "This page is generated: `make reference`.",
    ]
    for item in reference():
        section = item.name.partition(".")[0]
        if item.name == section:
            lines += [
                "",
                f"## {section}",
                "",
                item.meaning,
                "",
                "| key | default | meaning | values |",
                "|---|---|---|---|",
            ]
            if not item.expected:
                continue
        default = "" if not item.expected else "required" if item.default is ... else f"`{plain(item.default)}`"
        lines.append(f"| `{item.name}` | {default} | {item.meaning} | {item.values()} |")
    return "\n".join(lines) + "\n"


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
    """Rewrite the three files in the current folder."""
    Path("docs/params.md").write_text(markdown(), encoding="utf-8")
    Path("docs/params.schema.json").write_text(schema(), encoding="utf-8")
    pipeline = Path("dvc.yaml")
    pipeline.write_text(with_dependencies(pipeline.read_text(encoding="utf-8"), Path.cwd()), encoding="utf-8")


if __name__ == "__main__":
    main()
