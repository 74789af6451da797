"""Archives are unpacked within their folder and within limits, or refused."""

import gzip
import io
import random
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from pixmill.core.errors import DataError
from pixmill.dataset import archives
from pixmill.dataset.archives import unpack

FILES = {
    "pets/cat/1.png": b"one",
    "pets/Katze süß/2.png": random.Random(0).randbytes(9_000),
    "pets/dog/empty": b"",
}


def write_archive(path: Path, files: Mapping[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.mkdir("pets")
            for name, content in files.items():
                packed.writestr(name, content, zipfile.ZIP_DEFLATED)
        return path
    with tarfile.open(path, f"w:{path.suffix[1:].replace('tgz', 'gz').replace('tar', '')}") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_regular_files_are_unpacked(name: str, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / name, FILES)
    if name == "a.tar":
        archive.write_bytes(archive.read_bytes() + bytes(2**21))  # as padded for tapes
    assert unpack(archive, tmp_path / "out") == []
    assert contents(tmp_path / "out") == FILES


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz", "a.tar.bz2", "a.tar.xz"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_archives_are_refused(name: str, share: float, tmp_path: Path) -> None:
    archive = write_archive(
        tmp_path / name, {f"{n}.png": random.Random(n).randbytes(9_000) for n in range(9)}
    )
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("name", ["a.zip", "a.tgz"])
@pytest.mark.parametrize("member", ["../out.png", "a/../../b", "..\\x.png"])
def test_names_that_lead_outside_refuse_the_archive(name: str, member: str, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / name, {"good.png": b"good", member: b"bad"})
    with pytest.raises(DataError, match="outside the destination"):
        unpack(archive, tmp_path / "deep" / "out")
    assert {path.name for path in tmp_path.rglob("*")} == {name, "deep", "out", "good.png"}


@pytest.mark.parametrize("name", ["a.zip", "a.tgz"])
def test_absolute_names_are_unpacked_inside(name: str, tmp_path: Path) -> None:
    unpack(
        write_archive(tmp_path / name, {"/x.png": b"1", "\\\\host\\y.png": b"2"}), tmp_path / "out"
    )
    assert contents(tmp_path / "out") == {"x.png": b"1", "host/y.png": b"2"}


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind, name in (
            (tarfile.SYMTYPE, "link"),
            (tarfile.LNKTYPE, "hard"),
            (tarfile.CHRTYPE, "device"),
        ):
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "/etc/passwd"
            tar.addfile(info)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        linked = zipfile.ZipInfo("link")
        linked.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(linked, "/etc/passwd")
    for name, number in (("a.tar", 3), ("a.zip", 1)):
        (remark,) = unpack(tmp_path / name, tmp_path / "out")
        assert remark.startswith(f"{number} ")
        assert contents(tmp_path / "out") == {}


def test_names_with_commands_are_left_out(tmp_path: Path) -> None:
    archive = write_archive(
        tmp_path / "a.zip", FILES | {"$(touch x)/1.png": b"1", "`touch x`/1.png": b"1"}
    )
    assert len(unpack(archive, tmp_path / "out")) == 1
    assert contents(tmp_path / "out") == FILES


@pytest.mark.parametrize("name", ["a.zip", "a.tgz"])
@pytest.mark.parametrize(
    ("allowed", "free", "why"), [(2**20, 10**9, "bomb"), (10**9, 2**21, "free space")]
)
def test_bombs_and_full_disks_stop_at_the_limit(
    name: str, allowed: int, free: int, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED", allowed)
    disk = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk)
    archive = write_archive(tmp_path / name, {f"{n}.png": bytes(2**20) for n in range(8)})
    with pytest.raises(DataError, match=why):
        unpack(archive, tmp_path / "out")
    assert sum(map(len, contents(tmp_path / "out").values())) <= 2**21


@pytest.mark.parametrize("kind", ["folders", "links", "header", "trailer"])
def test_what_is_not_written_is_limited_too(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED", 2**20)
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        for n in range(300 if kind in ("folders", "links") else 1):
            info = tarfile.TarInfo(str(n))
            info.type = tarfile.SYMTYPE if kind == "links" else tarfile.DIRTYPE
            info.pax_headers = {"comment": "x" * 2**21} if kind == "header" else {}
            tar.addfile(info)
    if kind == "trailer":
        (tmp_path / "a.tgz").write_bytes(
            (tmp_path / "a.tgz").read_bytes() + gzip.compress(bytes(2**21))
        )
    with pytest.raises(DataError):
        unpack(tmp_path / "a.tgz", tmp_path / "out")


def test_names_that_no_file_system_takes_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"long.*xxx"):
        unpack(write_archive(tmp_path / "a.zip", {f"{'x' * 300}.png": b"one"}), tmp_path / "out")


def test_encrypted_archives_are_named(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.zip", {"1.png": b"one"})
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.rindex(signature) + offset] |= 1
    archive.write_bytes(content)
    with pytest.raises(DataError, match="encrypted"):
        unpack(archive, tmp_path / "out")


class _Named(zipfile.ZipInfo):
    """An entry whose name has other bytes than those of UTF-8, without a flag."""

    encoding = "cp437"

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
        return self.filename.encode(self.encoding), 0


@pytest.mark.parametrize(
    ("encoding", "classes", "wanted"),
    [
        ("cp932", ("りんご", "みかん"), "cp932"),
        ("cp932", ("リンゴ", "ミカン", "アイス"), "cp932"),
        ("cp932", ("犬", "猫", "Tシャツ"), "cp932"),
        ("cp437", ("Äpfel", "Öl", "Größe", "Mädchen"), "cp437"),
        ("cp437", ("élève", "forêt", "naïf", "café crème"), "cp437"),
        ("cp437", ("niño", "Ñandú", "Åkerbær", "Süß"), "cp437"),
        ("cp437", ("Öl", "Wasser"), "cp437"),
        ("cp437", ("ÄPFEL", "MÜLL"), "cp437"),
        ("gbk", ("苹果", "橘子"), "cp437"),
    ],
)
def test_names_of_old_windows(
    encoding: str, classes: tuple[str, ...], wanted: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for name in classes:
            info = _Named(f"photos/{name}/001.jpg")
            info.encoding = encoding
            packed.writestr(info, b"image")
    remarks = unpack(tmp_path / "a.zip", tmp_path / "out")
    assert len(remarks) == (wanted == "cp932" or encoding != wanted)
    assert set(contents(tmp_path / "out")) == {
        f"photos/{name}/001.jpg".encode(encoding).decode(wanted) for name in classes
    }
