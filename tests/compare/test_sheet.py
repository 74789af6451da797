"""The contact sheet shows what flipped and what changed, in one file of bounded size."""

import hashlib
import io

import numpy as np
import pandas as pd
from PIL import Image

from pixmill.compare.sheet import choose, contact_sheet
from tests.compare.compared import comparison, data, name_of, numbers, revision


def test_flips_and_each_change_are_on_it():
    chosen = choose(comparison(data=data(30)))
    assert [row["id"] for row in chosen.lost] == [name_of(number) for number in range(6)]
    assert [row["id"] for row in chosen.gained] == [name_of(number) for number in range(6, 9)]
    assert {kind: len(rows) for kind, rows in chosen.samples.items()} == dict.fromkeys(chosen.samples, 12)
    # The first, the last, and some between: they are sorted by class.
    assert chosen.samples["moved"][0]["id"] == name_of(0)
    assert chosen.samples["moved"][-1]["id"] == name_of(29)


def test_one_kind_of_flip_leaves_its_room_to_the_other():
    def counts(lost, gained):
        chosen = choose(comparison(numbers=numbers(lost=lost, gained=gained)))
        return len(chosen.lost), len(chosen.gained)

    assert [counts(40, 40), counts(40, 2), counts(2, 40), counts(3, 4)] == [(18, 18), (34, 2), (2, 34), (3, 4)]


def test_it_is_one_small_image_even_of_noise():
    noise, names, files = np.random.default_rng(0), [], {}
    for number in range(9):
        buffer = io.BytesIO()
        Image.fromarray(noise.integers(0, 256, (200, 200, 3), np.uint8)).save(buffer, "JPEG")
        names.append(hashlib.sha256(buffer.getvalue()).hexdigest())
        files[f"artifacts/scrape/{number}"] = buffer.getvalue()
    flips = numbers(["$a_b$", "$\\frac$", "c"]).flips.assign(id=names)
    head = revision("cnn", files, manifest=pd.DataFrame({"id": names, "path": [*map(str, range(9))]}))
    noisy = comparison(head=head, numbers=numbers(flips=flips), data=data())
    content = contact_sheet(choose(noisy))
    assert len(content) < 1_500_000
    assert Image.open(io.BytesIO(content)).format == "PNG"


def test_without_images_there_is_none():
    assert contact_sheet(choose(comparison(base=None, head=revision("cnn")))) is None
    # A file that is not what its id says is not shown.
    swapped = {f"artifacts/scrape/{number}": b"no image" for number in range(60)}
    assert contact_sheet(choose(comparison(base=None, head=revision("cnn", swapped)))) is None
