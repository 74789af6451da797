"""Exported images keep ids, labels, splits and provenance; others may not be handed on."""

import csv
import hashlib
import json

import pandas as pd
import pytest
import yaml

from pixmill.core.errors import DataError
from pixmill.core.manifest import SPLIT, write_table
from pixmill.project.dataset.handing_on.choosing import choose, parse_families
from pixmill.project.dataset.handing_on.writing import DATA_FORMATS, export_data
from pixmill.project.dataset.tables import find_table
from tests.evaluate.conftest import completed
from tests.images.samples import encoded, shapes

BY = "https://creativecommons.org/licenses/by/4.0/"
LICENCES = [BY, "https://creativecommons.org/publicdomain/zero/1.0/", None]


@pytest.fixture
def project(tmp_path):
    """A project of eight images, two of them of an unknown licence and one dropped."""
    root, rows = tmp_path / "pets", []
    for number in range(9):
        content = encoded(shapes(number, 16, 16), "png")
        name = hashlib.sha256(content).hexdigest()
        path = root / "artifacts/scrape/images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        rows.append(
            {
                "id": name,
                "label": ["cat", "dog / wolf"][number % 2],
                "path": f"images/{name}.png",
                "licence": LICENCES[number % 3],
                "author": "A | *B*",
                "page_url": f"http://a.test/{number}",
                "image_url": f"data/cat/{number}.png",
                "snapshot": "2026-11-20",
                "split": None if number == 8 else ["train", "val", "test"][number // 3],
                "verdict": "drop" if number == 8 else "keep",
                "reason": "straddles:x" if number == 8 else None,
            }
        )
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    (root / "artifacts/split").mkdir()
    write_table(root / "artifacts/split/manifest.parquet", completed(frame), SPLIT)
    (root / "data").mkdir()
    (root / "data/metadata.csv").write_text("file_name,group\ncat/0.png,patient 1\n")
    return root


def read(folder, form):
    """Return the metadata of an export by id, with the path of each image in the export."""
    if form == "csv":
        rows = list(csv.DictReader((folder / "metadata.csv").read_text(encoding="utf-8").splitlines()))
    elif form == "label-studio":
        tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
        rows = [task["data"] | {"label": task["annotations"][0]["result"][0]["value"]["choices"][0]} for task in tasks]
    else:
        rows = [
            row | {"file_name": f"{path.parent.name}/{row['file_name']}"}
            for path in folder.glob("*/metadata.jsonl")
            for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
        ]
    return {row["id"]: row for row in rows}


@pytest.mark.parametrize("form", DATA_FORMATS)
def test_what_was_exported_is_found_by_an_import(project, tmp_path, params, form):
    choice = choose(project, params, include_unknown=True)
    export_data(choice, tmp_path / "out", form=form, root=project, params=params)
    found = find_table(tmp_path / "out", scratch=tmp_path / "scratch")
    again = {hashlib.sha256(item.path.read_bytes()).hexdigest(): item.facts for item in found.items}
    assert again == {image.id: image.facts for image in choice.images}


@pytest.mark.parametrize("form", DATA_FORMATS)
def test_ids_labels_splits_and_origins_are_kept(project, tmp_path, params, form):
    choice = choose(project, params, include_unknown=True)
    for _ in range(2):  # The second replaces the first.
        export_data(choice, tmp_path / "out", form=form, root=project, params=params)
    found = read(tmp_path / "out", form)
    manifest = pd.read_parquet(project / "artifacts/split/manifest.parquet").astype(object)
    kept = manifest[manifest["verdict"] == "keep"]
    assert set(found) == set(kept["id"])
    for row in kept.to_dict("records"):
        exported = found[row["id"]]
        assert hashlib.sha256((tmp_path / "out" / exported["file_name"]).read_bytes()).hexdigest() == row["id"]
        for name in ("label", "split", "author", "page_url"):
            assert exported[name] == row[name]
        assert exported["licence"] == ("" if pd.isna(row["licence"]) else row["licence"])
        assert exported["group"] == ("patient 1" if row["image_url"].endswith("/0.png") else "")


def test_licences_of_the_export(project, params):
    assert choose(project, params).withheld == {"unknown": 2}
    choice = choose(project, params, licences=parse_families("cc-by"))
    assert {image.facts.licence for image in choice.images} == {BY}
    assert choice.withheld == {"unknown": 2, "CC0 1.0": 3}
    assert choice.dropped == {"straddles": 1}
    with pytest.raises(DataError, match=r"3 CC BY 4\.0"):
        choose(project, params, licences=["by-sa"])


def test_card_attribution_and_croissant(project, tmp_path, params):
    out = tmp_path / "out"
    export_data(choose(project, params), out, form="imagefolder", root=project, params=params)
    head = yaml.safe_load((out / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert head["license"] == ["cc-by-4.0", "cc0-1.0"]
    assert head["size_categories"] == ["n<1K"]
    attribution = (out / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert attribution.count("\n- ") == 3
    assert r"A \| \*B\*" in attribution
    described = json.loads((out / "croissant.json").read_text(encoding="utf-8"))
    for item in described["distribution"]:
        if "sha256" in item:
            assert hashlib.sha256((out / item["contentUrl"]).read_bytes()).hexdigest() == item["sha256"]
    assert len(described["recordSet"]) == len(list(out.glob("*/metadata.jsonl")))


def test_other_folders_are_refused(project, tmp_path, params):
    choice = choose(project, params)
    (tmp_path / "mine.txt").touch()
    for folder in (tmp_path, project / "data" / "out", project):
        with pytest.raises(DataError):
            export_data(choice, folder, form="csv", root=project, params=params)
    assert (tmp_path / "mine.txt").exists()
