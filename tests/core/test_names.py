"""Folders of classes, whatever their labels are."""

import re

import pytest

from pixmill.core.errors import DataError
from pixmill.core.names import LABEL, class_folder, fold, is_label, to_slug


@pytest.mark.parametrize(
    "label", ["con", "NUL.txt", "com1 .x", "Metadata.csv", "a.", "a/b", "..", "é" * 100, "-" * 200]
)
def test_labels_that_file_systems_or_the_table_refuse_get_other_names(label):
    slug = to_slug(label)
    assert not re.match(r"(con|nul|com1) *(\.|$)", slug, re.IGNORECASE)
    assert fold(slug) != fold(label)
    assert len(slug.encode()) <= 130
    assert not set(slug) & set('<>:"/\\|?*')
    assert not slug.endswith((" ", "."))


@pytest.mark.parametrize(
    "label", ["Corn_(maize)___healthy", "n" * 79, "قطة", "🐕‍🦺 dog", "-x", "confetti", "metadata"]
)
def test_other_labels_are_the_names_of_their_folders(label):
    assert to_slug(label) == label


REFUSED = [
    "",
    " ",
    "\n",
    "cat ",
    "a\0b",
    "a\x1bb",
    "\u2028",
    "a\u202eb",
    "a\u2066b",
    "a\u200bb",
    "\ufeffa",
    "n" * 201,
]
LABELS = [
    "$(x)",
    "`x`",
    "co\u00adop",
    "a\u200eb",
    "\u0645\u06cc\u200c\u062e",
    "\U0001f3f4\U000e0067\U000e007f",
    "\u0378",
    "n" * 200,
]


@pytest.mark.parametrize("label", [*REFUSED, "\udcff"])
def test_what_cannot_be_a_label_has_no_folder(label):
    with pytest.raises(DataError):
        class_folder(label)


@pytest.mark.parametrize("label", [*REFUSED, *LABELS])
def test_the_pattern_of_the_schema_matches_labels_alone(label):
    assert bool(re.search(LABEL, label)) == is_label(label) == (label in LABELS)


@pytest.mark.parametrize("label", ["cat", ".", "..", "/etc", "a/../../b", "a.", "C:\\x", "n" * 200])
def test_a_label_has_a_folder_of_one_name(label):
    folder = class_folder(label)
    assert not {*folder} & {"/", "\\", "\0"}
    assert folder.strip(".")
