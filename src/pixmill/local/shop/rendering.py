"""Render the shop's pages as HTML."""

import base64
from typing import Any

import jinja2

from pixmill.images.formats import sniff
from pixmill.local.shop.catalogue import CardKind, Catalogue, ProductCard, display_name

BATCH_SIZE = 20
"""Cards per batch; fills rows of 2, 4 and 5."""

FIRST_PAUSE = 2
PAUSE_EVERY = 5
"""Number of the first batch after which scrolling stops until "Show more" is clicked, and batches between stops."""

_PLACEHOLDER = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def content_type(content: bytes) -> str:
    """Return the content type of an image; ``application/octet-stream`` for other content."""
    name = sniff(content)
    return (
        f"image/{name}"
        if name in ("jpeg", "png", "webp", "gif", "bmp", "tiff")
        else "application/octet-stream"
    )


class Pages:
    """Render a catalogue.

    Args:
        catalogue: The shop's catalogue.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("pixmill.local.shop"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.globals |= {
            "classes": {label: display_name(label) for label in catalogue.classes},
            "CardKind": CardKind,
            "images": _images,
        }

    def home(self, *, consented: bool) -> str:
        """Return the home page, with a tile for each class and a few new products."""
        windows = {label: self._catalogue.display(label, 5) for label in self._catalogue.classes}
        counts = {
            label: sum(card.kind is CardKind.PRODUCT for card in cards)
            for label, cards in self._catalogue.classes.items()
        }
        novelties = [
            card
            for place in range(3, 5)
            for cards in windows.values()
            for card in cards[place : place + 1]
        ]
        return self._render(
            "home.html", consented, windows=windows, counts=counts, novelties=novelties[:10]
        )

    def search(self, query: str, *, consented: bool) -> str:
        """Return the results of a query, with the first batch of cards."""
        cards = self._catalogue.find(query)
        if not cards:
            return self._render("no_results.html", consented, query=query)
        batch = self._batch(cards, 1)
        return self._render(
            "search.html", consented, query=query, current=cards[0].label, total=len(cards), **batch
        )

    def more(self, query: str, page: int) -> dict[str, Any] | None:
        """Return a further batch of results, or ``None`` if it does not exist.

        Returns:
            ``html``: the cards; ``next``: number of the next batch, ``None`` at the end; ``pause``:
            whether the next batch requires a click.
        """
        batch = self._batch(self._catalogue.find(query), page)
        if page < 1 or not batch["cards"]:
            return None
        return {
            "html": self._templates.get_template("cards.html").render(cards=batch["cards"]),
            "next": batch["next"],
            "pause": batch["pause"],
        }

    def product(self, product: str, *, consented: bool) -> str | None:
        """Return a product's page, or ``None`` if it does not exist."""
        card = self._catalogue.products.get(product)
        if card is None:
            return None
        others = [other for other in self._catalogue.display(card.label, 6) if other.id != card.id][
            :5
        ]
        return self._render("product.html", consented, current=card.label, card=card, others=others)

    def notice(self, heading: str, text: str, *, consented: bool) -> str:
        """Return a page with a heading and a text."""
        return self._render("notice.html", consented, heading=heading, text=text)

    def _batch(self, cards: tuple[ProductCard, ...], page: int) -> dict[str, Any]:
        end = page * BATCH_SIZE
        return {
            "cards": cards[end - BATCH_SIZE : end],
            "next": page + 1 if end < len(cards) else None,
            "pause": end < len(cards)
            and page >= FIRST_PAUSE
            and (page - FIRST_PAUSE) % PAUSE_EVERY == 0,
        }

    def _render(self, template: str, consented: bool, **values: Any) -> str:
        return self._templates.get_template(template).render(
            {"consented": consented, "query": "", "current": "", **values}
        )


def _images(card: ProductCard) -> dict[str, str]:
    """Return a card's ``src`` and ``data-src``, the latter empty if absent."""
    if card.inline is None:
        return {"src": _PLACEHOLDER, "data_src": card.image}
    content = card.path.read_bytes()
    inlined = f"data:{content_type(content)};base64,{base64.b64encode(content).decode()}"
    return (
        {"src": inlined, "data_src": ""}
        if card.inline == "src"
        else {"src": _PLACEHOLDER, "data_src": inlined}
    )
