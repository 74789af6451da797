"""XMP sidecars of predictions."""

import json
import subprocess
from xml.etree import ElementTree

import pytest

from pixmill.serve.predict.sidecars import write_sidecar

NAMES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "pixmill": "https://pixmill.invalid/xmp/1.0/",
}
KEYWORDS = ["T-shirt & <top>", "kurtā ]]> {x}", "a\0b\ud800"]


@pytest.fixture
def image(tmp_path):
    return tmp_path / "a.jpg"


def write(image, keywords=KEYWORDS, confidence=2 / 3):
    row = {"predicted": ";".join(keywords), "confidence": confidence}
    return write_sidecar(image, row, keywords, "0" * 64)


def test_a_sidecar_has_keywords_and_confidence(image):
    assert write(image)
    root = ElementTree.parse(image.with_name("a.jpg.xmp")).getroot()
    found = [each.text for each in root.iterfind(".//dc:subject/rdf:Bag/rdf:li", NAMES)]
    assert found == ["T-shirt & <top>", "kurtā ]]> {x}", "a\\x00b\\ud800"]
    (confidence,) = root.iterfind(".//pixmill:confidence", NAMES)
    assert float(str(confidence.text)) == pytest.approx(2 / 3, abs=1e-6)


def test_our_sidecar_is_replaced_and_others_stay(image):
    path = image.with_name("a.jpg.xmp")
    assert write(image, ["coat"])
    state = path.stat()
    assert write(image, ["coat"])
    assert path.stat() == state
    assert write(image, ["hat"])
    assert b"coat" not in path.read_bytes()
    ours = path.read_text(encoding="utf-8")
    added = "<rdf:li>hat</rdf:li>\n     <rdf:li>holiday</rdf:li>"
    for old, new in (('xmptk="Pixmill"', 'xmptk="XMP"'), ("<rdf:li>hat</rdf:li>", added)):
        changed = ours.replace(old, new)
        path.write_text(changed, encoding="utf-8")
        assert not write(image, ["coat"])
        assert path.read_text(encoding="utf-8") == changed


def test_exiftool_reads_the_keywords(image, exiftool):
    write(image)
    command = [exiftool, "-json", "-Subject", "-XMP-pixmill:all", "-Confidence", "a.jpg.xmp"]
    said = subprocess.run(command, cwd=image.parent, capture_output=True, check=True)
    (found,) = json.loads(said.stdout)
    assert found["Subject"] == ["T-shirt & <top>", "kurtā ]]> {x}", "a\\x00b\\ud800"]
    assert found["Confidence"] == pytest.approx(2 / 3, abs=1e-6)
