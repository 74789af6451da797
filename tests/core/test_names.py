"""Folders of classes, whatever their labels are."""

import re

import pytest

from pixmill.core.names import fold, to_slug


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


@pytest.mark.parametrize("label", ["Corn_(maize)___healthy", "n" * 79, "قطة", "🐕‍🦺 dog", "-x", "confetti", "metadata"])
def test_other_labels_are_the_names_of_their_folders(label):
    assert to_slug(label) == label
