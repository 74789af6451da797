"""A package index on loopback on which an impostor owns the name of this package."""

from __future__ import annotations

import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["Index"]


class Index:
    """Serve a folder with the releases of an impostor in ``simple/pixmill/``.

    Args:
        folder: Served folder; created if missing.
        versions: Versions that the impostor released. Importing one writes a file.

    Attributes:
        folder: Served folder.
        marker: File that an import of the impostor writes.
        asked: Requested paths, in order.
    """

    def __init__(self, folder: Path, *versions: str) -> None:
        self.marker = folder.parent / "taken"
        self.asked: list[str] = []
        self.folder = folder
        releases = folder / "simple" / "pixmill"
        releases.mkdir(parents=True)
        code = f"import pathlib\npathlib.Path({str(self.marker)!r}).write_text('taken')\n"
        for version in versions:
            info = f"pixmill-{version}.dist-info"
            files = {
                "pixmill/__init__.py": code,
                "pixmill/__main__.py": "",
                "pixmill/experiments/__init__.py": "",
                "pixmill/experiments/compare/__init__.py": "",
                f"{info}/METADATA": f"Metadata-Version: 2.1\nName: pixmill\nVersion: {version}\n"
                "Provides-Extra: pipeline\n",
                f"{info}/WHEEL": (
                    "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
                ),
                f"{info}/RECORD": "",
            }
            with zipfile.ZipFile(releases / f"pixmill-{version}-py3-none-any.whl", "w") as archive:
                for name, text in files.items():
                    archive.writestr(name, text)
        links = (f'<a href="{path.name}">{path.name}</a>' for path in sorted(releases.iterdir()))
        (releases / "index.html").write_text("\n".join(links), encoding="utf-8")

    def __enter__(self) -> Index:
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                asked.append(self.path)

        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(Handler, directory=str(self.folder))
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """URL of the folder, with a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"
