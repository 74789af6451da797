"""The digest of the code of a result is another one for all that may change it, and for nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

import pixmill
from pixmill.core.provenance.code import Modules
from pixmill.core.provenance.results import RESULTS, code_of, digest_code
from tests.core.provenance.conftest import Edited

LINE = ("\n\n\ndef ", "\n\n\nANOTHER = 1\n\n\ndef ")
PARTS = ("pixmill.images.parts", "pixmill.models.", "pixmill.train.")
MODULES = Modules(Path(pixmill.__file__).parent)


@pytest.mark.parametrize(
    ("edit", "results"),
    [
        (("train/steps.py", "\n\n\n", "\n\n\n# a comment\n"), ""),
        (("train/steps.py", '"""One training step', '"""Another docstring: one step'), ""),
        (("train/steps.py", "momentum=params.momentum", "momentum=0.5"), "weights"),
        (("train/checkpoints.py", *LINE), ""),
        (("train/page/report.py", *LINE), ""),
        (("models/networks.py", *LINE), "weights"),
        (("models/lite.py", *LINE), "backbone weights"),
        (("models/features.py", *LINE), "backbone features weights"),
        (("images/parts.py", *LINE), "weights"),
        (("images/measures.py", "_STRIP_LENGTH = 4096", "_STRIP_LENGTH = 4097"), "measures"),
        (("images/measures.py", "Read, decode and measure", "Look at"), ""),
        (("images/likeness/hashing.py", *LINE), "measures likeness"),
        (("images/likeness/neighbours.py", *LINE), "likeness"),
    ],
)
def test_code_that_decides_counts(edited: Edited, edit: tuple[str, str, str], results: str) -> None:
    names = ("measures", "likeness", "backbone", "features", "weights")
    digest_code.cache_clear()
    with edited(edit) as package:
        assert [
            name for name in names if digest_code(name, package) != digest_code(name)
        ] == results.split()
    digest_code.cache_clear()


@pytest.mark.parametrize("name", RESULTS)
def test_the_table_names_modules_that_exist_and_are_imported(name: str) -> None:
    result = RESULTS[name]
    assert all(map(MODULES.path, (*result.entries, *result.within, *result.without)))
    reached = MODULES.closure(result.entries)
    assert reached >= {*result.within, *result.without}, "a module that is not imported"


def test_what_training_loads_counts_or_is_known_to_decide_nothing() -> None:
    script = (
        "import sys, pixmill.train; print(*(name for name in sys.modules if "
        "name.startswith('pixmill.')))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    # What `pixmill.images` imports in addition to the packed splits decodes files, in earlier
    # stages.
    fitting = {name for name in loaded if name.startswith(PARTS)}
    assert "pixmill.train.steps" in fitting
    assert fitting <= code_of("weights", MODULES) | {*RESULTS["weights"].without}
