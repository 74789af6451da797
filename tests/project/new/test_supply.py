"""A project installs the running Pixmill, whatever its origin."""

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from importlib import metadata
from io import BytesIO
from pathlib import Path

import pytest

import pixmill
from pixmill.core.errors import PixmillError
from pixmill.core.install.origin import Origin
from pixmill.project.new import supply
from pixmill.project.new.supply import Supply, find_origin, find_supply, pack
from pixmill.serve.export.html.runtime import RELEASED

NAME = f"pixmill-{pixmill.__version__}-py3-none-any.whl"
COMMIT = "0b" * 20


@pytest.fixture(scope="module")
def packed() -> bytes:
    return pack()[1]


def test_packing_is_reproducible(packed: bytes) -> None:
    found = find_supply()
    assert found.origin == Origin(f"./wheels/{NAME}")
    assert found.wheel == packed
    runtime = RELEASED.stat().st_size if RELEASED.exists() else 0
    assert len(zlib.compress(packed)) < 1_500_000 + runtime, (
        "every project carries it in Git, which compresses it"
    )


@pytest.mark.slow
def test_packed_wheel_equals_a_release(packed: bytes, wheel: Path) -> None:
    def content(file: Path | BytesIO) -> dict[str, bytes]:
        with zipfile.ZipFile(file) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
        info = f"pixmill-{pixmill.__version__}.dist-info"
        del found[f"{info}/RECORD"], found[f"{info}/WHEEL"]
        # In a checkout only after `make runtime`.
        found.pop(f"pixmill/serve/export/html/{RELEASED.name}", None)
        # The rest is the README at the time of installation.
        found[f"{info}/METADATA"], _, _ = found[f"{info}/METADATA"].partition(b"\n\n")
        return found

    assert content(BytesIO(packed)) == content(wheel), (
        "if only METADATA differs, pyproject.toml has changed since: pip install -e . again"
    )


def test_wheel_is_used_unchanged(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(BytesIO(packed)) as old, zipfile.ZipFile(tmp_path / NAME, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    theirs = (tmp_path / NAME).read_bytes()
    assert theirs != packed
    for text in (str(tmp_path / NAME), (tmp_path / NAME).as_uri()):
        assert find_supply(find_origin(text)).wheel == theirs
    monkeypatch.setattr(supply, "running_origin", lambda: Origin(str(tmp_path / NAME)))
    assert find_supply().wheel == theirs
    (tmp_path / NAME).unlink()
    assert find_supply().wheel == packed, "the original wheel is gone"


@pytest.mark.parametrize(
    "name", [NAME, "pixmill-9.9.9-py3-none-any.whl", "other-0.1.0-py3-none-any.whl", "x.whl"]
)
def test_rejects_a_wheel_of_other_code(packed: bytes, name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(BytesIO(packed)) as old, zipfile.ZipFile(tmp_path / name, "w") as new:
        for entry in old.namelist():
            new.writestr(
                entry,
                old.read(entry) + (b"\n# Edited.\n" if entry == "pixmill/cli/new.py" else b""),
            )
    with pytest.raises(
        PixmillError, match=rf"is not the running pixmill {pixmill.__version__}"
    ) as caught:
        find_supply(find_origin(str(tmp_path / name)))
    assert caught.value.next == (
        f"pip install --force-reinstall '{tmp_path / name}[pipeline]', then repeat the command"
    )
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(PixmillError, match="is not the running"):
        find_supply(find_origin(str(tmp_path / name)))


RECORD = "pixmill-{}.dist-info/RECORD"


@pytest.fixture
def unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Install the running code as if from an index; return the hash of its wheel."""

    def install(version: str, edit: tuple[str, str] = ("", "")) -> str:
        monkeypatch.setattr(pixmill, "__version__", version)
        monkeypatch.setattr(supply, "running_origin", lambda: Origin(f"pixmill=={version}"))
        wheel = pack()[1]
        with zipfile.ZipFile(BytesIO(wheel)) as archive:
            archive.extractall(tmp_path)
        record = tmp_path / RECORD.format(version)
        installers = f"../../../bin/pixmill,sha256=a,1\n{record.parent.name}/INSTALLER,sha256=b,4\n"
        record.write_text(installers + record.read_text().replace(*edit))
        found = metadata.Distribution.at(record.parent)
        monkeypatch.setattr(supply.metadata, "distribution", {"pixmill": found}.__getitem__)
        return hashlib.sha256(wheel).hexdigest()

    return install


def test_release_on_an_index_is_pinned_by_its_hash(unpack: Callable[..., str]) -> None:
    sha256 = unpack("1.2.3")
    assert (found := find_supply()) == Supply(Origin(f"pixmill==1.2.3#sha256={sha256}"))
    assert found.locked("pipeline,heic") == f"pixmill[pipeline,heic]==1.2.3 --hash=sha256:{sha256}"


@pytest.mark.parametrize(
    ("version", "edit"),
    [
        ("1.2.3.dev0", ("", "")),
        ("1.2.3+ours", ("", "")),
        ("1.2.3", ("pixmill/core/errors.py,", "pixmill/core/mistakes.py,")),
        ("1.2.3", ("pixmill/__init__.py,sha256=", "pixmill/__init__.py,sha256=0")),
        ("1.2.3", ("dist-info/WHEEL,sha256=", "dist-info/WHEEL,sha256=0")),
    ],
)
def test_other_builds_on_an_index_are_packed(
    unpack: Callable[..., str], version: str, edit: tuple[str, str]
) -> None:
    sha256 = unpack(version, edit)
    found = find_supply()
    assert found.origin == Origin(f"./wheels/pixmill-{version}-py3-none-any.whl")
    assert found.locked("pipeline") == f"{found.origin.text}[pipeline] --hash=sha256:{sha256}"


def test_locked_addresses_keep_their_hash() -> None:
    url = f"https://example.org/{NAME}#sha256={'0' * 64}"
    assert find_supply(find_origin(url)).locked("ray") == f"pixmill[ray] @ {url}"
    assert (
        find_supply(find_origin(f"git+https://example.org/pixmill.git@{COMMIT}")).locked("ray")
        is None
    )


@pytest.mark.parametrize(
    "scheme", ["https://example.org/a/pixmill.git", "ssh://git@example.org/a/pixmill.git"]
)
def test_git_origin(scheme: str) -> None:
    found = find_supply(find_origin(f"git+{scheme}@{COMMIT}"))
    assert (found.origin, found.wheel) == (Origin(f"pixmill @ git+{scheme}@{COMMIT}"), None)


def test_url_needs_a_hash() -> None:
    url = f"https://example.org/{NAME}"
    with pytest.raises(PixmillError, match="has no hash") as caught:
        find_origin(url)
    assert caught.value.next == f"add the hash of the wheel: '{url}#sha256=…'"
    assert find_origin(f"{url}#sha256={'0' * 64}").text.startswith(f"pixmill @ {url}#")


@pytest.mark.parametrize("end", ["", "#sha256=0", f"#sha256={'0' * 64}"])
@pytest.mark.parametrize("scheme", ["https", "git+https", "ftp"])
def test_messages_have_no_password(scheme: str, end: str) -> None:
    with pytest.raises(PixmillError) as caught:
        find_origin(f"{scheme}://me:p@ss@example.org/pixmill{end}")
    assert "example.org/pixmill" in str(caught.value)
    assert "ss@" not in str(caught.value)
