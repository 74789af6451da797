"""Creative Commons licences, parsed from URLs, names and codes."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlsplit

from pixmill.core.params.scrape import Licence as _Family

FAMILIES: tuple[str, ...] = get_args(_Family)
"""Values of ``scrape.licences``: the six Creative Commons licences, CC0 and the Public Domain Mark.
"""

_DEEDS = {"zero": "cc0", "mark": "pdm", "publicdomain": "pdm"}
_SPELLINGS = (
    (r"non[ -]?commercial", "nc"),
    (r"no[ -]?deriv(?:ative)?s?(?: works)?", "nd"),
    (r"share[ -]?alike", "sa"),
    (r"attribution", "by"),
    (r"public[ -]domain(?: mark)?", "pdm"),
    (r"(?:cc[ -])?zero", "cc0"),
)
_FILLER_WORDS = {
    "cc",
    "creative",
    "commons",
    "generic",
    "international",
    "intl",
    "licence",
    "license",
    "unported",
}
_VERSION = re.compile(r"\d(?:\.\d)?")
_JURISDICTION = re.compile(r"[a-z]{2}|igo")


@dataclass(frozen=True)
class Licence:
    """A Creative Commons licence or dedication.

    Args:
        family: One of :data:`FAMILIES`.
        version: Version; ``None`` if none or several are given.
        jurisdiction: Code of the jurisdiction of a ported licence; ``None`` for an unported one.
    """

    family: str
    version: str | None = None
    jurisdiction: str | None = None

    def __str__(self) -> str:
        name = {"cc0": "CC0", "pdm": "Public Domain Mark"}.get(
            self.family, f"CC {self.family.upper()}"
        )
        return " ".join(
            part for part in (name, self.version, (self.jurisdiction or "").upper()) if part
        )


def parse_licence(text: str | None) -> Licence | None:
    """Return the licence that a text names, or ``None`` if the text is ambiguous.

    Every word must be understood: a missed image is better than one used against its licence.

    Args:
        text: URL of a deed or licence at creativecommons.org, a name such as ``CC BY-SA 3.0 DE``,
            or a code such as ``by-sa``.
    """
    text = (text or "").strip().lower()
    return _of_url(text) if text.startswith(("http:", "https:", "//")) else _of_name(text)


def permits(licence: str | None, wanted: Collection[str] | None) -> bool:
    """Return whether an image may be used.

    Args:
        licence: Licence of the image, as its source gives it. An unknown licence is refused if
            ``wanted`` is set.
        wanted: Accepted families; ``None`` accepts every image.
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
    match [parts.netloc.removeprefix("www."), *(part for part in parts.path.split("/") if part)]:
        case ["creativecommons.org", "licenses" | "publicdomain", deed, *rest]:
            return _licence(_DEEDS.get(deed) or _family(deed.split("-")), rest)
    return None


def _of_name(name: str) -> Licence | None:
    for pattern, short in _SPELLINGS:
        name = re.sub(rf"\b{pattern}\b", f" {short} ", name)
    kinds: list[str] = []
    versions: list[str] = []
    places: list[str] = []
    for word in re.split(r"[^a-z0-9.+]+", name):
        if word in {"by", "nc", "nd", "sa", "cc0", "pdm"}:
            kinds.append(word)
        elif _VERSION.fullmatch(word):
            versions.append(word)
        elif word and word not in _FILLER_WORDS:
            places.append(word)
    if len(places) > 1 or (places and not (versions and _JURISDICTION.fullmatch(places[0]))):
        return None
    return _licence(_family(kinds), [*(versions if len(versions) == 1 else []), *places])


def _family(elements: list[str]) -> str | None:
    """Return the family with these elements in any order, or ``None`` if there is none."""
    code = "-".join(sorted(elements, key=lambda element: (element != "by", element)))
    return code if code in FAMILIES else None


def _licence(family: str | None, rest: list[str]) -> Licence | None:
    if family is None:
        return None
    version = rest[0] if rest and _VERSION.fullmatch(rest[0]) else None
    places = [part for part in rest[:2] if _JURISDICTION.fullmatch(part)]
    return Licence(family, version, places[0] if places else None)
