"""Find and read the files that describe sites: the project's own first, then those that come with Pixmill."""

from __future__ import annotations

import difflib
from collections.abc import Hashable
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pixmill.errors import ScrapeError
from pixmill.params.refusal import refusals
from pixmill.scrape.sources.definition import SiteDefinition

__all__ = ["load_site", "parse_site", "site_file"]


class _Loader(yaml.BaseLoader):
    """Read every scalar as the text that stands there: dates stay dates as written, ``no`` stays a word.

    Keys that stand twice are refused, where YAML's readers take the last one without a word.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                mark = node.value[number][0].start_mark
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} stands there twice", problem_mark=mark
                )
        return super().construct_mapping(node, deep)


def site_file(name: str, overrides: Path | None) -> Path:
    """Return the file that describes a site: the project's own, or else the one that comes with Pixmill.

    Args:
        name: The site's name.
        overrides: The project's folder of sites.

    Raises:
        ScrapeError: There is no such file.
    """
    own = overrides / f"{name}.yaml" if overrides is not None else None
    if own is not None and own.is_file():
        return own
    packaged = Path(str(files("pixmill.scrape"))) / "sites"
    known = sorted(path.stem for path in packaged.glob("*.yaml"))
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise ScrapeError(
            f"{own or f'{name}.yaml'} is missing: nothing describes the site '{name}'; those that come with Pixmill: "
            f"{', '.join(known)}{hint}",
            next=f"mkdir -p {own.parent} && cp {packaged / 'shop.yaml'} {own}, then describe the site in it"
            if own is not None
            else None,
        )
    return packaged / f"{name}.yaml"


def load_site(name: str, overrides: Path | None) -> SiteDefinition:
    """Read the description of a site.

    Args:
        name: The site's name.
        overrides: The project's folder of sites; ``<name>.yaml`` in it wins over the one in the package.

    Raises:
        ScrapeError: There is no such file, or it says something that it must not; one line for each key.
    """
    file = site_file(name, overrides)
    return parse_site(_text(file), source=str(file) if file.parent == overrides else file.name)


def parse_site(text: str, *, source: str) -> SiteDefinition:
    """Return what the text of a site's file says.

    Args:
        text: YAML.
        source: Its file, for messages.

    Raises:
        ScrapeError: It is no YAML mapping, or a key is unknown, missing or wrong; one line for each.
    """
    mend = f"edit {source}"
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 (a BaseLoader, which makes nothing but texts)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ScrapeError(f"{source}: expected YAML, received an error{where}: {problem}", next=mend) from None
    if not isinstance(content, dict):
        raise ScrapeError(f"{source}: expected keys, received {type(content).__name__}", next=mend)
    try:
        return SiteDefinition.model_validate(content)
    except ValidationError as error:
        lines = [f"{source}: {line}" for line in refusals(SiteDefinition, error)]
        raise ScrapeError("\n".join(lines), next=mend) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScrapeError(f"{path} cannot be read: {error}", next=f"mend {path}") from None
