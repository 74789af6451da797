"""Texts of an exported data set: card, attributions, Croissant, and a file for Label Studio."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from pixmill import __version__
from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.decisions import read_rows
from pixmill.core.repository.git import git_line
from pixmill.dataset.exporting.choosing import Choice
from pixmill.pages.markdown import in_markdown
from pixmill.pages.page import make_environment
from pixmill.split import straddling
from pixmill.validate import reasons

MARK = (
    "# Written by `pixmill export --data`, which replaces this folder as long as this line is "
    "in it."
)
"""A comment in the front matter, by which a later export recognizes the folder."""

CARD = "README.md"

TEMPLATES = {
    CARD: "card.md",
    "ATTRIBUTION.md": "attribution.md",
    "croissant.json": "croissant.json",
}
"""Templates of the files of every export."""

_HUB_LICENCES = re.compile(
    r"unknown|cc0-1\.0|cc-by-(2\.[05]|[34]\.0|(sa|nc-nd)-[34]\.0|nc(-sa)?-[234]\.0|nd-4\.0)"
)
"""Licences that Hugging Face's hub lists; others are ``other`` there."""

_URL = re.compile(r"https?://[^\s<>]+")
"""URLs that Markdown links between ``<`` and ``>``."""

_NOT_FETCHED = ("folder", "keras")
"""Sources whose images were collected before ``scrape.snapshot``, on unknown days."""

_SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Values of ``size_categories`` on the hub, by their upper limits."""


def render_texts(
    choice: Choice,
    templates: Mapping[str, str],
    *,
    tables: Mapping[str, str],
    name: str,
    root: Path,
) -> dict[str, str]:
    """Return the texts of files of an export; those in Markdown have every value escaped.

    Args:
        choice: The exported images, and those left out.
        templates: Template by file name, such as :data:`TEMPLATES`.
        tables: SHA-256 of each table of metadata, by its path in the export.
        name: Name of the data set.
        root: Project folder, with ``decisions.csv``.
    """
    images = choice.images
    days = images["snapshot"].mask(images["source"].isin(_NOT_FETCHED), "")
    licences = Counter(images["terms"])
    codes = [terms.lower().replace(" ", "-") for terms in licences]
    meanings = reasons.REASONS | straddling.REASONS
    balance = _count(choice)
    content = {
        "mark": MARK,
        "name": name,
        "version": __version__,
        "commit": git_line(root, "rev-parse", "HEAD"),
        "hub_licences": sorted(
            {code if _HUB_LICENCES.fullmatch(code) else "other" for code in codes}
        ),
        "size": next((text for limit, text in _SIZES if len(images) < limit), "1M<n<10M"),
        "images": images,
        "labelling": choice.labelling,
        "labels": sorted({label for label, _ in chain(*balance.values())}),
        "balance": balance,
        "sources": days.groupby(images["source"]).agg(["min", "max", "count"]).itertuples(),
        "queries": sorted(set(images["query"]) - {""}),
        "dropped": [
            (meanings.get(name, name), number) for name, number in choice.dropped.most_common()
        ],
        "withheld": choice.withheld.most_common(),
        "decisions": Counter(row.answer for row in read_rows(root / DECISIONS)),
        "licences": licences.most_common(),
        "credits": images[images["terms"].str.startswith("CC BY")].groupby(["author", "terms"]),
        "tables": tables,
        "endings": sorted({path.suffix for path in images["original"]}),
    }
    environment = make_environment(
        "pixmill.dataset.exporting", autoescape=False, finalize=in_markdown
    )
    safe = environment.filters["safe"]
    environment.filters["link"] = lambda text: safe(f"<{text}>") if _URL.fullmatch(text) else text
    return {
        file: environment.get_template(template).render(content)
        for file, template in templates.items()
    }


def _count(choice: Choice) -> dict[str, Counter[tuple[str, str]]]:
    """Return the number of images by label and split, for each column of labels."""
    counts = {}
    for column in choice.labelling.lists or ("label",):
        each = choice.images[[column, "split"]].explode(column).dropna()
        counts[column] = Counter(zip(each[column], each["split"], strict=True))
    return counts
