"""Taking images out of a project."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixmill.core.decisions import Row, read_rows
from pixmill.core.errors import PixmillError
from pixmill.core.files.cache import Cache
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_digest
from pixmill.core.manifest import SCRAPED, read_table, write_table
from pixmill.core.metadata import Facts, read_metadata, write_metadata
from pixmill.core.params import load_params
from pixmill.dataset.forgetting import forget, plan_forgetting
from pixmill.dataset.inbox import Inbox
from pixmill.dataset.log_writer import PredictionLog
from pixmill.dataset.prediction_log import read_log, record_log
from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer
from pixmill.scrape.collection.run import scrape

PARAMS = """
classes: [boot, hat]  # of leather and of straw
scrape:
  source: folder
  snapshot: '2026-11-20'
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A scraped project with three images of each class; the first hat is there twice."""
    for seed in range(6):
        path = tmp_path / "data" / ("boot", "hat")[seed // 3] / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40, 3), np.uint8)).save(
            path
        )
    (tmp_path / "data/unlabelled").mkdir()
    (tmp_path / "data/unlabelled/twin.png").write_bytes((tmp_path / "data/hat/3.png").read_bytes())
    (tmp_path / "params.yaml").write_text(PARAMS)
    workspace = Workspace(tmp_path, tmp_path)
    collect(workspace)
    return workspace


def collect(workspace: Workspace) -> list[str]:
    """Scrape, and return the ids."""
    params = load_params(workspace.root)
    output = workspace.root / "artifacts/scrape"
    found = scrape(
        params.classes,
        params.scrape,
        root=workspace.root,
        output=output,
        scratch=workspace.scratch("scrape"),
    )
    write_table(output / "manifest.parquet", found.manifest, SCRAPED)
    return [str(name) for name in found.manifest["id"]]


def holders(root: Path, name: str) -> list[str]:
    """Return the files with the bytes of an image."""
    files = (path for path in root.rglob("*") if path.is_file())
    return [path.relative_to(root).as_posix() for path in files if file_digest(path) == name]


def take_out(workspace: Workspace, *names: str, **chosen: list[str]) -> tuple[int, int]:
    """Forget images, and return their number, and that of deleted copies."""
    plan = plan_forgetting(workspace, names, **chosen)
    copies, _, _ = forget(workspace, plan, reason="asked", by="ada")
    return len(plan.images), copies


@pytest.mark.parametrize(
    "named", ["data/hat/3.png", "inbox/corrections/2*", lambda name: name[:8], lambda name: name]
)
def test_an_image_goes_everywhere_and_does_not_return(
    workspace: Workspace, named: str | Callable[[str], str]
) -> None:
    root = workspace.root
    content = (root / "data/hat/3.png").read_bytes()
    name = file_digest(root / "data/hat/3.png")
    inbox = Inbox(root / "inbox")
    inbox.add(content, extension=".png", prediction={}, label="boot", model={})
    write_metadata(
        root / "data", {"hat/3.png": Facts(author="Jane"), "hat/4.png": Facts(author="Joe")}
    )
    cached = [
        workspace.scratch("validate") / "measures-1.sqlite",
        workspace.scratch("train") / "features/1.sqlite",
    ]
    for path in cached:
        with Cache(path) as cache:
            cache.write({bytes.fromhex(name): content})
    for copy in (
        "reports/compare.html",
        "reports/watch.html",
        ".pixmill/watch/d/2026-11-30/1.parquet",
        ".pixmill/scrape/browser/profile-1/Cache/1",
        ".pixmill/scrape/probe/1/page.html",
        ".dvc/tmp/exps/tmp1/data/1",
    ):
        (root / copy).parent.mkdir(parents=True, exist_ok=True)
        (root / copy).write_bytes(b"with " + content)
    (root / "decisions.csv").write_text(
        f"image,label,answer,split,by,why\ndata/hat/3.png,boot,yes,,,\n{name},,keep,,,\n"
    )
    called = str(next(root.glob(named))) if isinstance(named, str) else named(name)
    assert take_out(workspace, called) == (1, 4)
    assert holders(root, name) == []
    assert not any(content in path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert list(read_metadata(root / "data")) == ["hat/4.png"]
    assert (inbox.entries(), inbox.dropped_ids()) == (([], 0), {name})
    assert read_rows(root / "decisions.csv") == (
        Row(name, "", "drop", by="ada", why="forgotten: asked"),
    )
    assert "# of leather" in (root / "params.yaml").read_text()
    (root / "data/boot/copy.png").write_bytes(content)
    assert name not in collect(workspace)
    assert holders(root, name) == ["data/boot/copy.png"]


def test_the_sidecars_of_an_image_go_with_it(workspace: Workspace) -> None:
    sidecars = [workspace.root / f"data/hat/{name}.png.xmp" for name in (3, 4)]
    for path in sidecars:
        path.write_text("keywords")
    assert take_out(workspace, "data/hat/3.png") == (1, 3)  # also in the store of scrape
    assert [path.exists() for path in sidecars] == [False, True]


def test_an_image_goes_from_logs_and_what_is_out_of_reach_is_named(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = workspace.root
    content = (root / "data/hat/3.png").read_bytes()
    folder = tmp_path_factory.mktemp("log")
    names = [file_digest(root / f"data/hat/{number}.png") for number in (3, 4)]
    with PredictionLog(folder, images=True) as log:
        for name in names:
            log.add({}, Answer(name, Prediction("hat")), lambda: content)
    assert holders(folder, names[0])
    for place in (folder, root / "gone"):
        record_log(root, place)
    plan = plan_forgetting(workspace, names[:1])
    *_, missed = forget(workspace, plan)
    assert [str(root / "gone") in text for text in missed] == [True]
    assert holders(folder, names[0]) == []
    assert [table["id"].to_pylist() for _, table in read_log(folder)] == [names[1:]]


def test_hosts_and_authors_become_exclusions(workspace: Workspace) -> None:
    root = workspace.root
    facts = {
        "hat/3.png": Facts(author="Jane Doe"),
        "hat/4.png": Facts(page_url="https://www.museum.test/4"),
        "hat/5.png": Facts(author="Jane", page_url="https://mymuseum.test/5"),
        "hat/lost.png": Facts(author="Jane Doe"),
    }
    write_metadata(root / "data", facts)
    names = {file_digest(root / f"data/hat/{number}.png") for number in (3, 4)}
    before = (root / "params.yaml").read_bytes()
    chosen = {"hosts": ["museum.test"], "authors": ["Jane Doe"]}
    images = plan_forgetting(workspace, [], **chosen).images
    assert {(name, *row) for name, *row in images.itertuples()} == {
        (file_digest(root / f"data/hat/{number}.png"), "hat", f"data/hat/{number}.png")
        for number in (3, 4)
    }
    assert ((root / "params.yaml").read_bytes(), (root / "decisions.csv").exists()) == (
        before,
        False,
    )
    assert take_out(workspace, **chosen) == (2, 5)
    assert {row.image for row in read_rows(root / "decisions.csv")} == names
    params = load_params(root).scrape
    assert (params.opt_out, params.exclude_authors) == (("museum.test",), ("Jane Doe",))
    assert [path.name for path in (root / "data/hat").iterdir()] == ["5.png"]
    assert list(read_metadata(root / "data")) == ["hat/5.png"]


@pytest.mark.parametrize("failing", range(3))
def test_repeating_completes_an_interrupted_call(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    root = workspace.root
    name = file_digest(root / "data/hat/3.png")
    calls = []

    def unlink(path: Path, **options: bool) -> None:
        if path.suffix == ".png":
            calls.append(path)
            if len(calls) > failing:
                raise KeyboardInterrupt
        original(path, **options)

    original = Path.unlink
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", unlink)
        take_out(workspace, "data/hat/3.png")
    take_out(workspace, name)
    assert holders(root, name) == []
    assert len(read_rows(root / "decisions.csv")) == 1
    assert load_params(root).scrape.exclude_ids == (name[:16],)


def test_repeating_finds_an_unlabelled_image_without_its_row(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace.root / "data/unlabelled/new.png"
    path.write_bytes(b"new")
    write_metadata(workspace.root / "data", {"unlabelled/new.png": Facts(author="Jane")})

    def unlink(path: Path, **options: bool) -> None:
        if path.name == "new.png":
            raise KeyboardInterrupt
        original(path, **options)

    original = Path.unlink
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", unlink)
        take_out(workspace, authors=["Jane"])
    assert (path.exists(), read_metadata(workspace.root / "data")) == (True, {})
    take_out(workspace, authors=["Jane"])
    assert not path.exists()


@pytest.mark.parametrize("is_named", [False, True])
def test_unlabelled_images_by_author_or_short_id(workspace: Workspace, *, is_named: bool) -> None:
    root = workspace.root
    path = root / "data/unlabelled/cafe\N{COMBINING ACUTE ACCENT}.png"
    path.write_bytes(b"new")
    write_metadata(
        root / "data",
        {"unlabelled/caf\N{LATIN SMALL LETTER E WITH ACUTE}.png": Facts(author="Jane")},
    )
    (root / "artifacts/evaluate").mkdir()
    pd.DataFrame({"id": [file_digest(path)]}).to_parquet(
        root / "artifacts/evaluate/unlabelled.parquet"
    )
    names = [file_digest(path)[:8]] if is_named else []
    assert take_out(workspace, *names, authors=[] if is_named else ["Jane"]) == (1, 1)
    assert (path.exists(), read_metadata(root / "data")) == (False, {})


def test_labels_of_images_that_scrape_has_not_seen(workspace: Workspace) -> None:
    data = workspace.root / "data"
    for name in ("hat/new.png", "unlabelled/row.png", "unlabelled/none.png"):
        (data / name).write_bytes(name.encode())
    write_metadata(
        data, {"unlabelled/row.png": Facts("boot", author="Jane"), "unlabelled/none.png": Facts()}
    )
    names = ["data/hat/new.png", "data/unlabelled/none.png"]
    images = plan_forgetting(workspace, names, authors=["Jane"]).images
    assert sorted(images["label"]) == ["boot", "hat", "no label"]


def test_unknown_names(workspace: Workspace) -> None:
    with pytest.raises(PixmillError, match="is no file"):
        plan_forgetting(workspace, ["12345678"])
    manifest = read_table(
        workspace.root / "artifacts/scrape/manifest.parquet", SCRAPED, stage="scrape"
    )
    assert take_out(workspace, manifest["path"][0])[0] == 1


def test_an_image_of_the_run_without_a_label(workspace: Workspace) -> None:
    path = workspace.root / "artifacts/scrape/manifest.parquet"
    manifest = read_table(path, SCRAPED, stage="scrape")
    manifest.loc[0, "label"] = pd.NA
    write_table(path, manifest, SCRAPED)
    name = str(manifest["id"][0])
    assert plan_forgetting(workspace, [name]).images["label"].to_dict() == {name: "no label"}
