"""Firefox without a network, by WebDriver BiDi, which needs no driver."""

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.waiting import until

__all__ = ["PROGRAM", "open_firefox"]

PROGRAM = shutil.which("firefox") or shutil.which("firefox-esr")

_OFFLINE = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
}


@contextlib.contextmanager
def open_firefox(
    page: Path, preferences: dict[str, Any] | None = None
) -> Iterator[Callable[[str], Any]]:
    """Open an HTML file; yield a function that returns the value of a script: text or a truth."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});"
            for name, value in (_OFFLINE | (preferences or {})).items()
        ]
        Path(profile, "user.js").write_text("\n".join(lines))
        log = Path(profile, "log")
        options = ["--headless", "--no-remote", "--remote-debugging-port=0", "--profile", profile]
        with log.open("w") as stream:
            process = subprocess.Popen([str(PROGRAM), *options], stdout=stream, stderr=stream)
        try:
            address = until(lambda: re.search(r"BiDi listening on (ws://\S+)", log.read_text()))[1]
            with contextlib.closing(_Session(f"{address}/session")) as session:
                session.ask("session.new", capabilities={})
                (tab,) = session.ask("browsingContext.getTree")["contexts"]
                where = tab["context"]
                session.ask(
                    "browsingContext.navigate", context=where, url=page.as_uri(), wait="complete"
                )
                yield lambda script: session.ask(
                    "script.evaluate",
                    expression=script,
                    target={"context": where},
                    awaitPromise=True,
                )["result"]["value"]
        finally:
            process.terminate()
            process.wait()


class _Session:
    def __init__(self, address: str) -> None:
        from websocket import create_connection

        self._socket = create_connection(address, timeout=60, suppress_origin=True)
        self._number = 0

    def ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        self._socket.send(json.dumps(command))
        answer = json.loads(self._socket.recv())
        assert answer.get("id") == self._number, answer
        assert answer["type"] == "success", answer
        return answer["result"]

    def close(self) -> None:
        self._socket.close()
