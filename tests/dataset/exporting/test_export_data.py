"""Exported images keep ids, labels, splits and provenance; others may not be handed on."""

import csv
import hashlib
import json
from xml.etree import ElementTree

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pixmill.cli import main
from pixmill.core.cells import read_list, render_cells
from pixmill.core.errors import DataError
from pixmill.core.manifest import SPLIT, read_table, write_table
from pixmill.core.metadata import COLUMNS, Facts
from pixmill.core.params import parse_params
from pixmill.dataset.detection import Options, recognise
from pixmill.dataset.exporting.choosing import choose, parse_licences
from pixmill.dataset.exporting.writing import DATA_FORMATS, export_data
from pixmill.dataset.tables import find_table
from tests.evaluate.conftest import completed
from tests.images.samples import encoded, shapes

BY = "https://creativecommons.org/licenses/by/4.0/"
LICENCES = [BY, "https://creativecommons.org/publicdomain/zero/1.0/", None]


@pytest.fixture
def project(tmp_path):
    """A project of eight images, two of them of an unknown licence and one dropped."""
    root = tmp_path / "pets"
    rows = []
    for number in range(9):
        content = encoded(shapes(number, 16, 16), "png")
        name = hashlib.sha256(content).hexdigest()
        path = root / "artifacts/scrape/images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        rows.append(
            {
                "id": name,
                "label": ["metadata.cat", "dog / wolf"][number % 2],
                "path": f"images/{name}.png",
                "licence": LICENCES[number % 3],
                "author": "A | *B*",
                "page_url": f"http://a.test/{number}",
                "image_url": f"data/cat/e\u0301/{number}.png",
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
    (root / "data/metadata.csv").write_text(
        "file_name,group\ncat/\u00e9/0.png,patient 1\n", encoding="utf-8"
    )
    return root


@pytest.mark.parametrize("form", DATA_FORMATS)
def test_ids_labels_splits_and_origins_are_found_by_an_import(project, tmp_path, params, form):
    choice = choose(project, params, include_unknown=True)
    for _ in range(2):  # The second replaces the first.
        export_data(choice, tmp_path / "out", form=form, root=project)
    found = find_table(tmp_path / "out", scratch=tmp_path / "scratch")
    assert not any("not used" in remark for remark in found.remarks)
    manifest = pd.read_parquet(project / "artifacts/split/manifest.parquet")
    manifest["group"] = [
        "patient 1" if url.endswith("/0.png") else None for url in manifest["image_url"]
    ]
    kept = manifest[manifest["verdict"] == "keep"].astype(object)
    kept = kept.where(kept.notna(), None).to_dict("records")
    assert {
        hashlib.sha256(item.path.read_bytes()).hexdigest(): item.facts for item in found.items
    } == {row["id"]: Facts(*(row[name] for name in COLUMNS[1:])) for row in kept}


def test_an_export_without_test_images_keeps_its_splits_and_pages(project, tmp_path, params):
    path = project / "artifacts/split/manifest.parquet"
    manifest = read_table(path, SPLIT, stage="split")
    url = "http://a.test/" + manifest["image_url"]
    manifest = manifest[manifest["split"].isin(["train", "val"])].assign(
        page_url=None, image_url=url
    )
    write_table(path, completed(manifest), SPLIT)
    (tmp_path / "out.part").mkdir()
    export_data(choose(project, params), tmp_path / "out", form="csv", root=project)
    assert (tmp_path / "out.part").exists()
    found = find_table(tmp_path / "out", scratch=tmp_path / "scratch")
    known = manifest[manifest["licence"].notna()]
    assert sorted((item.facts.split, item.facts.page_url) for item in found.items) == sorted(
        zip(known["split"], known["image_url"], strict=True)
    )
    assert "--ignore-splits" in " ".join(found.remarks)


@pytest.mark.parametrize("form", ["csv", "label-studio"])
def test_the_table_has_no_formulas(project, tmp_path, params, form):
    path = project / "artifacts/split/manifest.parquet"
    manifest = read_table(path, SPLIT, stage="split")
    authors = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "a\r=1", "a\n=1", "=x"]
    write_table(path, completed(manifest.assign(author=authors, label="=cat")), SPLIT)
    choice = choose(project, params, include_unknown=True)
    export_data(choice, tmp_path / "out", form=form, root=project)
    with (tmp_path / "out/metadata.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert cells.count("'=cat") == 8


def test_licences_of_the_export(project, params):
    assert choose(project, params).withheld == {"unknown": 2}
    choice = choose(project, params, licences=parse_licences("cc-by-4.0"))
    assert set(choice.images["licence"]) == {BY}
    assert choice.withheld == {"unknown": 2, "CC0 1.0": 3}
    assert choice.dropped == {"straddles": 1}
    assert choice.absent == []
    assert len(choose(project, params, licences=parse_licences("cc-by,cc0")).images) == 6
    with pytest.raises(DataError, match=r"3 CC BY 4\.0"):
        choose(project, params, licences=parse_licences("cc-by-2.0,by-sa"))


def test_card_attribution_and_croissant(project, tmp_path, params):
    out = tmp_path / "out"
    export_data(choose(project, params), out, form="imagefolder", root=project)
    head = yaml.safe_load((out / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert head["license"] == ["cc-by-4.0", "cc0-1.0"]
    assert head["size_categories"] == ["n<1K"]
    attribution = (out / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert attribution.count("\n- ") == 3
    assert r"A \| \*B\*" in attribution
    assert f"Licence: <{BY}>\n" in attribution
    assert "`: <http://a.test/0>\n" in attribution
    described = json.loads((out / "croissant.json").read_text(encoding="utf-8"))
    for item in described["distribution"]:
        if "sha256" in item:
            assert (
                hashlib.sha256((out / item["contentUrl"]).read_bytes()).hexdigest()
                == item["sha256"]
            )
    assert len(described["recordSet"]) == len(list(out.glob("*/metadata.jsonl")))


def test_lost_classes_are_named(project, monkeypatch, capsys):
    path = project / "artifacts/split/manifest.parquet"
    manifest = read_table(path, SPLIT, stage="split")
    newts = manifest["label"].mask(manifest["licence"].isna(), "newt")
    write_table(path, manifest.assign(label=newts), SPLIT)
    (project / "params.yaml").write_text("classes: [cat, newt]\nscrape: {snapshot: '2026-11-20'}\n")
    monkeypatch.chdir(project)
    main(["export", "--data", "out"])
    message = capsys.readouterr().err
    assert "left of: newt\n" in message
    assert "--include-unknown" in message.partition("Next: ")[2]


def test_other_folders_are_refused(project, tmp_path, params):
    choice = choose(project, params)
    (tmp_path / "mine.txt").touch()
    for folder in (tmp_path, project / "data" / "out", project):
        with pytest.raises(DataError):
            export_data(choice, folder, form="csv", root=project)
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize(
    "words", ["--format csv", "--include-unknown", "litert --data out", "--data out --licence mit"]
)
def test_options_that_do_not_fit(words, monkeypatch, project):
    monkeypatch.chdir(project)
    (project / "params.yaml").write_text("classes: [cat, dog]\nscrape: {snapshot: '2026-11-20'}\n")
    with pytest.raises(SystemExit):
        main(["export", *words.split()])
    assert not (project / "out").exists()


ANSWERS = [{"dark": True, "long; wide": False}, {"long; wide": True}, {"dark": False}]


@pytest.fixture
def cells(project):
    """Cells by id: the labels of the project's images."""
    path = project / "artifacts/split/manifest.parquet"
    manifest = read_table(path, SPLIT, stage="split")
    texts = [render_cells(ANSWERS[number % 3]) for number in range(len(manifest))]
    write_table(path, completed(manifest.assign(label=texts)), SPLIT)
    kept = manifest["verdict"] == "keep"
    return dict(zip(manifest["id"][kept], map(json.loads, pd.Series(texts)[kept]), strict=True))


@pytest.fixture
def several():
    """Params with several labels an image."""
    return parse_params(
        "classes: [dark, 'long; wide']\ntask: labels\nscrape: {snapshot: '2026-11-20'}\n"
    )


def cells_of(has, lacks):
    return dict.fromkeys(has, True) | dict.fromkeys(lacks, False)


@pytest.mark.parametrize("form", DATA_FORMATS)
def test_several_labels_and_unknown_ones_are_exported(project, cells, several, tmp_path, form):
    choice = choose(project, several, include_unknown=True)
    export_data(choice, tmp_path / "out", form=form, root=project)
    if form == "imagefolder":
        tables = [*map(pq.read_table, sorted((tmp_path / "out").glob("*/metadata.parquet")))]
        # A split without a no has the same type.
        types = {table.schema.field("not_label").type.value_type for table in tables}
        assert types == {pa.string()}
        rows = pa.concat_tables(tables).to_pylist()
        found = {row["id"]: cells_of(row["label"], row["not_label"]) for row in rows}
    else:
        with (tmp_path / "out/metadata.csv").open(newline="", encoding="utf-8") as file:
            found = {
                row["id"]: cells_of(read_list(row["label"]), read_list(row["not_label"]))
                for row in csv.DictReader(file)
            }
    assert found == cells


@pytest.mark.parametrize("form", DATA_FORMATS)
def test_several_labels_are_found_by_an_import(project, cells, several, tmp_path, form):
    export_data(
        choose(project, several, include_unknown=True), tmp_path / "out", form=form, root=project
    )
    found = recognise(tmp_path / "out", tmp_path / "scratch", Options())
    assert found.several
    assert {
        hashlib.sha256(item.path.read_bytes()).hexdigest(): item.facts.cells for item in found.items
    } == cells


def test_tasks_of_several_labels(project, cells, several, tmp_path):
    choice = choose(project, several, include_unknown=True)
    export_data(choice, tmp_path / "out", form="label-studio", root=project)
    tasks = json.loads((tmp_path / "out/tasks.json").read_text(encoding="utf-8"))
    chosen = {
        task["data"]["id"]: {
            each["from_name"]: each["value"]["choices"] for each in task["annotations"][0]["result"]
        }
        for task in tasks
    }
    assert {
        name: cells_of(each.get("label", ()), each.get("not_label", ()))
        for name, each in chosen.items()
    } == cells
    assert [] not in [labels for each in chosen.values() for labels in each.values()]
    questions = ElementTree.parse(tmp_path / "out/labelling.xml").findall("Choices")
    assert {(each.get("name"), each.get("choice")) for each in questions} == {
        ("label", "multiple"),
        ("not_label", "multiple"),
    }


def test_labels_without_images_are_named(project, cells, several):
    choice = choose(project, several, licences=parse_licences("cc0"))
    kept = {label for text in choice.images["label"] for label in text}
    assert choice.absent == sorted({"dark", "long; wide"} - kept)


@pytest.mark.parametrize("form", ["csv", "imagefolder"])
def test_card_and_croissant_of_several_labels(project, cells, several, tmp_path, form):
    choice = choose(project, several, include_unknown=True)
    export_data(choice, tmp_path / "out", form=form, root=project)
    described = json.loads((tmp_path / "out/croissant.json").read_text(encoding="utf-8"))
    assert described["@context"]["isArray"] == "cr:isArray"
    for records in described["recordSet"]:
        fields = {field["name"]: field for field in records["field"]}
        assert {name for name, field in fields.items() if field.get("isArray")} == {
            "label",
            "not_label",
        }
        transform = {"separator": ";"} if form == "csv" else None
        assert fields["label"]["source"].get("transform") == transform
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    total = sum(cells[name].get("dark") is True for name in cells)
    [row] = [line for line in card.splitlines() if line.startswith("| dark |")]
    assert sum(map(int, row.split(" | ")[1::2])) == total
