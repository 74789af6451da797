"""Which model answers now: loaded at the start, replaced while requests run, never by one that fails its check."""

import asyncio
import contextlib
import logging
from pathlib import Path

from pixmill.core.errors import PixmillError
from pixmill.serve.http.loaded import LoadedModel
from pixmill.serve.http.settings import Settings
from pixmill.serve.predict.model import IN_MLFLOW, Model, current_version, find_model

_LOG = logging.getLogger("pixmill.serve")


class Models:
    """The model that answers.

    Args:
        settings: The service's.

    Attributes:
        current: The model that answers; ``None`` before :meth:`open` and after :meth:`close`.
        refused: What was wrong with a newer model that was refused; ``None`` if there is none.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._retiring: set[asyncio.Task[None]] = set()
        self._seen: str | None = None
        self.current: LoadedModel | None = None
        self.refused: str | None = None

    def open(self) -> None:
        """Load the model, and return once all of its workers stand.

        Raises:
            PixmillError: There is none, it cannot be loaded, or it fails the check.
        """
        if self.current is None:
            model = find_model(self._settings.model, self._settings.root)
            self._seen = model.version or model.digest
            self.current = LoadedModel(model, self._settings)

    def close(self) -> None:
        """Finish what was taken, and end all workers."""
        current, self.current = self.current, None
        if current is not None:
            current.close()

    async def drain(self) -> None:
        """Wait until replaced models have finished what they took."""
        if self._retiring:
            await asyncio.wait(self._retiring)

    async def watch(self, ending: asyncio.Event) -> None:
        """Look every so often for a newer model, until the end; a model that is being loaded then is not left behind.

        Args:
            ending: Set when the service ends.
        """
        while self._settings.poll and not ending.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), self._settings.poll)
                break
            await self.look()
        await self.drain()

    async def look(self) -> None:
        """Replace the model if its name stands for another one now; a broken one is refused and the old one stays."""
        try:
            version = await asyncio.to_thread(self._version)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with MLflow or the files: the next look may succeed)
            if self._is_recorded:
                _LOG.warning("cannot look for a newer model: %s", _describe(error))
            else:
                self._seen = None  # The old files may come back.
                self._refuse(self._title(""), error)
            return
        if version == self._seen:
            return
        try:
            model = await asyncio.to_thread(find_model, self._settings.model, self._settings.root)
            # A model that cannot be fetched is tried again at the next look; one that fails its check is not.
            self._seen = model.version or (version if self._is_recorded else model.digest)
            await self._replace(model)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with it: the old one serves on)
            self._refuse(self._title(version), error)

    def _refuse(self, name: str, error: Exception) -> None:
        refused = f"{name}: {_describe(error)}"
        if refused != self.refused:  # One line, however often it is tried.
            _LOG.error("refused a newer model, the old one serves on: %s", refused)
        self.refused = refused

    def _version(self) -> str:
        """Return what tells one model from the next, cheaply."""
        spec, root = self._settings.model, self._settings.root
        return current_version(spec, root) if spec and self._is_recorded else find_model(spec, root).digest

    async def _replace(self, model: Model) -> None:
        old = self.current
        assert old is not None
        if model.digest == old.model.digest:
            old.model = model  # The same network under another version.
            self.refused = None
            return
        loaded = await asyncio.to_thread(LoadedModel, model, self._settings)
        _LOG.info("serving %s instead of %s", _full_name(model), _full_name(old.model))
        self.current, self.refused = loaded, None
        task = asyncio.create_task(asyncio.to_thread(old.close))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    @property
    def _is_recorded(self) -> bool:
        return (self._settings.model or "").startswith(IN_MLFLOW)

    def _title(self, version: str) -> str:
        spec = self._settings.model or str(Path(self._settings.root or "") / "artifacts" / "train")
        return f"{spec} (version {version})" if self._is_recorded else spec


def _full_name(model: Model) -> str:
    return f"{model.name} {model.version}" if model.version else f"{model.name} {model.digest[:12]}"


def _describe(error: Exception) -> str:
    return error.message if isinstance(error, PixmillError) else repr(error)
