"""The card and the attributions of an exported data set."""

import re
from collections import Counter, defaultdict
from importlib.resources import files
from pathlib import Path

from pixmill import __version__
from pixmill.core.params import Params
from pixmill.core.repository.git import git
from pixmill.project.dataset.handing_on.choosing import UNKNOWN, Choice
from pixmill.scrape.licences import parse_licence
from pixmill.serve.export.card import escape, markdown_environment
from pixmill.validate.decisions import read_decisions

MARK = "# Written by `pixmill export --data`, which replaces this folder as long as this line is in it."
"""A comment in the front matter, by which a later export recognizes the folder."""

_HUB_LICENCES = re.compile(
    r"cc0-1\.0|cc-by-(2\.0|2\.5|3\.0|4\.0|sa-[34]\.0|nc-[234]\.0|nd-4\.0|nc-nd-[34]\.0|nc-sa-[234]\.0)"
)
"""Creative Commons licences in the list of Hugging Face's hub; others are ``other`` there."""

_SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Values of ``size_categories`` on the hub, by their upper limits."""


def name_licence(text: str | None) -> str:
    """Return the name of a licence; one that is not of Creative Commons keeps its text."""
    return str(parse_licence(text) or text or UNKNOWN)


def render_data_card(choice: Choice, *, name: str, root: Path, params: Params) -> str:
    """Return the card as Markdown with the YAML head that hubs read: the template ``card.md``, every text escaped.

    Args:
        choice: The exported images, and those left out.
        name: Name of the data set.
        root: Project folder, with ``review.csv``.
        params: Its params.
    """
    images = choice.images
    days: dict[str, list[str]] = defaultdict(list)
    for image in images:
        days[image.source].append(image.snapshot)
    decisions = Counter(item.verb for item in read_decisions(root / "review.csv", params.classes))
    licences = Counter(name_licence(image.facts.licence) for image in images)
    codes = {text: text.lower().replace("cc0 1.0", "cc0-1.0").replace(" ", "-") for text in licences}
    hub = {
        "unknown" if text == UNKNOWN else code if _HUB_LICENCES.fullmatch(code) else "other"
        for text, code in codes.items()
    }
    template = files("pixmill.project.dataset.handing_on").joinpath("card.md").read_text(encoding="utf-8")
    return (
        markdown_environment()
        .from_string(template)
        .render(
            mark=MARK,
            name=name,
            version=__version__,
            commit=(git(root, "rev-parse", "HEAD") or "").strip(),
            hub_licences=sorted(hub),
            size=next((text for limit, text in _SIZES if len(images) < limit), "1M<n<10M"),
            images=images,
            labels=sorted({image.facts.label for image in images}, key=str),
            balance=Counter((image.facts.label, image.facts.split) for image in images),
            sources=[(source, min(found), max(found), len(found)) for source, found in sorted(days.items())],
            queries=choice.queries,
            dropped=choice.dropped.most_common(),
            withheld=choice.withheld.most_common(),
            relabelled=decisions["relabel"],
            confirmed=decisions["keep"],
            discarded=decisions["drop"],
            licences=licences.most_common(),
        )
    )


def render_attribution(choice: Choice) -> str:
    """Return author, licence and page of each image whose licence asks for attribution, as Markdown.

    Args:
        choice: The exported images.
    """
    grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
    for image in choice.images:
        known = parse_licence(image.facts.licence)
        if known is not None and known.family.startswith("by"):
            link = escape(image.facts.page_url or image.image_url or "page unknown")
            key = str(known), escape(image.facts.author or "author unknown")
            grouped[key].append(f"- `{image.id[:16]}`: {link}")
    parts = [f"## {author}, {licence}\n\n" + "\n".join(rows) for (licence, author), rows in sorted(grouped.items())]
    return "\n\n".join(["# Attribution", *(parts or ["No licence of these images asks for attribution."])]) + "\n"
