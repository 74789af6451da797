"""Contract tests say how a plugin breaks its interface; tests/plugins runs them on sound ones."""

import numpy as np
import pandas as pd
import pytest

from pixmill.scrape.sources import Candidate, Fetched, LocalSource, Query, Source
from pixmill.testing import check_augmentation, check_backbone, check_checks, check_source

MANIFEST = pd.DataFrame({"label": ["cat", "dog"], "verdict": ["keep", "keep"]})


class Sound(LocalSource):
    name = "sound"
    kind = "local"
    ranks = (0, 1)

    def queries(self, label, texts):
        return [Query(label, text, "here") for text in texts]

    def search(self, query, _access):
        for rank in self.ranks:
            yield Candidate(query.label, query.text, rank, f"{rank}.png")

    def read(self, address, *, max_bytes):
        return Fetched(b"image"[:max_bytes], address)


class Greedy(Sound):
    def read(self, address, **_):
        return Fetched(b"image", address)


class Unordered(Sound):
    ranks = (1, 0)


class Listing(Sound):
    def search(self, query, access):
        return [*super().search(query, access)]


class Forgetful(Sound):
    def search(self, query, access):
        yield from super().search(query, access)
        self.ranks = (0,)


class Unread(Source):
    kind = "local"


class Silent(Sound):
    ranks = ()


def test_a_sound_source_passes():
    check_source(Sound(), "cat")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Greedy, "at most 1 bytes, received 5"),
        (Unordered, r"ascending ranks, received \[1, 0\]"),
        (Listing, "an iterator"),
        (Forgetful, "the same candidates"),
        (Unread, "LocalSource"),
        (Silent, "candidates for"),
    ],
)
def test_names_what_a_source_breaks(source, expected):
    with pytest.raises(AssertionError, match=expected):
        check_source(source(), "cat")


def test_names_what_checks_break():
    def change(manifest, classes):
        manifest["label"] = classes[0]
        return []

    with pytest.raises(AssertionError, match="unchanged"):
        check_checks(change, MANIFEST.copy(), ["cat", "dog"])
    with pytest.raises(AssertionError, match=r"a list of pixmill\.validate\.Check"):
        check_checks(lambda *_: None, MANIFEST, ["cat", "dog"])


def test_names_what_an_augmentation_breaks():
    for function, expected in (
        (lambda pixels, _: pixels[:1], "the shape"),
        (lambda pixels, _: pixels[..., 0], "float32 tensor of shape"),
        (lambda pixels, _: pixels + np.inf, "finite"),
    ):
        with pytest.raises(AssertionError, match=expected):
            check_augmentation(function)


def test_names_what_a_backbone_breaks():
    with pytest.raises(AssertionError, match="a feature map"):
        check_backbone(lambda pixels: [pixels])
