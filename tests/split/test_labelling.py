"""Splits of images with several labels."""

import pandas as pd
import pytest

from pixmill.core.cells import render_cells
from pixmill.core.params import SplitParams
from pixmill.split.splitting import metrics, plot_table, split
from tests.split.conftest import ids, pairs_table, table

CLASSES = ("dark", "long")
PARAMS = SplitParams(val=0.3, test=0.3)


def cells(number: int) -> str:
    known = {"dark": number % 4 == 0} if number % 2 == 0 else {}
    return render_cells({"long": number % 3 == 0} | known)


@pytest.fixture
def found():
    manifest = table(ids(240), [cells(number) for number in range(240)])
    return split(manifest, pairs_table([]), PARAMS, classes=CLASSES, task="labels")


def test_an_image_counts_in_each_label_it_has(found):
    full = metrics(found)
    counts = pd.DataFrame({part: full[part] for part in ("train", "val", "test")})
    assert counts.sum(axis=1).to_dict() == {"dark": 60, "long": 80}
    assert sum(found.sizes.values()) == 240
    assert full["gate"]["same_classes"]
    rows = plot_table(found).set_index(["part", "label"])
    of_known = rows.loc[("test", "dark"), "n"] / rows.loc[("test", "dark"), "share"]
    assert of_known == pytest.approx(found.labelling.known(found.manifest, "test", CLASSES)["dark"])


def test_each_split_needs_a_yes_and_a_no(found):
    texts = ['{"dark":true,"long":false}' if n % 2 else '{"dark":true}' for n in range(240)]
    lacking = split(table(ids(240), texts), pairs_table([]), PARAMS, classes=CLASSES, task="labels")
    outcomes = [each for each in lacking.outcomes if each.check.name == "same_classes"]
    assert [each.success for each in outcomes] == [False] * 3
    assert outcomes[0].found == ("train has no image of 'long'", "train has no image of 'not dark'")
