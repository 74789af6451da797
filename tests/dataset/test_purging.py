"""Deleting forgotten images from DVC's cache and remote, with handmade results."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
import yaml

from pixmill.core.decisions import Row, render_rows
from pixmill.core.errors import PixmillError
from pixmill.core.repository.dvc import listing_md5, listing_text
from pixmill.dataset import purging
from pixmill.dataset.purging import Purge, plan_purge
from tests.version_control import commit, dvc, git, start_repository

PNG = b"\x89PNG\r\n\x1a\n"
SECRET = PNG + b"secret"
SECRET_ID = hashlib.sha256(SECRET).hexdigest()
PARAMS = "{classes: [boot, hat], scrape: {snapshot: '2026-11-20'}}\n"


class Versions:
    """A project whose results are written by hand into DVC's cache, and pushed to a remote.

    Args:
        root: Folder of the project; the remote is ``remote`` beside it.
    """

    def __init__(self, root: Path) -> None:
        self.root = start_repository(root, with_dvc=True)
        self.remote = root.parent / "remote"
        self.cache = root / ".dvc/cache/files/md5"
        dvc(root, "remote", "add", "-d", "storage", str(self.remote))
        (root / ".gitignore").write_text("/data\n/artifacts\n/reports\n")
        (root / "params.yaml").write_text(PARAMS)
        (root / "decisions.csv").write_text(render_rows([]))
        (root / "dvc.yaml").write_text(
            "stages:\n"
            "  scrape: {cmd: x, deps: [data], outs: [artifacts/scrape, reports/scrape.html]}\n"
            "  split: {cmd: x, deps: [artifacts/scrape], outs: [artifacts/split]}\n"
        )

    def put(self, content: bytes | str) -> str:
        """Add a file to the cache, and return its MD5."""
        content = content.encode() if isinstance(content, str) else content
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self.write(self.cache / md5[:2] / md5[2:], content)
        return md5

    def put_folder(self, files: Mapping[str, bytes | str]) -> dict[str, object]:
        """Add a folder to the cache, and return its record."""
        md5s = {name: self.put(content) for name, content in files.items()}
        md5 = listing_md5(md5s)
        self.write(self.cache / md5[:2] / md5[2:], listing_text(md5s).encode())
        return {
            "md5": md5,
            "hash": "md5",
            "nfiles": len(files),
            "size": sum(map(len, files.values())),
        }

    def write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def run(self, version: str, images: Mapping[str, bytes], page: str = "") -> None:
        """Write the results of a version."""
        data = self.put_folder(images)
        by_id = {hashlib.sha256(content).hexdigest(): content for content in images.values()}
        text = f"{version} {b' '.join(images.values())!r}"
        scraped = self.put_folder(
            {f"images/{name[:2]}/{name}.png": content for name, content in by_id.items()}
            | {"manifest.parquet": f"rows {text}"}
        )
        split = self.put_folder(
            {"train.bin": f"pixels {text}", "preprocessing.json": "the same in each version"}
        )
        report = {"md5": self.put(page or f"<html> {text}"), "hash": "md5", "size": 1}
        stages = {
            "scrape": {
                "cmd": "x",
                "deps": [{"path": "data", **data}],
                "outs": [
                    {"path": "artifacts/scrape", **scraped},
                    {"path": "reports/scrape.html", **report},
                ],
            },
            "split": {
                "cmd": "x",
                "deps": [{"path": "artifacts/scrape", **scraped}],
                "outs": [{"path": "artifacts/split", **split}],
            },
        }
        (self.root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
        (self.root / "data.dvc").write_text(yaml.safe_dump({"outs": [{"path": "data", **data}]}))

    def commit(self, message: str) -> None:
        commit(self.root, message)
        shutil.copytree(self.cache, self.remote / "files/md5", dirs_exist_ok=True)

    def forget(self) -> None:
        row = Row(SECRET_ID, answer="drop", by="ada", why="forgotten: asked")
        (self.root / "decisions.csv").write_text(render_rows([row]))

    def holding(self, folder: Path) -> set[str]:
        """Return the contents of a cache or remote that have the secret, or its id or MD5."""
        marks = (
            b"secret",
            SECRET_ID.encode(),
            hashlib.md5(SECRET, usedforsecurity=False).hexdigest().encode(),
        )
        files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
        return {
            content.decode("latin-1")[:12]
            for content in files
            if any(mark in content for mark in marks)
        }


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    """Four commits: without the image, with it twice, and without it."""
    versions = Versions(tmp_path / "pets")
    images = {"hat/1.png": PNG + b"one", "hat/2.png": PNG + b"two"}
    versions.run("first", images)
    versions.commit("Before")
    versions.run("second", {**images, "hat/3.png": SECRET, "hat/4.png": PNG + b"four"})
    versions.commit("With it")
    versions.run("third", {**images, "hat/3.png": SECRET})
    versions.commit("With it, too")
    versions.forget()
    versions.run("fourth", {"hat/1.png": PNG + b"one"})
    versions.commit("Forget images")
    return versions


def test_the_image_goes_and_other_versions_stay_whole(versions: Versions, tmp_path: Path) -> None:
    stores = (versions.cache, versions.remote)
    assert [len(versions.holding(store)) >= 9 for store in stores] == [True, True]
    purge = plan_purge(versions.root)
    assert {*purge.objects["cache"]} == {*purge.objects["remote"]}
    purge.execute()
    assert [versions.holding(store) for store in stores] == [set(), set()]
    # An image that only older versions have does not hold the forgotten one.
    others = {path.read_bytes() for path in versions.cache.rglob("*") if path.is_file()}
    assert {PNG + b"one", PNG + b"two", PNG + b"four"} <= others
    for revision in ("HEAD", "HEAD~3"):
        clone = tmp_path / revision
        git(tmp_path, "clone", "-q", str(versions.root), str(clone))
        git(clone, "checkout", "-q", revision)
        dvc(clone, "pull", "-q")
        assert (clone / "artifacts/split/train.bin").is_file()
    # Branches and forks that have the image can have all others.
    git(clone, "checkout", "-q", "main~1")
    dvc(clone, "pull", "-q", "data.dvc")
    assert {path.name for path in clone.glob("data/*/*")} == {"1.png", "2.png"}
    again = plan_purge(versions.root)
    assert (again.objects, again.unexamined) == ({"remote": [], "cache": []}, 0)


def test_older_images_come_back_where_they_were_checked_out_before(versions: Versions) -> None:
    # DVC keeps an index of the lists that it has read.
    for revision in ("main~1", "main"):
        git(versions.root, "checkout", "-q", revision)
        dvc(versions.root, "checkout", "-q", "data.dvc")
    plan_purge(versions.root).execute()
    git(versions.root, "checkout", "-q", "main~1")
    dvc(versions.root, "checkout", "-q", "data.dvc")
    assert {path.name for path in versions.root.glob("data/*/*")} == {"1.png", "2.png"}


class KilledError(Exception):
    pass


def cut(purge: Purge, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Execute a number of steps of a purge."""
    left = iter(range(after))

    def step(original: Callable[..., None], *given: object) -> None:
        if next(left, None) is None:
            raise KilledError
        original(*given)

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        for store in purge.stores.values():
            patch.setattr(store, "delete", partial(step, store.delete))
        patch.setattr(purging, "_shorten", partial(step, purging._shorten))
        purge.execute()


@pytest.mark.parametrize("after", [0, 12, 22])
def test_repeating_completes_an_interrupted_purge(
    versions: Versions, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    cut(plan_purge(versions.root), monkeypatch, after)
    plan_purge(versions.root).execute()
    assert [versions.holding(store) for store in (versions.cache, versions.remote)] == [
        set(),
        set(),
    ]


@pytest.mark.parametrize("after", [1, 3])
def test_finds_an_image_that_scrape_never_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    versions = Versions(tmp_path / "pets")
    versions.run("first", {"hat/1.png": PNG + b"one"})
    data = versions.put_folder({"hat/1.png": PNG + b"one", "unlabelled/3.png": SECRET})
    (versions.root / "data.dvc").write_text(yaml.safe_dump({"outs": [{"path": "data", **data}]}))
    versions.commit("Unlabelled")
    versions.forget()
    versions.commit("Forget images, without a run")
    with pytest.raises(PixmillError, match="still have"):
        plan_purge(versions.root)
    versions.run("second", {"hat/1.png": PNG + b"one"})
    versions.commit("Forget images")
    md5 = versions.put(SECRET)
    (versions.cache / md5[:2] / md5[2:]).unlink()
    purge = plan_purge(versions.root)
    assert (purge.objects, purge.unexamined) == ({"remote": [], "cache": []}, 1)
    versions.put(SECRET)
    cut(plan_purge(versions.root), monkeypatch, after)
    purge = plan_purge(versions.root)
    purge.execute()
    assert (
        purge.unexamined,
        versions.holding(versions.cache),
        versions.holding(versions.remote),
    ) == (0, set(), set())


def test_names_others_who_may_use_the_objects(versions: Versions, tmp_path: Path) -> None:
    git(versions.root, "branch", "unmerged", "main~1")
    git(versions.root, "tag", "clean", "main~3")
    versions.cache.parents[1].rename(tmp_path / "cache")
    dvc(versions.root, "cache", "dir", "--local", str(tmp_path / "cache"))
    remote, cache, refs = plan_purge(versions.root).others
    assert (str(versions.remote) in remote, str(tmp_path / "cache") in cache) == (True, True)
    assert ("unmerged" in refs, "clean" in refs) == (True, False)


def test_refuses_a_remote_that_cannot_be_reached(versions: Versions) -> None:
    versions.remote.rename(versions.remote.with_name("unmounted"))
    with pytest.raises(PixmillError) as refused:
        plan_purge(versions.root)
    assert refused.value.next == "dvc push"


def test_keeps_what_other_files_of_dvc_use(versions: Versions) -> None:
    md5 = next(iter(plan_purge(versions.root).objects["cache"]))
    (versions.root / "release.bin.dvc").write_text(
        yaml.safe_dump({"outs": [{"path": "release.bin", "md5": md5}]})
    )
    versions.commit("Keep a release")
    assert md5 not in plan_purge(versions.root).objects["cache"]


def test_the_own_cache_alone_has_no_others(versions: Versions) -> None:
    dvc(versions.root, "remote", "default", "--unset")
    versions.commit("No remote")
    purge = plan_purge(versions.root)
    assert ([*purge.stores], purge.others) == (["cache"], [])


def test_refuses_before_the_image_is_gone_from_the_last_commit(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "pets")
    versions.run("first", {"hat/3.png": SECRET})
    versions.commit("With it")
    with pytest.raises(PixmillError, match="no forgotten image"):
        plan_purge(versions.root)
    versions.forget()
    with pytest.raises(PixmillError, match="uncommitted"):
        plan_purge(versions.root)
    versions.commit("Forget images, without a run")
    with pytest.raises(PixmillError, match="still have"):
        plan_purge(versions.root)


def test_tables_go_and_so_do_versions_that_no_commit_uses(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "pets")
    one = {"hat/1.png": PNG + b"one"}
    two = {"hat/1.png": PNG + b"one", "hat/2.png": PNG + b"two"}
    versions.run("first", {**two, "metadata.csv": b"without"})
    versions.commit("Before")
    versions.run("never", {**two, "hat/3.png": SECRET, "metadata.csv": b"never committed: secret"})
    versions.run(
        "second",
        {**two, "hat/3.png": SECRET, "metadata.csv": b"by secret", "groups.csv": b"of secret"},
    )
    versions.commit("With it")
    versions.forget()
    versions.run("third", {**one, "metadata.csv": b"HEAD's"})
    versions.commit("Forget images")
    plan_purge(versions.root).execute()
    left = {path.read_bytes() for path in versions.remote.rglob("*") if path.is_file()}
    assert left >= {b"without", b"HEAD's", PNG + b"two"}
    for store in (versions.cache, versions.remote):
        assert {text[:5] for text in versions.holding(store)} <= {
            "<html",
            "pixel",
        }  # of the run without a commit
