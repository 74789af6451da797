"""XML of CVAT gives each image its tags, and nothing that expands is parsed."""

from xml.parsers.expat import ExpatError

import pytest

from pixmill.dataset.label_files.cvat import read

HEAD = (
    "<annotations><version>1.1</version><meta><labels><label><name>x</name></label></labels></meta>"
)
IMAGES = (
    '<image id="0" name="a/1.jpg" subset="train"><tag label="cat"><attribute name="n">1</attribute>'
    '</tag><tag label="dog"/><box label="ear"/></image><image id="1" name="2 &amp; 3.jpg"/>'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_labels(encoding: str) -> None:
    found = read(f"{HEAD}{IMAGES}</annotations>".encode(encoding))
    assert found is not None
    train = {"image": "a/1.jpg", "split": "train"}
    assert [*found.rows] == [
        train,
        train | {"tag": "cat"},
        train | {"tag": "dog"},
        {"image": "2 & 3.jpg", "split": None},
    ]


def test_other_files() -> None:
    assert read(b"<annotation><filename>a.jpg</filename></annotation>") is None
    with pytest.raises(ExpatError):
        read(b"{}")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(encoding: str) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "cat"><!ENTITY c "&b;&b;">]><annotations>&c;</annotations>'
    with pytest.raises(ValueError, match="entities"):
        read(bomb.encode(encoding))
