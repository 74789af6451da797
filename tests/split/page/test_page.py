"""The page of split."""

import itertools
import re

import pytest

from pixmill.core.params import SplitParams
from pixmill.images.compute import RowLimits
from pixmill.split.page.report import SplitCards, render_report
from pixmill.split.splitting import split
from tests.split.conftest import CLASSES, pairs_table, write_project

LIMITS = RowLimits(60, 512 << 20)
PARAMS = SplitParams(val=0.3, test=0.3, folds=2, group_by="page", image_size=16)
HOSTILE = "http://evil.test/<script>alert(1)</script>/" + "x" * 300


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return write_project(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def found(project):
    manifest = project.manifest.copy()
    names = manifest["id"].tolist()
    manifest["page_url"] = [HOSTILE, HOSTILE, *(f"http://shop.test/{n // 2}" for n in range(58))]
    manifest["given_split"] = [None] * 56 + ["test", "train", "test", "train"]
    manifest["group"] = [names[0]] * 41 + names[41:]
    pairs = pairs_table(list(itertools.pairwise(names[:41])))
    return split(
        manifest.astype({"page_url": "string", "given_split": "string"}),
        pairs,
        PARAMS,
        classes=CLASSES,
    )


@pytest.fixture(scope="module")
def page(found, project):
    return render_report(found, PARAMS, LIMITS, folder=project.images, workers=1)


def test_page_is_complete_and_self_contained(found, page, project):
    for text in (
        "No leakage between the splits",
        "class_shares",
        "near_duplicates_in_one_fold",
        "<h3>Near-duplicate in another split: ",
        "<h3>Group in another split: ",
        "similarity 0.9950",
        "dropped from train",
        "same group",
        "Images of one page are always in the same split",
        "16 \u00d7 16 pixels",
        "split.salt",
    ):
        assert text in page, text
    assert page.count("<img") > 30
    assert ">no image<" not in page
    assert not re.search(r"<script>alert|(?:src|href)=\"(?!data:|#|[a-z]+\.html\")", page)
    assert len(page) < 1_000_000
    assert str(project.root) not in page
    for outcome in found.outcomes:
        assert outcome.check.name in page


def test_series_are_no_leakage_prevented(found, project):
    remarks = ["20 series"]
    page = render_report(found, PARAMS, LIMITS, folder=project.images, workers=1, remarks=remarks)
    assert "No leakage" not in page
    assert "</span> 20 series.</p>" in page


def test_missing_class_is_shown_with_advice(project):
    params = SplitParams(image_size=16)
    found = split(project.manifest, pairs_table([]), params, classes=(*CLASSES, "hat"))
    page = render_report(found, params, LIMITS, folder=project.images, workers=1)
    for text in (
        "Split checks failed: same_classes",
        "To fix: change split.val (0.15), split.test (0.2) or split.salt",
        "test has no image of &#39;hat&#39;",
    ):
        assert text in page, text
    assert page.count("<img") > 30


def test_samples_are_random_images_of_their_split(found, project):
    manifest = found.manifest.set_index("id")
    for part, cards in SplitCards(found, project.images, PARAMS).samples().items():
        names = [card.shown.id for card in cards]
        assert {manifest.at[name, "split"] for name in names} == {part}
        assert names != sorted(names)
        assert all((card.shown.side, card.shown.resize) == (16, "bicubic") for card in cards)
