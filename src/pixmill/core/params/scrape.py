"""The section of the stage scrape: whom to ask for what, within which limits and with which manners."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints, field_validator

from pixmill.core.params.sections import ClassName, Count, Section, Share

__all__ = ["SOURCES", "FolderParams", "KerasParams", "ScrapeParams", "UrlsParams"]

SOURCES = (
    "shop", "folder", "urls", "keras", "openverse", "wikimedia",
    "google", "bing", "yahoo", "duckduckgo", "amazon", "flipkart", "myntra",
)  # fmt: skip
"""The sources that come with Pixmill; ``site:<name>`` is one that the project describes in ``sites/<name>.yaml``."""

Licence = Literal["cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd"]
Texts = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]*$", max_length=500)], ...],
    Field(min_length=1, strict=False),
]
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
HOST = rf"^{_NAME}$"
ORIGIN = rf"^{_NAME}:(?:[1-9]\d{{0,3}}|[1-5]\d{{4}}|6[0-4]\d{{3}}|65[0-4]\d{{2}}|655[0-2]\d|6553[0-5])$"
CONTACT = r"^(?:[!-?A-~]+@[!-?A-~]+|https?://[!-~]+)$"
Hosts = Annotated[tuple[Annotated[str, StringConstraints(pattern=HOST)], ...], Field(strict=False)]
Origins = Annotated[tuple[Annotated[str, StringConstraints(pattern=ORIGIN)], ...], Field(strict=False)]


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in SOURCES and not re.fullmatch(r"site:[a-z0-9][a-z0-9_-]*", name):
            close = difflib.get_close_matches(name, SOURCES, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise ValueError(f"expected one of {', '.join(SOURCES)} or site:<name>{hint}, received {name!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"expected each source once, received {', '.join(names)}")
    return names


Sources = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    AfterValidator(_known),
    PlainSerializer(lambda names: names[0] if len(names) == 1 else names),
    Field(min_length=1, strict=False),
]
"""One source or several, which are asked one after another."""


class FolderParams(Section):
    """Say how the pictures that people brought are laid out."""

    layout: Literal["classes", "fixed"] = "classes"


class UrlsParams(Section):
    """Name the lists of addresses that people bring, and how they are read."""

    files: Annotated[tuple[str, ...], Field(strict=False)] = ()
    format: Literal["auto", "table", "open_images", "tsv", "imagenet"] = "auto"
    classes: dict[ClassName, Texts] = Field(default={})


class KerasParams(Section):
    """Choose a data set of ``keras.datasets``."""

    dataset: Literal["mnist", "fashion_mnist"] = "fashion_mnist"
    path: str | None = None


class ScrapeParams(Section):
    """Say where pictures come from and what limits and manners hold there."""

    source: Sources = ("shop",)
    source_by_class: dict[ClassName, Sources] = Field(default={})
    queries: dict[ClassName, Texts] = Field(default={})
    snapshot: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    per_class: Count | None = None
    per_query: Count | None = None
    expect_at_least: Annotated[int, Field(ge=0)] = 20
    tolerate: Share = 0.0
    thumbnails: bool = True
    licences: Annotated[tuple[Licence, ...], Field(min_length=1, strict=False)] | None = None
    folder: FolderParams = FolderParams()
    urls: UrlsParams = UrlsParams()
    keras: KerasParams = KerasParams()
    contact: Annotated[str, StringConstraints(pattern=CONTACT, max_length=200)] | None = None
    rate: Annotated[float, Field(ge=0.01)] | None = 4.0
    robots_exceptions: Hosts = ()
    opt_out: Hosts = ()
    allow_hosts: Origins = ()
    browsers: Annotated[int, Field(ge=1, le=16)] = 2
    connections: Annotated[int, Field(ge=1, le=256)] = 64
    per_host: Annotated[int, Field(ge=1, le=256)] = 8
    timeout: Annotated[float, Field(gt=0, le=3600)] = 20.0
    max_bytes: Annotated[int, Field(ge=1, le=1_073_741_824)] = 26_214_400

    @field_validator("snapshot")
    @classmethod
    def _in_the_calendar(cls, snapshot: str) -> str:
        try:
            date.fromisoformat(snapshot)
        except ValueError:
            raise ValueError(f"expected a date of the calendar, received {snapshot!r}") from None
        return snapshot

    def by_class(self) -> dict[str, Mapping[str, object]]:
        """Return the keys whose values go by class, by their names within the section."""
        return {"queries": self.queries, "source_by_class": self.source_by_class, "urls.classes": self.urls.classes}

    def sources_of(self, label: str) -> tuple[str, ...]:
        """Return the names of the sources of a class."""
        return self.source_by_class.get(label, self.source)

    def queries_of(self, label: str) -> tuple[str, ...]:
        """Return what the sources of a class are asked."""
        return self.queries.get(label, (label,))
