"""What the stage's page shows of single pictures: cards, sets of cards side by side, random samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from pixmill.validate.reasons import REASONS, UNREADABLE, meaning, word
from pixmill.validate.validation import Validation

__all__ = ["Card", "Deck", "Offenders", "Repeated", "Side", "shorten"]

_CARDS = 12
"""Cards of one reason, and of one class's sample: a page of a million pictures must still be read by a person."""

_SIDES, _MEMBERS = 12, 6
"""Sets of pictures of one kind that are shown, and members of one set."""

_PLACES = 3
"""Places of one picture that are named."""

_PAIRED = ("label_conflict", "duplicate_pixels")
"""Reasons that rest on another picture: shown with it, side by side."""


@dataclass(frozen=True)
class Card:
    """Hold what is shown of a picture: its id, and lines of text."""

    id: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """Hold pictures to be shown side by side.

    Args:
        title: What they have in common.
        cards: The pictures.
        warning: Whether a person should look.
        more: How many members are not shown.
    """

    title: str
    cards: list[Card]
    warning: bool = False
    more: int = 0


@dataclass(frozen=True)
class Offenders:
    """Hold the pictures that were dropped for one reason.

    Args:
        reason: The word.
        meaning: What it means.
        count: How many there are.
        cards: Some of them, where each stands for itself.
        sides: Some of them with the pictures that they resemble, where they do not.
        more: How many cards or sets are not shown.
    """

    reason: str
    meaning: str
    count: int
    cards: list[Card]
    sides: list[Side]
    more: int


@dataclass(frozen=True)
class Repeated:
    """Hold a file that was seen more than once.

    Args:
        card: The picture.
        count: How many times.
        places: Where, the first few.
    """

    card: Card
    count: int
    places: str


def shorten(text: str, limit: int = 90) -> str:
    """Return a long name or URL without its middle: both ends tell where it is from."""
    return text if len(text) <= limit else f"{text[: limit - 31]}…{text[-30:]}"


def _same(members: int) -> str:
    return f"{members} pictures with the same pixels" if members > 1 else "The same file under several labels"


class Deck:
    """Deal the cards of a validation.

    Args:
        validation: What the stage found.
    """

    def __init__(self, validation: Validation) -> None:
        self._pairs = validation.pairs
        self._across = set(validation.pairs_across_labels()[["a", "b"]].to_numpy().ravel())
        self._manifest = validation.manifest.set_index("id", drop=False)
        self._sightings = validation.sightings.dropna(subset=["id"]).groupby("id")

    def path(self, name: str) -> str:
        """Return where a picture's file lies, relative to scrape's folder."""
        return str(self._manifest.at[name, "path"])

    def is_readable(self, name: str) -> bool:
        """Tell whether a picture has pixels to show."""
        reason = self._manifest.loc[name]["reason"]
        return bool(pd.isna(reason) or word(reason) not in UNREADABLE)

    def card(self, name: str, *, verdict: bool = False) -> Card:
        """Return a picture's card.

        Args:
            name: Its id.
            verdict: Whether to say if it was kept.
        """
        row = self._manifest.loc[name]
        lines = [self._label(name), self._place(name)]
        if not pd.isna(row["width"]):
            lines.insert(1, f"{row['width']} \u00d7 {row['height']} {row['format']}")
        if verdict:
            lines.insert(0, "kept" if row["verdict"] == "keep" else f"dropped: {word(row['reason'])}")
        return Card(name, tuple(lines))

    def offenders(self) -> Iterator[Offenders]:
        """Yield what was dropped, by reason in the order of the vocabulary."""
        words = self._manifest["reason"].dropna().map(word)
        for name in REASONS:
            ids = list(words.index[words == name])
            if not ids:
                continue
            if name in _PAIRED:
                sets = self._alike(ids)
                sides = [self._side(_same(len(members)), members) for members in sets[:_SIDES]]
                yield Offenders(name, meaning(name), len(ids), [], sides, max(0, len(sets) - _SIDES))
            else:
                cards = [self.card(item) for item in ids[:_CARDS]]
                yield Offenders(name, meaning(name), len(ids), cards, [], max(0, len(ids) - _CARDS))

    def near(self) -> list[Side]:
        """Return groups of near-duplicates: those across labels first, then the largest."""
        sizes = self._manifest["group"].value_counts()
        members = self._manifest[self._manifest["group"].isin(sizes.index[sizes > 1])].groupby("group")["id"].agg(list)
        order = sorted(members, key=lambda ids: (self._across.isdisjoint(ids), -len(ids), ids[0]))
        return [self._near_side(ids) for ids in order[:_SIDES]]

    def sample(self, label: str) -> list[Card]:
        """Return a random sample of a class's kept pictures, the same each time."""
        kept = self._manifest.loc[(self._manifest["verdict"] == "keep") & (self._manifest["label"] == label), "id"]
        # An id is a digest: its last digits are as good as dice, and nothing else hangs on them.
        return [self.card(name) for name in sorted(kept, key=lambda name: name[-16:])[:_CARDS]]

    def repeated(self) -> tuple[list[Repeated], int]:
        """Return files that were seen more than once, most often first, and how many more there are."""
        sizes = self._sightings.size().reset_index(name="n")
        often = sizes[(sizes["n"] > 1) & sizes["id"].isin(self._manifest.index)]
        first = often.sort_values(["n", "id"], ascending=[False, True]).head(_CARDS)
        told = [Repeated(self.card(name), n, self._places(name)) for name, n in first.itertuples(index=False)]
        return told, len(often) - len(told)

    def _side(self, title: str, ids: Sequence[str], *, warning: bool = False) -> Side:
        cards = [self.card(name, verdict=True) for name in ids[:_MEMBERS]]
        return Side(title, cards, warning, max(0, len(ids) - _MEMBERS))

    def _near_side(self, ids: list[str]) -> Side:
        alike = self._pairs.loc[self._pairs["a"].isin(ids), "similarity"]
        crossing = not self._across.isdisjoint(ids)
        return self._side(f"{len(ids)} pictures, at least {alike.min():.4f} alike", ids, warning=crossing)

    def _alike(self, ids: Sequence[str]) -> list[list[str]]:
        """Return the sets of pictures with the same pixels that the given ones belong to."""
        key = ["pixels", "width", "height"]
        wanted = self._manifest.loc[list(ids)][key].drop_duplicates()
        found = self._manifest[["id", *key]].reset_index(drop=True).merge(wanted, on=key)
        return sorted(found.groupby(key, sort=False)["id"].agg(sorted))

    def _label(self, name: str) -> str:
        label = self._manifest.loc[name]["label"]
        if not pd.isna(label):
            return str(label)
        return f"came as {' and '.join(sorted(self._seen(name, 'label')))}"

    def _place(self, name: str) -> str:
        """Return where a person finds the picture: where it came from, or where it lies."""
        row = self._manifest.loc[name]
        if pd.isna(row["label"]):
            return self._places(name)
        if not pd.isna(row["image_url"]):
            return shorten(row["image_url"])
        lies = f"artifacts/scrape/{row['path']}"
        return shorten(lies if pd.isna(row["page_url"]) else f"inlined in {row['page_url']}")

    def _places(self, name: str) -> str:
        """Return the first few of all places where the picture was seen."""
        places = self._seen(name, "image_url") or self._seen(name, "page_url")
        more = f" and {len(places) - _PLACES:,} more" if len(places) > _PLACES else ""
        return ", ".join(shorten(place) for place in places[:_PLACES]) + more

    def _seen(self, name: str, column: str) -> list[str]:
        if name not in self._sightings.groups:
            return []
        return list(dict.fromkeys(self._sightings.get_group(name)[column].dropna()))
