"""The examples of docs/how-to/plugins.md run unchanged, in a project with all of them."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from pixmill.core.errors import GateError
from pixmill.core.expectations import gate_error, warnings
from pixmill.core.install.plugins import load_plugin
from pixmill.core.manifest import SCRAPED, SIGHTINGS, read_table, write_table
from pixmill.core.params import EvaluateParams, Params, parse_params
from pixmill.evaluate.evaluation import evaluate
from pixmill.evaluate.predictions import predict_all
from pixmill.images.parts import load_parts
from pixmill.models.augmentation import preview_augmentation
from pixmill.models.determinism import fix_threads
from pixmill.models.held_out import save_calibration, save_held_out
from pixmill.models.litert_export import export_classifier
from pixmill.models.model_folder import save_classifier
from pixmill.project.recipes.preflight import find_issues
from pixmill.scrape.collection.preview import forecast
from pixmill.scrape.collection.run import scrape
from pixmill.testing import check_augmentation, check_backbone, check_checks, check_source
from pixmill.train import train
from pixmill.train.training_key import training_key
from pixmill.validate.sightings import SEEN
from pixmill.validate.validation import validate
from tests.train.conftest import CLASSES, SIZE, write_packed
from tests.validate.conftest import blocks, encoded

PAGE = "docs/how-to/plugins.md"
KINDS = ("source", "check", "augmentation", "backbone")
BLOCK = re.compile(r"^`([^`\n]+)`:\n\n```\w+.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
ODD = """
def first(pixels, seed):
    return pixels[:1]
"""
LISTED = 'first = "pets.train.odd:first"\n'
BASE = (
    "classes: [cat, dog]\nscrape: {snapshot: '2026-11-20'}\nvalidate: {min_per_class: {count: 1}}\n"
)
TINY = {"threads": 2, "epochs": 2, "learning_curve": "never"}


@pytest.fixture
def project(repository, tmp_path, plugin_imports):
    """A project with all four examples."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "pets"\n')
    sections = (repository / PAGE).read_text(encoding="utf-8").split("\n## ")
    for name, section in zip(KINDS, sections[1:], strict=False):
        files = dict(BLOCK.findall(section))
        assert len(files) == 3
        for file, text in files.items():
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            if file == "pyproject.toml":
                text = (tmp_path / file).read_text() + text
            (tmp_path / (f"{name}.yaml" if file == "params.yaml" else file)).write_text(text)
    return tmp_path


def params_of(project: Path, *kinds: str, **train: object) -> Params:
    """Return the combined params of some examples."""
    content = yaml.safe_load(BASE)
    for kind in kinds:
        merge(content, yaml.safe_load((project / f"{kind}.yaml").read_text()))
    if train:
        merge(content, {"train": train})
    return parse_params(yaml.safe_dump(content))


def merge(content: dict, more: dict) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            merge(content.setdefault(key, {}), value)
        else:
            content[key] = value


def fill(project: Path) -> None:
    """Create the archive: all dogs are by one photographer, the last one has no licence."""
    folder = project / "data" / "archive"
    folder.mkdir(parents=True)
    rows = []
    for number in range(40):
        species, author = ("cat", number % 2) if number < 20 else ("dog", 0)
        (folder / f"{number}.png").write_bytes(encoded(blocks(number), "PNG"))
        rows.append((f"{number}.png", species, f"author {author}", "" if number == 39 else "CC0"))
    columns = ["file", "species", "photographer", "licence"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "index.csv", index=False)


def scraped(project: Path, params: Params) -> Path:
    """Run the source, and return the output folder."""
    output = project / "artifacts" / "scrape"
    result = scrape(
        params.classes, params.scrape, root=project, output=output, scratch=project / ".pixmill"
    )
    result.check()
    write_table(output / "manifest.parquet", result.manifest, SCRAPED)
    return output


def checked(project: Path, params: Params):
    output = scraped(project, params)
    return validate(
        read_table(output / "manifest.parquet", SCRAPED, stage="scrape"),
        read_table(output / "sightings.parquet", SIGHTINGS, stage="scrape", columns=SEEN),
        classes=params.classes,
        params=params.validate,
        folder=output,
        workers=0,
        root=project,
    )


def test_source_and_check(project, repository):
    params = params_of(project, "source", "check")
    assert [issue for issue in find_issues(project, params) if "plugin" in str(issue)] == []
    fill(project)
    check_source(load_plugin("sources", "archive", project)(project), "cat")
    lines = forecast(params.classes, params.scrape, root=project, scratch=project / ".pixmill")
    assert lines[0] == "cat: plugin:archive data/archive/index.csv (on this machine)"
    # As on the page, one image and one class fail.
    found = checked(project, params)
    check_checks(load_plugin("checks", "rights", project), found.manifest, params.classes)
    assert found.manifest["source"].unique().tolist() == ["plugin:archive"]
    assert found.manifest["label"].value_counts().to_dict() == {"cat": 20, "dog": 20}
    assert found.manifest["author"].value_counts().to_dict() == {"author 0": 30, "author 1": 10}
    with pytest.raises(GateError) as stopped:
        raise gate_error(found.outcomes, report="page.html")
    lines = [f"validate: {line}" for line in warnings(found.outcomes)["photographers"]]
    lines += f"validate: {stopped.value.message}".splitlines()
    assert "\n".join(lines) in (repository / PAGE).read_text(encoding="utf-8")
    record = json.loads(json.dumps([outcome.record() for outcome in found.outcomes[-2:]]))
    assert [(item["name"], item["table"]) for item in record] == [
        ("licensed", "manifest"),
        ("photographers", "photographers"),
    ]


def test_augmentation(project):
    from tensorflow import errors

    packed = write_packed(project / "split")
    cnn = {"model": "cnn", "cnn": {"blocks": [{"filters": 4}], "dense": []}}
    params = params_of(project, "augmentation", **TINY, **cnn, precision="float32").train
    still = params.model_copy(
        update={"augmentation": params.augmentation.model_copy(update={"plugin": None})}
    )
    fix_threads(2)
    parts = load_parts(packed, CLASSES, image_size=SIZE)
    pixels = np.asarray(parts["train"].pixels[np.arange(6)])
    check_augmentation(load_plugin("augmentations", "grain", project))
    one, other = (
        preview_augmentation(pixels, params.augmentation, seed=seed, root=project)
        for seed in (1, 2)
    )
    assert (one != other).any()
    # The grain is the only change: the mean of a dark image stays similar.
    plain = preview_augmentation(pixels, still.augmentation, seed=1)
    assert 2 < np.abs(one.astype(float) - plain).mean() < 25

    def key_of(params):
        return training_key(packed, parts, params, labels=CLASSES, root=project)

    key = key_of(params)
    unchanged = key_of(still)
    file = project / "src/pets/train/grain.py"
    file.write_text(file.read_text().replace("noise = tf", "# Strong.\n    noise = tf"))
    assert key_of(params) == key
    file.write_text(file.read_text().replace("25.0", "99.0"))
    assert key_of(params) != key
    assert key_of(still) == unchanged

    (project / "src/pets/train/odd.py").write_text(ODD)
    toml = (project / "pyproject.toml").read_text().replace('grain = "', f'{LISTED}grain = "')
    (project / "pyproject.toml").write_text(toml)
    changed = params.augmentation.model_copy(update={"plugin": "first"})
    first = params.model_copy(update={"augmentation": changed})
    # In the graph of a training, batches have no fixed size.
    with pytest.raises(
        errors.InvalidArgumentError, match="the augmentation first changed the shape"
    ):
        train(packed, first, classes=CLASSES, root=project)


@pytest.mark.slow
def test_backbone(project):
    packed = write_packed(project / "artifacts/split")
    trained = project / "artifacts/train"
    params = params_of(project, "backbone", "augmentation", **TINY, model="backbone").train
    fix_threads(2)
    check_backbone(load_plugin("backbones", "kennel", project))
    where = {"root": project, "scratch": project / ".pixmill"}
    found = train(packed, params, classes=CLASSES, **where)
    names = [layer.name for layer in found.classifier.layers]
    assert names[:4] == ["pixels", "rescaling_0", "conv2d_0", "maxpooling2d_0"]
    assert found.best.val_accuracy > 0.5
    key = training_key(
        packed, load_parts(packed, CLASSES, image_size=SIZE), params, labels=CLASSES, root=project
    )

    trained.mkdir()
    save_classifier(found.classifier, CLASSES, trained, **found.preprocessing)
    export_classifier(
        found.classifier, params, trained, scratch=where["scratch"] / "features", root=project
    )
    held_out = found.held_out(trained)
    save_held_out(trained, held_out, CLASSES)
    save_calibration(trained, held_out, found.head, params, CLASSES)
    assert list(trained.glob("*.tflite"))
    # From here on, the files are enough, without the plugin.
    code = project / "src/pets/train/kennel.py"
    text = code.read_text()
    code.unlink()
    shown = EvaluateParams(draws=100, label_errors=0, mistakes=2, grad_cam=2)
    opened = predict_all(trained, packed, shown, train=params, **where)
    result = evaluate(opened, shown)
    assert result.metrics["accuracy"] > 0.5
    assert result.heatmaps

    code.write_text(text.replace("(16, 32, 64)", "(16, 32)"))
    edited = training_key(
        packed, load_parts(packed, CLASSES, image_size=SIZE), params, labels=CLASSES, root=project
    )
    assert edited != key
