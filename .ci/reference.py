"""Write what follows from the code: params, their JSON Schema, commands, and the code dependencies in ``dvc.yaml``.

``make reference`` runs this in the root of the repository.
"""

import argparse
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from pixmill.cli import GROUPS, make_parser
from pixmill.core.params.reference import plain, reference, schema
from pixmill.core.provenance.code import Modules
from pixmill.core.provenance.lock import SECTIONS

REFERENCE = Path("docs", "reference")

PIPE = r"\|"


def params_page() -> str:
    """Return ``docs/reference/params.md``."""
    items = list(reference())
    sections = {item.name: item.meaning for item in items if not item.expected}
    rows: dict[str, list[str]] = {}
    for item in items:
        parts = item.name.split(".")
        names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        table = rows.setdefault(next((name for name in names if name in sections), item.name), [])
        if item.expected:
            default = "required" if item.default is ... else f"`{plain(item.default)}`"
            table.append(
                f"| `{item.name}` | {default} | {_literal(item.meaning)} | "
                f"{_literal(item.values())} |"
            )
    lines = [
        "# Params",
        "",
        (
            "Every key of `params.yaml`, which holds those that you usually change; you can add "
            "any "
            "other."
        ),
        "Unknown keys are refused. `pixmill params KEY` explains one.",
        "`dvc exp run -S '++train.minutes=5'` tries a value.",
        "",
        *(
            f"- [{name}](#{name}): {sections.get(name, 'The labels.')}"
            for name in rows
            if "." not in name
        ),
        "",
        "This page is generated: `make reference`.",
    ]
    for name, table in rows.items():
        meaning = [_literal(sections[name]), ""] if name in sections else []
        head = ["| key | default | meaning | values |", "|---|---|---|---|"]
        lines += ["", f"{'#' * (2 + name.count('.'))} {name}", "", *meaning, *head, *table]
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Return ``docs/reference/commands.md``: what ``--help`` prints, independent of the version of Python."""
    (verbs,) = (
        action.choices
        for action in make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    lines = [
        "# Commands",
        "",
        (
            "`dvc repro` runs the pipeline; `pixmill COMMAND --help` prints what this page says of "
            "a "
            "command."
        ),
        "",
    ]
    lines += ["| | command | |", "|---|---|---|"]
    for group, names in GROUPS.items():
        for name in names:
            summary = verbs[name].description.partition("\n")[0]
            lines.append(
                f"| {group * (name == names[0])} | [`pixmill {name}`](#pixmill-{name}) | {summary} "
                "|"
            )
    lines += ["", "This page is generated: `make reference`."]
    for name, parser in verbs.items():
        lines += [
            "",
            f"## pixmill {name}",
            "",
            _literal(parser.description.strip()),
            *_arguments(parser),
        ]
        if parser.epilog:
            lines += [
                "",
                "```text",
                *textwrap.dedent(parser.epilog.partition("\n")[2]).splitlines(),
                "```",
            ]
    return "\n".join(lines) + "\n"


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the rows of a table of arguments."""
    actions = [
        each
        for each in parser._actions
        if each.dest != "help" and each.help not in (None, argparse.SUPPRESS)
    ]
    if actions:
        yield from ("", "| argument | |", "|---|---|")
    for action in actions:
        value = action.metavar or ",".join(action.choices or [action.dest.upper()])
        value = " ".join(value) if isinstance(value, tuple) else value * (action.nargs != 0)
        words = f"{', '.join(action.option_strings)} {value}".strip()
        cells = [f"`{words}`", _literal(parser._get_formatter()._expand_help(action))]
        yield f"| {' | '.join(cell.replace('|', PIPE) for cell in cells)} |"


def _literal(text: str) -> str:
    """Escape what Markdown would take for a tag or an escape, except in code spans."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"<(?=\w)|[\\*]", r"\\\g<0>", part) for part in parts[::2]]
    return "`".join(parts)


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
            dep
            for dep in re.findall(r"[^\s,]+", text[start + 11 : end])
            if not dep.startswith(("src/", "stages/"))
        ]
        lines = textwrap.wrap(
            ", ".join([*code, *others]), 114, break_long_words=False, break_on_hyphens=False
        )
        text = (
            f"{text[:start]}    deps: [\n"
            + textwrap.indent("\n".join(lines), " " * 6)
            + f"\n    {text[end:]}"
        )
    return text


def _entry(path: Path) -> str:
    """Return the dependency that covers a module: a script in ``stages/``, or a top-level package."""
    return path.as_posix() if path.parts[0] == "stages" else Path(*path.parts[:3]).as_posix()


def main() -> None:
    """Rewrite the four files in the current folder."""
    (REFERENCE / "params.md").write_text(params_page(), encoding="utf-8")
    (REFERENCE / "params.schema.json").write_text(schema(), encoding="utf-8")
    (REFERENCE / "commands.md").write_text(commands_page(), encoding="utf-8")
    pipeline = Path("dvc.yaml")
    pipeline.write_text(
        with_dependencies(pipeline.read_text(encoding="utf-8"), Path.cwd()), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
