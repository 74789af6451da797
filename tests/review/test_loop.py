"""From feedback to the manifest with the real stages."""

from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.dataset.inbox import Inbox
from pixmill.scrape import stage as scrape
from pixmill.validate import stage as validate
from tests.review.conftest import jpeg

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path):
    """A project with images in ``data/``, one of them too small."""
    for place, label in enumerate(("boot", "hat")):
        folder = tmp_path / "data" / label
        folder.mkdir(parents=True)
        for seed in range(12):
            (folder / f"{seed}.jpg").write_bytes(jpeg(100 * place + seed, 96))
    (tmp_path / "data/boot/tiny.jpg").write_bytes(jpeg(900, 20))
    (tmp_path / "params.yaml").write_text(
        "classes: [boot, hat]\nscrape: {source: folder, snapshot: '2026-11-20', expect_at_least: "
        "1}\n"
        "validate: {min_per_class: {count: 5}}\n"
    )
    return tmp_path


def scrape_and_validate(root):
    for stage in (scrape, validate):
        stage.main(Workspace(root, root), load_params(root))


def test_feedback_reaches_the_manifest_with_its_origin_and_new_label(data, begin):
    scrape_and_validate(data)
    inbox = Inbox(data / "inbox")
    correction = {
        "extension": ".jpg",
        "prediction": {"label": "hat", "confidence": 0.6},
        "model": {"name": "shoes", "version": "3", "digest": "ab" * 32},
    }
    known = (data / "data/hat/3.jpg").read_bytes()
    wrong = [
        (known, "boot"),
        *((jpeg(500 + place, 96), label) for place, label in enumerate(["boot", "hat", "cap"])),
    ]
    wrong.append((jpeg(504, 96), None))
    names = [inbox.add(content, label=label, **correction) for content, label in wrong]

    running = begin(data, "--no-open")
    cases = {case["images"][0]["id"]: case for case in running.cases()}
    (tiny,) = (name for name, case in cases.items() if case["kind"] == "dropped")
    assert cases.keys() >= {*names, tiny}
    running.decide(cases[tiny]["number"], tiny, "keep")
    for name, verb, label in zip(
        names,
        ["relabel", "keep", "keep", "relabel", "drop"],
        ["boot", "", "", "boot", ""],
        strict=True,
    ):
        running.decide(cases[name]["number"], name, verb, label)
    code, output = running.end()
    assert (code, output.splitlines()[-2:]) == (
        0,
        [
            "6 images decided, 1 correction dropped, 3 corrections accepted into data/.",
            "Next: dvc repro",
        ],
    )
    assert {entry.id for entry in inbox.entries()[0]} == set(names[1:4])

    waiting = begin(data, "--no-open", "--only", "feedback")
    assert waiting.first == "Nothing to review in feedback.\n"
    scrape_and_validate(data)
    rows = {
        row["id"]: row
        for row in pq.read_table(data / "artifacts/validate/manifest.parquet").to_pylist()
    }
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for name, label in zip(names[1:4], ["boot", "hat", "boot"], strict=True):
        assert (rows[name]["label"], rows[name]["verdict"]) == (label, "keep")
        assert rows[name]["image_url"] == f"data/{label}/feedback-{today}-{name[:16]}.jpg"
    assert (rows[names[0]]["label"], rows[names[0]]["image_url"]) == ("boot", "data/hat/3.jpg")
    assert (rows[tiny]["label"], rows[tiny]["verdict"]) == ("boot", "keep")
    assert names[4] not in rows
