"""Folders of classes, whatever their labels are."""

import re

import pytest

from pixmill.core.errors import DataError
from pixmill.core.names import class_folder, fold, to_slug


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


@pytest.mark.parametrize("label", ["", " ", "\n", "cat ", "a\0b", "a\x1bb", "\u2028", "\udcff", "n" * 201])
def test_what_cannot_be_a_label_has_no_folder(label):
    with pytest.raises(DataError):
        class_folder(label)


@pytest.mark.parametrize("label", ["cat", ".", "..", "/etc", "a/../../b", "a.", "C:\\x", "n" * 200])
def test_a_label_has_a_folder_of_one_name(label):
    folder = class_folder(label)
    assert not {*folder} & {"/", "\\", "\0"}
    assert folder.strip(".")
