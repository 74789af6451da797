"""Origin from which a project installs Pixmill: a reference, or a wheel in the project."""

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

import pixmill
from pixmill.core.errors import PixmillError
from pixmill.core.install.origin import WHEELS, Origin, parse_origin, running_origin, without_credentials

INDEX_NOTE = (
    "Warning: pixmill comes from a package index, which decides what CI and teammates install; to pin one build: "
    "pip install WHEEL (or URL, or git+URL@COMMIT) && pixmill upgrade"
)

_ORIGIN_FORMS = "the URL of a wheel, git+https://…@<commit> with all 40 digits, or a wheel, without credentials"
_COMPILED = (".pyc", ".pyo", ".pyd")
_INSTALLER_FILES = {"INSTALLER", "RECORD", "REQUESTED", "WHEEL", "direct_url.json", "uv_build.json", "uv_cache.json"}


@dataclass(frozen=True)
class Supply:
    """Origin of Pixmill in a project.

    Args:
        origin: Reference in the project's files.
        wheel: Content of the wheel at ``origin.text``; ``None`` if the origin is remote.
    """

    origin: Origin
    wheel: bytes | None = None


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
            raise PixmillError(f"{shown} has no hash", next=f"add the hash of the wheel: '{shown}#sha256=…'")
        return _parse(f"pixmill @ {text}", text)
    path = Path(text.removeprefix("file://")).expanduser().absolute()
    if path.suffix != ".whl" or not path.is_file():
        why = f"{without_credentials(text)}: expected {_ORIGIN_FORMS}"
        raise PixmillError(why, next="pip wheel --no-deps FOLDER, to pack a folder")
    return Origin(str(path))


def find_supply(origin: Origin | None = None) -> Supply:
    """Return the origin of the running Pixmill for a project.

    A wheel is used as it is. A folder or an editable checkout is packed into a wheel.

    Args:
        origin: Requested origin, which must be the running code; default: that of the running one.

    Raises:
        PixmillError: The wheel has other code.
    """
    is_requested, origin = origin is not None, origin or running_origin()
    if not origin.is_path:
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
    return Supply(parse_origin(f"./{WHEELS}/{name}"), wheel)


def pack() -> tuple[str, bytes]:
    """Pack the files and metadata of the running Pixmill into a wheel, without a build.

    Returns:
        Name and content of the wheel; the same files give the same bytes.
    """
    distribution = metadata.distribution("pixmill")
    version = str(Version(pixmill.__version__))
    info = f"pixmill-{version}.dist-info"
    content = _code()
    for file in distribution.files or ():
        if file.parts[0].endswith(".dist-info") and file.name not in _INSTALLER_FILES:
            content[f"{info}/{'/'.join(file.parts[1:])}"] = file.read_binary()
    tags = "Wheel-Version: 1.0\nGenerator: pixmill\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content[f"{info}/WHEEL"] = tags.encode()
    rows = [f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in sorted(content.items())]
    content[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name)  # dated 1980, for reproducible bytes
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(entry, data, compresslevel=9)
    return f"pixmill-{version}-py3-none-any.whl", packed.getvalue()


def _code() -> dict[str, bytes]:
    """Return the contents of the running package's files by path in a wheel."""
    package = Path(pixmill.__file__).parent
    paths = [path for path in package.rglob("*") if path.is_file() and path.suffix not in _COMPILED]
    return {path.relative_to(package.parent).as_posix(): path.read_bytes() for path in sorted(paths)}


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def _has_running_code(name: str, wheel: bytes) -> bool:
    """Return whether a wheel has exactly the files of the running package."""
    try:
        package, version, _, _ = parse_wheel_filename(name)
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            code = {name: archive.read(name) for name in archive.namelist() if name.startswith("pixmill/")}
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
