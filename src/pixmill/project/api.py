"""A project in Python: images, results, predictions, comparisons and runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace, refuse_links
from pixmill.core.files.writing import read_json

if TYPE_CHECKING:
    import pandas as pd

    from pixmill.core.params import Params
    from pixmill.experiments.compare.comparison import Comparison
    from pixmill.models.classifier import Classifier


class Project:
    """A project on disk; :func:`load_project` finds it.

    Each method reads the files of the last run at the time of the call and writes nothing but
    caches in ``.pixmill/``. All errors that you can fix are a :class:`PixmillError`, which names
    the next command.

    Args:
        root: Folder with ``dvc.yaml`` and ``params.yaml``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace(root, root)

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r})"

    @property
    def params(self) -> Params:
        """All params in force, from ``params.yaml`` and the defaults."""
        from pixmill.core.params import load_params

        return load_params(self.root)

    def images(self) -> pd.DataFrame:
        """Return the manifest of split: one row per image, dropped ones included.

        ``file`` is added to its columns: the absolute path of the image.
        """
        from pixmill.core.manifest import SPLIT, read_table

        manifest = read_table(self.root / "artifacts/split/manifest.parquet", SPLIT, stage="split")
        return manifest.assign(
            file=f"{self.root / 'artifacts' / 'scrape'}{os.sep}" + manifest["path"]
        )

    @property
    def metrics(self) -> dict[str, Any]:
        """All metrics of the last evaluation, as in ``plots/evaluate/full.json``."""
        metrics: dict[str, Any] = read_json(
            self.root / "plots/evaluate/full.json", stage="evaluate"
        )
        return metrics

    def results(self) -> pd.DataFrame:
        """Return the metrics of the last evaluation on the test split, one a row: ``value``, ``low`` and ``high``."""
        import pandas as pd

        found = self.metrics
        names = [name for name in found if f"{name}_low" in found]
        rows = [[found[name], found[f"{name}_low"], found[f"{name}_high"]] for name in names]
        return pd.DataFrame(
            rows, index=pd.Index(names, name="metric"), columns=["value", "low", "high"]
        )

    @cached_property
    def classifier(self) -> Classifier:
        """The model in production, else the one that was trained last.

        It is loaded once; after another training or promotion, load the project again.
        """
        from pixmill.models import Classifier
        from pixmill.serve.predict.model import find_model

        return Classifier.load(find_model(None, self.root).path)

    def predict(
        self,
        inputs: str | Path | Iterable[str | Path],
        *,
        model: str | None = None,
        classes: Iterable[str] | None = None,
        prior: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """Predict the class of images in worker processes, as ``pixmill predict`` does.

        Args:
            inputs: Images, folders, patterns and URLs.
            model: A folder, a ``.tflite`` file or a model in MLflow, as for ``--model``. Default:
                the one in production, else the one that was trained last.
            classes: The classes that occur; an image of another one is ``none of these``. Default:
                all.
            prior: Share of each class where the images come from. Default: those of the training
                images.

        Returns:
            One row per image; an image without a prediction has a ``reason``.
        """
        import pandas as pd
        import pyarrow as pa

        from pixmill.core.process.progress import track
        from pixmill.models.inference import answers_schema
        from pixmill.serve.predict.inputs import find_images
        from pixmill.serve.predict.model import find_model
        from pixmill.serve.predict.predicting import predict
        from pixmill.serve.predict.shifting import shift_model

        images = find_images(
            [str(each) for each in ([inputs] if isinstance(inputs, str | Path) else inputs)]
        )
        with _environment_kept():
            found = shift_model(find_model(model, self.root), classes, prior)
            rows = list(track(predict(found, images), "Predict", images.count()))
        table = pa.Table.from_pylist(
            rows, answers_schema(found.labels, found.head.flags(found.labels))
        )
        frame: pd.DataFrame = table.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
        return frame

    def compare(self, base: str | None = None, head: str | None = None) -> Comparison:
        """Compare two revisions, as ``pixmill compare`` does; a notebook shows the result as a report.

        Args:
            base: Commit, branch, tag, DVC experiment, ``runs:/ID`` or ``models:/NAME@ALIAS``.
                Default: the point where the branch left main.
            head: A name of the same form. Default: the workspace.
        """
        from pixmill.experiments.compare.comparing import compare
        from pixmill.experiments.compare.view import ShownComparison

        with _environment_kept():
            return ShownComparison(**vars(compare(self.workspace, self.params, base, head)))

    def runs(self, *, limit: int = 500) -> pd.DataFrame:
        """Return the runs and experiments, best on validation first, as ``pixmill compare --runs --json`` does.

        Args:
            limit: Maximum number of runs, and of experiments.
        """
        import pandas as pd

        from pixmill.experiments.compare.ranking import compare_runs
        from pixmill.experiments.compare.ranking_report import ranking_facts

        with _environment_kept():
            ranking = compare_runs(self.workspace, self.params, limit=limit)
        facts = ranking_facts(ranking)
        return pd.json_normalize([*facts["rows"], *facts["others"]]).drop(
            columns="run", errors="ignore"
        )


def find_project(folder: Path) -> Path | None:
    """Return a folder or its nearest parent that is a project; ``None`` if there is none.

    Args:
        folder: An absolute path.

    Raises:
        DataError: What is written in the project would lie elsewhere.
    """
    for each in (folder, *folder.parents):
        if (each / "dvc.yaml").exists() or (each / "params.yaml").exists():
            refuse_links(each)
            return each
    return None


def load_project(folder: str | Path = ".") -> Project:
    """Return the project of a folder.

    Args:
        folder: The project's folder or one below it. Default: the current one.

    Raises:
        PixmillError: Neither the folder nor a parent is a project.
    """
    path = Path(folder).expanduser().resolve()
    root = find_project(path) if path.is_dir() else None
    if root is None:
        problem = f"{path} is not in a project: neither it nor a parent has a dvc.yaml"
        raise PixmillError(
            problem if path.is_dir() else f"{path} is not a folder",
            next="name the project's folder: pixmill.load_project('FOLDER')",
        )
    return Project(root)


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    """Remove environment variables that the block adds, such as MLflow's timeouts."""
    before = {*os.environ}
    try:
        yield
    finally:
        for name in {*os.environ} - before:
            del os.environ[name]
