"""A team's project: created by the installed package, shared, extended, corrected, upgraded."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from mlflow.entities import Run

from pixmill import __version__
from pixmill.core.decisions import read_rows
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_digest
from pixmill.core.params import load_params
from pixmill.dataset.inbox import Inbox
from pixmill.experiments.compare.comparing import compare
from tests.browsing import open_chrome
from tests.end_to_end.conftest import Project, done_by, new
from tests.review.browsing import Page
from tests.review.conftest import Review
from tests.servers import MlflowServer
from tests.wheel import build_package, copy_repository, environment

pytestmark = [pytest.mark.slow, pytest.mark.browser]

DEFAULTS = "src/pixmill/core/params/train.py"
STAGES = ("scrape", "validate", "split", "train", "evaluate")


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


@pytest.fixture(scope="module")
def server(
    empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("mlflow")
    shutil.copy(empty_database, folder / "server.db")
    server = MlflowServer(folder, f"sqlite:///{folder}/server.db")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def shoes(
    installed: Project, server: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A team's project with the bundled images, after its first run and commit; read-only."""
    remote = tmp_path_factory.mktemp("remote")
    project, output = new(
        installed, "shoes", "--demo", "--remote", str(remote), "--mlflow", server.uri
    )
    assert "cd shoes && dvc repro" in output
    project.repro()
    project.commit("The first run")
    return project


NAMES = {"dress": "Robe d'été", "sneaker": "T-shirt & top", "trouser": "कुर्ता"}
CLASSES = sorted(NAMES.values())
PER_CLASS = 40
SWAPPED = {"dress": "sneaker", "sneaker": "dress", "trouser": "sneaker"}
WRONG = (4, 6)
"""Indices, in each class, of a test image and a training image with a wrong label."""

CHECK = """
from pixmill.validate import Check

def checks(manifest, classes):
    count = {"value": len(classes)}
    return [Check("classes_named", "classes", "ExpectTableRowCountToEqual", count, "info", "all")]
"""


@pytest.fixture(scope="module")
def pets(
    installed: Project,
    bundled_images: Path,
    empty_database: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """A project from folders train and test, with wrong labels and a plugin check; read-only."""
    folder = tmp_path_factory.mktemp("pets")
    for label, name in NAMES.items():
        for number, image in enumerate(sorted((bundled_images / label).glob("*.png"))[:PER_CLASS]):
            given = NAMES[SWAPPED[label]] if number in WRONG else name
            place = folder / "images" / ("test" if number % 4 == 0 else "train") / given
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy2(image, place / f"{label}-{image.name}")
    project, _ = new(
        replace(installed, path=folder),
        "pets",
        "--recipe",
        "fast",
        "--from",
        str(folder / "images"),
    )
    (project.path / "src/pets/validate/named.py").write_text(CHECK)
    with (project.path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(
            '\n[project.entry-points."pixmill.checks"]\nnamed = "pets.validate.named:checks"\n'
        )
    project.edit(
        ("\nvalidate:", "\nvalidate:\n  plugins: [named]\n#"),
        ("image_size: 224", "image_size: 56"),
        ("\ntrain:", "\ntrain:\n  learning_curve: never"),
        ("evaluate: {}", "evaluate: {draws: 200, grad_cam: 0}"),
    )
    shutil.copy(empty_database, project.path / "mlflow.db")
    project.repro()
    project.commit("The first run")
    return project


@pytest.fixture
def copy(pets: Project, tmp_path: Path) -> Project:
    """A copy that a test may change, with a separate MLflow database."""
    return replace(pets, path=Path(shutil.copytree(pets.path, tmp_path / "pets", symlinks=True)))


def test_demo_project_reproduces_the_committed_results(shoes, repository) -> None:
    where = done_by(shoes, "python", "-c", "import pixmill; print(pixmill.__file__)").strip()
    assert Path(where).is_relative_to(shoes.python.parent.parent)
    # Includes a fresh run of scrape, which depends on no code.
    committed = yaml.safe_load((repository / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    fresh = shoes.lock()["stages"]
    for stage in fresh.values():
        for out in stage["outs"]:
            if out["path"].startswith("reports/"):  # Its head names the project.
                text = (
                    (shoes.path / out["path"]).read_bytes().replace(b">shoes</a>", b">pixmill</a>")
                )
                out |= {
                    "md5": hashlib.md5(text, usedforsecurity=False).hexdigest(),
                    "size": len(text),
                }
    assert {name: stage["outs"] for name, stage in fresh.items()} == {
        name: stage["outs"] for name, stage in committed.items()
    }
    assert shoes.git("status", "--porcelain") == ""


def test_summary_of_a_new_project(shoes) -> None:
    project = shoes
    summary = done_by(project, "pixmill", "summary")
    assert f"Test accuracy {100 * project.metrics('evaluate')['accuracy']:.1f} %" in summary
    assert "127.0.0.1" in summary
    assert project.git("status", "--porcelain") == ""


def test_plugins_are_used_and_their_stages_depend_on_them(copy) -> None:
    assert "classes_named" in copy.read("plots/validate/full.json")
    done_by(copy, "pixmill", "doctor", "--quick")
    for stage in ("scrape", "validate", "train"):
        (copy.path / "src" / "pets" / stage / "edited.py").write_text("EDITED = True\n")
    assert json.loads(done_by(copy, "dvc", "status", "--json")) == {
        stage: [{"changed deps": {f"src/pets/{stage}": "modified"}}]
        for stage in ("scrape", "validate", "train")
    }


def test_promote_job_and_teammate_without_reruns(shoes, server, tmp_path) -> None:
    project = shoes
    project.dvc("push")
    done_by(replace(project, path=tmp_path), "git", "clone", "-q", str(project.path), "clone")
    settings = {**project.settings, "PIP_NO_BUILD_ISOLATION": "0"}  # pip's option is inverted here
    clone = Project(tmp_path / "clone", environment(tmp_path / "venv"), settings)
    steps = yaml.safe_load(clone.read(".github/workflows/ci.yml"))["jobs"]["promote"]["steps"]
    script = "\n".join(step["run"] for step in steps if "run" in step)
    summary = tmp_path / "summary"
    done_by(clone, "bash", "-ec", script, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text(encoding="utf-8") == clone.read("reports/promote.md")

    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    [run] = client.search_runs([client.get_experiment_by_name("shoes").experiment_id])
    assert client.get_model_version_by_alias("shoes", "champion").run_id == run.info.run_id

    assert clone.dvc("pull").returncode == 0
    assert stages_run(clone.repro()) == []
    assert {path.stem for path in (clone.path / "reports").glob("*.html")} >= {*STAGES}
    assert clone.git("status", "--porcelain") == ""
    assert not (clone.path / "mlflow.db").exists()
    assert run.data.metrics["test_accuracy"] == pytest.approx(
        clone.metrics("evaluate")["accuracy"], rel=1e-5
    )
    (row,) = json.loads(done_by(clone, "pixmill", "compare", "--runs", "--json"))["rows"]
    assert (row["run"]["name"], row["in_use"]) == (run.info.run_name, True)


@pytest.fixture(scope="module")
def next_wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the next release: another default and code line of train, other templates."""
    folder = tmp_path_factory.mktemp("next")
    source = Project(copy_repository(repository, folder / "source"))
    source.edit((f'"{__version__}"', '"0.2.0"'), file="src/pixmill/__init__.py")
    source.edit(
        (
            "label_smoothing: PartialShare = Field(default=0.0,",
            "label_smoothing: PartialShare = Field(default=0.1,",
        ),
        file=DEFAULTS,
    )
    source.edit(
        ("_MAX_ITERATIONS = 1000", "_MAX_ITERATIONS = 1001"), file="src/pixmill/train/logistic.py"
    )
    source.edit(
        ("## Unreleased\n", "## 0.2.0\n\n- train: labels are smoothed.\n"),
        file="src/pixmill/CHANGELOG.md",
    )
    for name in ("Makefile", "_gitattributes"):
        path = source.path / "src/pixmill/project/new/template" / name
        path.write_text(
            f"{path.read_text(encoding='utf-8')}# Of version 0.2.0.\n", encoding="utf-8"
        )
    return build_package(source.path, folder / "dist", "--wheel")


def test_upgrade_changes_only_differences_and_keeps_edits(copy, next_wheel, tmp_path) -> None:
    project = replace(copy, python=environment(tmp_path / "venv", next_wheel))
    with (project.path / "Makefile").open("a", encoding="utf-8") as file:
        file.write("\n# Ours.\n")
    project.commit("Edit the Makefile")

    # Without `pixmill upgrade`, nothing runs, and nothing is lost.
    checked = project.run("pixmill", "doctor", "--quick")
    assert checked.returncode == 1
    assert "pixmill upgrade" in checked.stdout
    refused = project.dvc("repro", "--force", "--single-item", "train")
    assert refused.returncode != 0
    (advice,) = re.findall(
        r"^Next: pixmill upgrade && dvc repro, or to stay with \S+: (.+)$", refused.stderr, re.M
    )
    done_by(project, "sh", "-c", advice)
    assert project.git("status", "--porcelain") == ""
    assert project.dvc("status", "--quiet").returncode == 0

    done_by(project, "python", "-m", "pip", "install", "--no-deps", str(next_wheel))
    output = done_by(project, "pixmill", "upgrade")
    assert "train.label_smoothing" in output
    assert "labels are smoothed" in output
    assert "# Of version 0.2.0." in project.read(".gitattributes")
    assert project.read("Makefile").endswith("# Ours.\n")
    assert "# Of version 0.2.0." in project.read("Makefile.new")
    assert [path.name for path in (project.path / "wheels").iterdir()] == [next_wheel.name]
    assert f"pip install -c constraints.txt './wheels/{next_wheel.name}[pipeline]' -e ." in output
    changed = json.loads(done_by(project, "dvc", "params", "diff", "--json"))
    assert changed["pixmill.lock"].keys() == {"train", "evaluate"}
    assert json.loads(done_by(project, "dvc", "status", "--json")).keys() == {"train", "evaluate"}
    done_by(project, "pixmill", "upgrade", "--check")


def test_given_split_with_non_ascii_class_names(pets) -> None:
    metrics = pets.metrics("evaluate")
    assert metrics["n"] == 30
    assert set(metrics["per_class"]) == set(NAMES.values())


@dataclass(frozen=True)
class Corrected:
    """A project whose wrong labels were corrected, and whose new images were accepted.

    Args:
        project: The project.
        truth: Corrected labels by id.
        new: Labels of the accepted images by id.
        kinds: Kinds of the cases that showed wrong labels.
    """

    project: Project
    truth: dict[str, str]
    new: dict[str, str]
    kinds: set[str]


@dataclass(frozen=True)
class Opened:
    """A project whose review page is open."""

    decisions: Path
    running: Review


@pytest.fixture(scope="module")
def corrected(
    pets: Project, bundled_images: Path, tmp_path_factory: pytest.TempPathFactory
) -> Corrected:
    """The project after a review of all cases."""
    path = tmp_path_factory.mktemp("corrected") / "pets"
    project = replace(pets, path=Path(shutil.copytree(pets.path, path, symlinks=True)))
    inbox = Inbox(project.path / "inbox")
    truth = {}
    new = {}
    for label, wrong in SWAPPED.items():
        images = sorted((bundled_images / label).glob("*.png"))
        truth |= {file_digest(images[number]): NAMES[label] for number in WRONG}
        for path in images[PER_CLASS : PER_CLASS + 2]:
            answer = {"label": NAMES[wrong], "confidence": 0.6}
            sent = {"label": NAMES[label], "extension": ".png", "prediction": answer, "model": {}}
            new[inbox.add(path.read_bytes(), **sent)] = NAMES[label]
    kinds = correct(project, truth, new)
    return Corrected(project, truth, new, kinds)


def correct(project: Project, truth: dict[str, str], new: dict[str, str]) -> set[str]:
    """Correct labels and accept new images on the review page; return the kinds of the cases."""
    left = dict(truth)
    kinds = set()
    review = Review(project.path, "--no-open")
    try:
        with open_chrome() as browser:
            page = Page(browser, Opened(project.path / "decisions.csv", review))
            for _ in range(page.run("document.getElementById('progress').max")):
                name, *others = page.cards()
                if name in new:
                    page.press("k")
                elif others or name not in left:
                    page.press("n")
                else:
                    kinds.add(relabel(page, left.pop(name)))
    finally:
        code, output = review.end()
    assert (code, left) == (0, {})
    assert re.search(rf"\b{len(new)} .*accepted into data/", output)
    return kinds


def relabel(page: Page, label: str) -> str:
    """Give the image of a case its label, and return the kind of the case."""
    kind = page.run("document.querySelector('#kinds [aria-current]').textContent").split()[0]
    suggestion = page.run("document.querySelector('#accept').textContent")
    if suggestion == f"Relabel to '{label}'":
        page.press("a")
    else:
        page.press("r", str(CLASSES.index(label) + 1))
    return kind


@pytest.fixture(scope="module")
def newest(corrected: Corrected) -> Run:
    """The run of an experiment on the corrections, which was applied; then draws are 400."""
    from mlflow import MlflowClient

    project = corrected.project
    status = project.git("status", "--porcelain")
    # A listed key with its default, and an unlisted key.
    settings = ("-S", "train.features.inverse_regularization=0.005", "-S", "++evaluate.draws=300")
    done_by(project, "dvc", "exp", "run", "--temp", "-n", "elsewhere", *settings)
    assert project.git("status", "--porcelain") == status
    assert "elsewhere" in done_by(project, "dvc", "exp", "show", "--csv")
    lines = done_by(project, "dvc", "metrics", "diff", "elsewhere", "--md").splitlines()
    assert 4 < len(lines) < 25
    done_by(project, "dvc", "exp", "apply", "elsewhere")
    changed = json.loads(done_by(project, "dvc", "params", "diff", "--json"))["params.yaml"]
    assert changed == {
        "evaluate.draws": {"old": 200, "new": 300, "diff": 100},
        "train.features.inverse_regularization": {"old": None, "new": 0.005},
    }
    words = ("-e", "evaluate", "--env-manager", "local", "-P", "draws=400")
    done_by(project, "mlflow", "run", ".", *words)
    client = MlflowClient(f"sqlite:///{project.path}/mlflow.db")
    run, _ = client.search_runs([client.get_experiment_by_name("pets").experiment_id])
    return run


def test_review_shows_wrong_labels_and_writes_decisions(corrected) -> None:
    assert corrected.kinds == {"doubtful"}
    rows = read_rows(corrected.project.path / "decisions.csv")
    assert {
        row.image: row.label for row in rows if row.answer == "yes"
    } == corrected.truth | corrected.new


def test_experiment_has_a_run_and_is_compared_with_the_head(corrected, newest) -> None:
    project = corrected.project
    assert newest.data.tags["DVC_EXP_NAME"] == "elsewhere"
    assert newest.data.params["train.features.inverse_regularization"] == "0.005"
    assert "test_accuracy" in newest.data.metrics
    assert project.lock()["stages"]["evaluate"]["params"]["params.yaml"]["evaluate"]["draws"] == 400

    document = json.loads(done_by(project, "pixmill", "compare", "--json"))
    assert document["head"]["run"]["id"] == newest.info.run_id
    crossed = project.metrics("evaluate")["cross_validation"]["accuracy"]
    assert document["metrics"]["accuracy"]["head"] == pytest.approx(crossed, rel=1e-5)
    runs = json.loads(done_by(project, "pixmill", "compare", "--runs", "--json"))["rows"]
    assert {row["run"]["id"]: row["in_use"] for row in runs} == {
        newest.info.run_id: False,
        document["base"]["run"]["id"]: True,
    }


def test_corrections_are_compared_and_improve_the_model(corrected, newest, pets) -> None:
    project = corrected.project
    truth = corrected.truth
    found = compare(Workspace(project.path, project.path), load_params(project.path))
    assert found.base.commit == project.git("rev-parse", "HEAD").strip()
    assert found.head.is_workspace
    images = {change: rows.set_index("id") for change, rows in found.data.images.groupby("change")}
    assert images.keys() == {"relabelled", "added"}
    assert images["relabelled"]["head_label"].to_dict() == truth
    wrong = {NAMES[label]: NAMES[other] for label, other in SWAPPED.items()}
    assert images["relabelled"]["base_label"].to_dict() == {
        name: wrong[label] for name, label in truth.items()
    }
    assert images["added"]["head_label"].to_dict() == corrected.new
    for name, origin in images["added"]["image_url"].items():
        assert re.fullmatch(rf"data/.+/feedback-\d{{4}}-\d\d-\d\d-{name[:16]}\.png", origin)
    before = pets.metrics("evaluate")
    after = project.metrics("evaluate")
    assert after["accuracy"] > before["accuracy"]
    assert after["macro_f1"] > before["macro_f1"]
    steps = [step.value for step in found.numbers.steps]
    assert steps[-1] > steps[0]
