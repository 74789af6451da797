"""The section of the stage scrape: sources, queries, limits and politeness."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    field_validator,
)

from pixmill.core.params.sections import PLUGIN, ClassName, Count, Section, Share
from pixmill.core.words import did_you_mean

SOURCES = (
    "shop", "folder", "urls", "keras", "openverse", "wikimedia",
    "google", "bing", "yahoo", "amazon",
)  # fmt: skip
"""Built-in sources.

``site:<name>`` is defined by ``sites/<name>.yaml``, ``plugin:<name>`` by the project's code.
"""

Licence = Literal["cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd"]
Texts = Annotated[
    tuple[
        Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]*$", max_length=500)],
        ...,
    ],
    Field(min_length=1, strict=False),
]
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
HOST = rf"^{_NAME}$"
ORIGIN = (
    rf"^{_NAME}:(?:[1-9]\d{{0,3}}|[1-5]\d{{4}}|6[0-4]\d{{3}}|65[0-4]\d{{2}}|655[0-2]\d|6553[0-5])$"
)
CONTACT = r"^(?:[!-?A-~]+@[!-?A-~]+|https?://[!-~]+)$"
Hosts = Annotated[tuple[Annotated[str, StringConstraints(pattern=HOST)], ...], Field(strict=False)]
Origins = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=ORIGIN)], ...], Field(strict=False)
]
Authors = Annotated[
    tuple[Annotated[str, StringConstraints(max_length=1000)], ...], Field(strict=False)
]
ShortIds = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")], ...], Field(strict=False)
]


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in SOURCES and not re.fullmatch(rf"(?:site|plugin):{PLUGIN}", name):
            raise ValueError(
                f"expected one of {', '.join(SOURCES)}, site:<name> or plugin:<name>, received "
                f"{name!r}{did_you_mean(name, SOURCES)}"
            )
    if len(set(names)) < len(names):
        raise ValueError(f"expected each source once, received {', '.join(names)}")
    return names


_NAMES = {
    "anyOf": [{"enum": [*SOURCES]}, {"type": "string", "pattern": f"^(site|plugin):{PLUGIN}$"}]
}
_LIST = {"type": "array", "items": _NAMES}
ClassSources = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    AfterValidator(_check_names),
    PlainSerializer(lambda names: names[0] if len(names) == 1 else names),
    Field(strict=False),
    WithJsonSchema({"anyOf": [_NAMES, _LIST]}),
]
"""Sources of a class, in order; it may have none."""
Sources = Annotated[
    ClassSources, Field(min_length=1), WithJsonSchema({"anyOf": [_NAMES, {**_LIST, "minItems": 1}]})
]
"""One or several sources, in order."""


class FolderParams(Section):
    """The layout of local images."""

    layout: Literal["classes", "fixed"] = Field(
        default="classes",
        description="`classes`: `data/<class>/*`; `fixed`: `data/{train,val,test}/<class>/*`, a "
        "predefined split.",
    )
    classes: dict[ClassName, Texts] = Field(
        default={},
        description=(
            "Folders in data/, or labels in data/metadata.csv, by class; default: the class's name."
        ),
        examples=[{"healthy corn": ["Corn_(maize)___healthy"]}],
    )


class UrlsParams(Section):
    """Lists of URLs."""

    files: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Lists in the project: CSV, TSV or Parquet files with the columns url and "
        "label, and others.",
        examples=[["lists/cats.csv"]],
    )
    classes: dict[ClassName, Texts] = Field(
        default={},
        description="Labels in the lists, by class; default: the class's name.",
        examples=[{"cat": ["/m/01yrx"]}],
    )


class KerasParams(Section):
    """A dataset of ``keras.datasets``."""

    dataset: Literal["mnist", "fashion_mnist"] = Field(
        default="fashion_mnist", description="The dataset."
    )
    path: str | None = Field(
        default=None,
        max_length=1000,
        description="A local copy: mnist.npz, or the folder with the four published files; null: "
        "Keras downloads it.",
    )


class ScrapeParams(Section):
    """Sources of images, limits and politeness of fetching."""

    source: Sources = Field(
        default=("shop",),
        description="One source, or several in order: `shop` (bundled), `folder` (data/), `urls`, "
        "`keras`, `openverse`, `wikimedia`, `google`, `bing`, `yahoo`, `amazon`, `site:<name>` of "
        "sites/, or `plugin:<name>` of src/.",
        examples=[["openverse", "bing"]],
    )
    source_by_class: dict[ClassName, ClassSources] = Field(
        default={},
        description="Sources for individual classes, instead of `source`; `[]`: none, for "
        "relabelled images.",
        examples=[{"saree": ["amazon", "bing"]}],
    )
    queries: dict[ClassName, Texts] = Field(
        default={},
        description="Search terms by class; default: its name.",
        examples=[{"saree": ["silk saree", "cotton saree"]}],
    )
    snapshot: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] = Field(
        description="Date of the scrape, in quotes; change it to visit the sources again."
    )
    per_class: Count | None = Field(
        default=None, description="Maximum number of images per class; null: all."
    )
    per_query: Count | None = Field(
        default=None, description="Maximum number of candidates per query and source; null: all."
    )
    expect_at_least: int = Field(
        default=20,
        ge=0,
        le=1_000_000_000,
        description="A web query with fewer candidates fails: the page layout may have changed.",
    )
    tolerate: Share = Field(
        default=0.0, description="Share of queries that may fail without an error."
    )
    thumbnails: bool = Field(
        default=True, description="Whether to keep the thumbnail if the original cannot be fetched."
    )
    licences: Annotated[tuple[Licence, ...], Field(min_length=1, strict=False)] | None = Field(
        default=None,
        description="Accepted licences; null: any. Search engines and shops report no licences, so "
        "they "
        "need null.",
        examples=[["cc0", "by"]],
    )
    folder: FolderParams = Field(default=FolderParams(), description="The source `folder`.")
    urls: UrlsParams = Field(default=UrlsParams(), description="The source `urls`.")
    keras: KerasParams = Field(default=KerasParams(), description="The source `keras`.")
    contact: Annotated[str, StringConstraints(pattern=CONTACT, max_length=200)] | None = Field(
        default=None, description="Your e-mail address or URL, sent to sites in the User-Agent."
    )
    rate: Annotated[float, Field(ge=0.01, le=1000)] | None = Field(
        default=4.0,
        description=(
            "Maximum requests per second to one host; null: no limit. robots.txt may ask for fewer."
        ),
    )
    robots_exceptions: Hosts = Field(
        default=(),
        description="Hosts whose robots.txt you override, on your own responsibility.",
        examples=[["example.org"]],
    )
    opt_out: Hosts = Field(
        default=(),
        description="Hosts never to visit or take images of, with subdomains.",
        examples=[["example.org"]],
    )
    exclude_authors: Authors = Field(
        default=(),
        description="Authors whose images are not taken; see `pixmill forget`.",
        examples=[["Jane Doe"]],
    )
    exclude_ids: ShortIds = Field(
        default=(),
        description="First 16 digits of ids of images that are not taken.",
        examples=[["9f86d081884c7d65"]],
    )
    allow_hosts: Origins = Field(
        default=(),
        description="Hosts with non-public addresses that may be fetched.",
        examples=[["intranet.example.org:8080"]],
    )
    browsers: int = Field(
        default=2, ge=1, le=16, description="Browsers in parallel, about 0.4 GB each."
    )
    connections: int = Field(default=64, ge=1, le=256, description="Parallel downloads.")
    per_host: int = Field(default=8, ge=1, le=256, description="Parallel downloads from one host.")
    timeout: float = Field(
        default=20.0, gt=0, le=3600, description="Timeout of one download, in seconds."
    )
    max_bytes: int = Field(
        default=26_214_400,
        ge=1,
        le=1_073_741_824,
        description="Maximum size of a download, in bytes.",
    )

    @field_validator("snapshot")
    @classmethod
    def _is_a_day(cls, text: str) -> str:
        try:
            date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"expected a date such as 2026-11-20, received {text!r}") from None
        return text

    def by_class(self) -> dict[str, Mapping[str, object]]:
        """Return the values that are mappings by class, by key within the section."""
        return {
            "queries": self.queries,
            "source_by_class": self.source_by_class,
            "folder.classes": self.folder.classes,
            "urls.classes": self.urls.classes,
        }

    def sources_of(self, label: str) -> tuple[str, ...]:
        """Return the names of the sources of a class."""
        return self.source_by_class.get(label, self.source)

    def queries_of(self, label: str) -> tuple[str, ...]:
        """Return the search terms of a class."""
        return self.queries.get(label, (label,))
