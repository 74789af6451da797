"""Origin from which a project installs Pixmill: a reference, or a wheel in the project."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

import pixmill
from pixmill.core.errors import PixmillError
from pixmill.core.install.origin import (
    WHEELS,
    Origin,
    parse_origin,
    running_origin,
    without_credentials,
)

_ORIGIN_FORMS = (
    "the URL of a wheel, git+https://…@<commit> with all 40 digits, or a wheel, without credentials"
)
_WHEEL = b"Wheel-Version: 1.0\nGenerator: pixmill\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_COMPILED = (".pyc", ".pyo", ".pyd")
_INSTALLER_FILES = {
    "INSTALLER",
    "RECORD",
    "REQUESTED",
    "WHEEL",
    "direct_url.json",
    "uv_build.json",
    "uv_cache.json",
}


@dataclass(frozen=True)
class Supply:
    """Origin of Pixmill in a project.

    Args:
        origin: Reference in the project's files.
        wheel: Content of the wheel at ``origin.text``; ``None`` if the origin is remote.
    """

    origin: Origin
    wheel: bytes | None = None

    def locked(self, extras: str) -> str | None:
        """Return the line of a requirements file that pip and uv install with ``--require-hashes``.

        ``None`` for a Git commit, which they cannot hash.

        Args:
            extras: Comma-separated names.
        """
        line = self.origin.requirement(extras)
        sha256 = (
            self.origin.text.partition("#sha256=")[2] if self.wheel is None else _sha256(self.wheel)
        )
        return None if not sha256 else line if "#" in line else f"{line} --hash=sha256:{sha256}"


def find_origin(text: str) -> Origin:
    """Parse the option ``--pixmill``.

    Args:
        text: ``URL#sha256=…``, ``git+URL@COMMIT``, or the path of a wheel.

    Raises:
        PixmillError: It has another form, or no hash.
    """
    if text.startswith("git+"):
        return _parse(f"pixmill @ {text}", text)
    if text.startswith(("http://", "https://")):
        if "#" not in text:
            shown = without_credentials(text)
            raise PixmillError(
                f"{shown} has no hash", next=f"add the hash of the wheel: '{shown}#sha256=…'"
            )
        return _parse(f"pixmill @ {text}", text)
    path = Path(text.removeprefix("file://")).expanduser().absolute()
    if path.suffix != ".whl" or not path.is_file():
        why = f"{without_credentials(text)}: expected {_ORIGIN_FORMS}"
        raise PixmillError(why, next="pip wheel --no-deps FOLDER, to pack a folder")
    return Origin(str(path))


def find_supply(origin: Origin | None = None) -> Supply:
    """Return the origin of the running Pixmill for a project.

    A wheel is used as it is, a release on a package index by its version and the hash of its wheel.
    Everything else without a URL is packed into a wheel: a folder, an editable checkout, a
    development version or edited files.

    Args:
        origin: Requested origin, which must be the running code; default: that of the running one.

    Raises:
        PixmillError: The wheel has other code.
    """
    is_requested = origin is not None
    origin = origin or running_origin()
    if not (origin.is_path or origin.from_index):
        text = origin.text.removeprefix("pixmill @ ")
        return Supply(find_origin(text) if text.startswith("http") else _parse(origin.text, text))
    path = Path(origin.text)
    wheel = path.read_bytes() if path.suffix == ".whl" and path.is_file() else None
    if wheel is not None and _has_running_code(path.name, wheel):
        return Supply(_parse(f"./{WHEELS}/{path.name}", path.name), wheel)
    if is_requested:
        raise PixmillError(
            f"{path} is not the running pixmill {pixmill.__version__}",
            next=f"{origin.command('pipeline', '--force-reinstall')}, then repeat the command",
        )
    name, wheel = pack()
    if origin.from_index and _is_release(wheel):
        return Supply(parse_origin(f"{origin.text}#sha256={_sha256(wheel)}"))
    return Supply(parse_origin(f"./{WHEELS}/{name}"), wheel)


def supply_of(root: Path, origin: Origin) -> Supply:
    """Return the origin of a project, with the wheel that it has."""
    path = root / origin.text
    return Supply(origin, path.read_bytes() if origin.is_path and path.is_file() else None)


def pack() -> tuple[str, bytes]:
    """Pack the files and metadata of the running Pixmill into a wheel, without a build.

    Returns:
        Name and content of the wheel, for a release those of the published one.
    """
    distribution = metadata.distribution("pixmill")
    version = str(Version(pixmill.__version__))
    content = _code()
    for file in distribution.files or ():
        if file.parts[0].endswith(".dist-info") and file.name not in _INSTALLER_FILES:
            content[f"pixmill-{version}.dist-info/{'/'.join(file.parts[1:])}"] = file.read_binary()
    return f"pixmill-{version}-py3-none-any.whl", wheel_of(content, version)


def wheel_of(files: Mapping[str, bytes], version: str) -> bytes:
    """Return a wheel whose bytes depend on the files alone: sorted, dated 1980, not compressed.

    Args:
        files: Contents by path in the wheel, without ``WHEEL`` and ``RECORD``.
        version: Version in the name of the folder ``.dist-info``.
    """
    info = f"pixmill-{version}.dist-info"
    content = {**files, f"{info}/WHEEL": _WHEEL}
    rows = "".join(
        f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in sorted(content.items())
    )
    content[f"{info}/RECORD"] = f"{rows}{info}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in sorted(content.items()):
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return packed.getvalue()


def _code() -> dict[str, bytes]:
    """Return the contents of the running package's files by path in a wheel."""
    package = Path(pixmill.__file__).parent
    paths = [path for path in package.rglob("*") if path.is_file() and path.suffix not in _COMPILED]
    return {
        path.relative_to(package.parent).as_posix(): path.read_bytes() for path in sorted(paths)
    }


def _is_release(wheel: bytes) -> bool:
    """Return whether a packed wheel is the installed release: all files are as in ``RECORD``."""
    version = Version(pixmill.__version__)
    if version.is_devrelease or version.local is not None:
        return False
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        *packed, _ = archive.read(f"pixmill-{version}.dist-info/RECORD").decode().splitlines()
    installed = (metadata.distribution("pixmill").read_text("RECORD") or "").splitlines()
    ours = {
        row
        for row in installed
        if row.startswith(("pixmill/", "pixmill-")) and not row.endswith(",,")
    }
    names = _INSTALLER_FILES - {"WHEEL"}
    return {row for row in ours if PurePosixPath(row.partition(",")[0]).name not in names} == set(
        packed
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def _has_running_code(name: str, wheel: bytes) -> bool:
    """Return whether a wheel has exactly the files of the running package."""
    try:
        package, version, _, _ = parse_wheel_filename(name)
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            code = {
                name: archive.read(name)
                for name in archive.namelist()
                if name.startswith("pixmill/")
            }
    except (InvalidWheelFilename, zipfile.BadZipFile):
        return False
    return (package, version) == ("pixmill", Version(pixmill.__version__)) and code == _code()


def _parse(text: str, typed: str) -> Origin:
    try:
        return parse_origin(text)
    except ValueError as error:
        # pip reads credentials from ~/.netrc, and Git from its credential helper.
        why = f"{without_credentials(typed)}: {error}"
        raise PixmillError(why, next=f"give {_ORIGIN_FORMS}, and repeat the command") from None
