"""Licences told apart by what they allow, however a source spells them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit

__all__ = ["FAMILIES", "Family", "Licence", "parse_licence", "permits"]

Family = Literal["by", "by-nc", "by-nc-nd", "by-nc-sa", "by-nd", "by-sa", "cc0", "pdm"]
"""What ``scrape.licences`` may name: the six Creative Commons licences, CC0, and works in the public domain (the Public
Domain Mark)."""

FAMILIES: tuple[Family, ...] = get_args(Family)

_HOSTS = {"creativecommons.org", "www.creativecommons.org"}
_DEEDS = {"zero": "cc0", "mark": "pdm", "publicdomain": "pdm"}
_ELEMENTS = ("by", "nc", "nd", "sa")
_LONG = (
    (r"non[ -]?commercial", "nc"),
    (r"no[ -]?deriv(?:ative)?s?(?: works)?", "nd"),
    (r"share[ -]?alike", "sa"),
    (r"attribution", "by"),
    (r"public[ -]domain(?: mark)?", "pdm"),
    (r"(?:cc[ -])?zero", "cc0"),
)
_EMPTY = {"cc", "creative", "commons", "generic", "international", "intl", "licence", "license", "unported"}
_VERSION = re.compile(r"\d(?:\.\d)?")
_JURISDICTION = re.compile(r"[a-z]{2}|igo")


@dataclass(frozen=True)
class Licence:
    """Name a Creative Commons licence or dedication.

    Args:
        family: What it allows.
        version: Its version; ``None`` where none is given, or several are.
        jurisdiction: The place whose law it was written for; ``None`` for everywhere.
    """

    family: Family
    version: str | None = None
    jurisdiction: str | None = None

    def __str__(self) -> str:
        name = {"cc0": "CC0", "pdm": "Public Domain Mark"}.get(self.family, f"CC {self.family.upper()}")
        return " ".join(part for part in (name, self.version, (self.jurisdiction or "").upper()) if part)


def parse_licence(text: str | None) -> Licence | None:
    """Return the licence that a source names, or ``None`` where it cannot be told for sure.

    Whatever is not understood to the last word, or names two licences, is not guessed at: taking a picture for freer
    than it is would be worse than missing one.

    Args:
        text: The URL of a deed or licence at creativecommons.org, a name such as ``CC BY-SA 3.0 DE`` or
            ``Attribution-ShareAlike 4.0 International``, or a code such as ``by-sa``.
    """
    text = (text or "").strip().lower()
    if text.startswith(("http:", "https:", "//")):
        return _of_url(text)
    named = [_of_name(part) for part in re.split(r"[()]", text) if part.strip()]
    first = named[0] if named else None
    return first if first and all(other and other.family == first.family for other in named) else None


def permits(licence: str | None, wanted: Collection[str] | None) -> bool:
    """Return whether a picture may be taken.

    Args:
        licence: Its licence, as its source gives it.
        wanted: The families that are taken; ``None`` for every picture, with a licence or without. Where there are
            some, a picture whose licence is unknown is not taken.
    """
    if wanted is None:
        return True
    known = parse_licence(licence)
    return known is not None and known.family in wanted


def _of_url(url: str) -> Licence | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.netloc not in _HOSTS:
        return None
    match [part for part in parts.path.split("/") if part]:
        case ["publicdomain", ("zero" | "mark") as deed, *rest]:
            return _licence(_DEEDS[deed], rest)
        case ["licenses", ("publicdomain" | "zero") as deed, *rest]:  # what the dedications were called at first
            return _licence(_DEEDS[deed], rest)
        case ["licenses", code, *rest]:
            return _licence("cc0" if code == "cc0" else _family(code.split("-")), rest)
    return None


def _of_name(name: str) -> Licence | None:
    for pattern, short in _LONG:
        name = re.sub(rf"\b{pattern}\b", f" {short} ", name)
    words = [word for word in re.split(r"[^a-z0-9.+]+", name) if word and word not in _EMPTY]
    kinds = [word for word in words if word in _ELEMENTS or word in {"cc0", "pdm"}]
    rest = [word for word in words if word not in kinds]
    versions = [word for word in rest if _VERSION.fullmatch(word)]
    places = [word for word in rest if word not in versions]
    if len(places) > 1 or (places and not (versions and _JURISDICTION.fullmatch(places[0]))):
        return None
    family = kinds[0] if kinds in (["cc0"], ["pdm"]) else _family(kinds)
    return _licence(family, [*(versions if len(versions) == 1 else []), *places])


def _family(elements: list[str]) -> str | None:
    """Return the family of some elements in any order, or ``None`` where no licence has just these."""
    code = "-".join(sorted(elements, key=lambda element: (element != "by", element)))
    return code if len(set(elements)) == len(elements) else None


def _licence(family: str | None, rest: list[str]) -> Licence | None:
    for known in FAMILIES:
        if known == family:
            version = rest[0] if rest and _VERSION.fullmatch(rest[0]) else None
            places = [part for part in rest[:2] if _JURISDICTION.fullmatch(part)]
            return Licence(known, version, places[0] if places else None)
    return None
