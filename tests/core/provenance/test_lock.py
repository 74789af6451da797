"""A stage's digest changes with what decides its outputs, and a stage of other code than the project's is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import pixmill
from pixmill.core.errors import PixmillError
from pixmill.core.install.origin import Origin
from pixmill.core.params.reference import reference
from pixmill.core.provenance.lock import (
    FILE,
    SECTIONS,
    Lock,
    check_code,
    check_stage,
    installed_lock,
    read_lock,
    stage_digests,
    write_lock,
)
from tests.core.provenance.conftest import Edited

PACKAGE = Path(pixmill.__file__).parent
DIGEST = "12e3456789012345"  # which YAML takes for a number
LOCK = Lock(
    "0.0.9",
    dict.fromkeys(SECTIONS, DIGEST),
    {".gitignore": "12345678"},
    Origin(f"pixmill @ https://example.org/pixmill-0.0.9-py3-none-any.whl#sha256={'0' * 64}"),
)


@pytest.fixture(scope="module")
def installed() -> Lock:
    return installed_lock()


ALL = " ".join(SECTIONS)
LINE = ("\n\n\ndef ", "\n\n\nANOTHER = 1\n\n\ndef ")


@pytest.mark.parametrize(
    ("edits", "stages"),
    [
        (
            [
                ("train/fitting.py", '"""', '# A comment.\n"""Another docstring. '),
                ("train/page/report.py", *LINE),
                ("tracking/run_recorder.py", *LINE),
                ("core/process/stage.py", *LINE),
                ("core/errors.py", "\n\n\nclass ", "\n\n\nANOTHER = 1\n\n\nclass "),
                ("core/params/train.py", "Batch size.", "Images in a batch."),
                ("core/params/train.py", "le=65_536, description", "le=9, description"),
                ("core/params/compare.py", "0.02", "0.03"),
                ("core/params/scrape.py", "= Field(", "= (0 and 1) or Field("),
                ("__init__.py", pixmill.__version__, "9.9.9"),
            ],
            "",
        ),
        ([("core/params/train.py", 'self.mix != "none"', 'self.mix == "none"')], ALL),
        ([("core/names.py", '"NFC"', '"NFD"')], ALL),
        ([("train/fitting.py", "\n\n\n", "\n\nANOTHER = 1\n\n")], "train"),
        ([("split/stage.py", *LINE)], "split"),
        ([("validate/statistics.py", *LINE)], "validate"),
        ([("core/files/writing.py", *LINE)], ALL),
    ],
)
def test_the_stages_that_an_edit_decides_have_another_digest(
    edited: Edited, installed: Lock, edits: list[tuple[str, str, str]], stages: str
) -> None:
    with edited(*edits) as package:
        found = stage_digests(package)
    assert [name for name in SECTIONS if found[name] != installed.digests[name]] == stages.split()


def test_another_default_runs_the_stages_that_read_it(
    installed: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = [
        replace(item, default=64) if item.name == "train.batch_size" else item
        for item in reference()
    ]
    monkeypatch.setattr("pixmill.core.provenance.lock.reference", lambda: changed)
    found = stage_digests(PACKAGE)
    assert [name for name in SECTIONS if found[name] != installed.digests[name]] == [
        "train",
        "evaluate",
    ]


def test_the_stages_have_no_files_besides_code() -> None:
    for packages in (
        "core",
        "images",
        "models",
        "metrics",
        "validate",
        "split",
        "train",
        "evaluate",
    ):
        files = [
            path
            for path in (PACKAGE / packages).rglob("*.*")
            if path.is_file() and path.parent.name != "page"
        ]
        others = [path for path in files if path.suffix[:3] != ".py"]
        assert others == [], "a file that is no code may decide too, and is in no digest"


def test_the_sections_of_a_stage_are_those_of_dvc(repository: Path) -> None:
    stages = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert {name: tuple(stages[name]["params"]) for name in SECTIONS} == SECTIONS
    assert {*stages} - {*SECTIONS} == {"scrape"}


def test_a_lock_reads_as_it_was_written_by_pixmill_and_dvc(tmp_path: Path) -> None:
    assert read_lock(tmp_path) is None
    for lock in (
        LOCK,
        replace(LOCK, template={}, origin=None),
        replace(LOCK, extras="pipeline,s3"),
    ):
        write_lock(tmp_path, lock)
        assert read_lock(tmp_path) == lock
    write_lock(tmp_path, replace(LOCK, origin=Origin("pixmill==0.0.9")))
    with (tmp_path / FILE).open("a", encoding="utf-8") as early:
        early.write('libraries:\n  numpy: "2.4.6"\n')
    assert read_lock(tmp_path) == replace(LOCK, origin=None), "any package may have that version"
    write_lock(tmp_path, LOCK)
    from dvc.utils.serialize import load_path
    from dvc_objects.fs import localfs

    assert load_path(str(tmp_path / FILE), localfs)["train"] == DIGEST


@pytest.mark.parametrize(
    ("old", "new", "message", "following"),
    [
        (
            "split:",
            "<<<<<<< HEAD\nsplit:",
            "merge conflict markers",
            "git checkout --theirs pixmill.lock",
        ),
        (
            "split:",
            "export:",
            "is not valid: KeyError('split')",
            "git checkout pixmill.lock && pixmill upgrade",
        ),
        ("template:", "template: [1]\nx:", "is not valid: TypeError", "git checkout pixmill.lock"),
        ('"0.0.9"', '"nine"', "is not valid: InvalidVersion", "git checkout pixmill.lock"),
        (
            ".gitignore:",
            "../../.profile:",
            "expected a path in the project",
            "git checkout pixmill",
        ),
        (".gitignore:", "/etc/profile:", "expected a path in the project", "git checkout pixmill"),
        (
            ".gitignore:",
            r"..\..\profile:",
            "expected a path in the project",
            "git checkout pixmill",
        ),
        (
            ".gitignore:",
            r'"C:\\Users\\profile":',
            "expected a path in the project",
            "git checkout pixmill",
        ),
        (
            "split:",
            'extras: "pipeline\'; touch x"\nsplit:',
            "expected extras such as",
            "git checkout pixmill",
        ),
        ("split:", "extras: [heic]\nsplit:", "is not valid: TypeError", "git checkout pixmill"),
        (
            "https://example",
            "https://a'; touch x",
            "is not valid: ValueError(",
            "git checkout pixmill.lock",
        ),
        (
            "https://example",
            "https://me:key@example",
            "is not valid: ValueError(",
            "git checkout pixmill.lock",
        ),
        ("#sha256=", "#md5=", "is not valid: ValueError(", "git checkout pixmill.lock"),
        (
            'install: "pixmill',
            'install: "paxmill',
            "is not valid: ValueError(",
            "git checkout pixmill.lock",
        ),
        ("split:", "split: [", "expected YAML", "git checkout pixmill.lock"),
        ("split:", "\udcff", "expected UTF-8", "git checkout pixmill.lock"),
        ("split:", "\x00", "expected YAML", "git checkout pixmill.lock"),
    ],
)
def test_an_invalid_lock_is_refused_with_what_mends_it(
    tmp_path: Path, old: str, new: str, message: str, following: str
) -> None:
    write_lock(tmp_path, LOCK)
    path = tmp_path / FILE
    path.write_text(path.read_text().replace(old, new, 1), errors="surrogateescape")
    with pytest.raises(PixmillError) as caught:
        check_stage(tmp_path, "split")
    assert message in caught.value.message
    assert (caught.value.next or "").startswith(following)


def test_other_code_is_refused(tmp_path: Path, installed: Lock) -> None:
    check_stage(tmp_path, "train")  # no project of `pixmill new`
    write_lock(tmp_path, installed)
    check_stage(tmp_path, "train")
    check_code(installed, installed)
    other = replace(LOCK, digests={**installed.digests, "train": DIGEST})
    write_lock(tmp_path, other)
    check_stage(tmp_path, "scrape")
    check_stage(tmp_path, "split")
    with pytest.raises(
        PixmillError, match=r"made with pixmill 0.0.9 .* has different code for train\n"
    ) as caught:
        check_stage(tmp_path, "train")
    assert caught.value.next == (
        "pixmill upgrade && dvc repro, or to stay with 0.0.9: pip install "
        "'pixmill[pipeline] @ "
        f"https://example.org/pixmill-0.0.9-py3-none-any.whl#sha256={'0' * 64}'"
    )
    write_lock(
        tmp_path,
        replace(
            other, version=pixmill.__version__, origin=Origin("./wheels/pixmill-1-py3-none-any.whl")
        ),
    )
    with pytest.raises(PixmillError) as caught:
        check_stage(tmp_path, "train")
    forced = (
        "pip install --force-reinstall --no-deps './wheels/pixmill-1-py3-none-any.whl[pipeline]'"
    )
    assert (caught.value.next or "").endswith(forced)
    write_lock(tmp_path, replace(other, origin=None))
    with pytest.raises(PixmillError) as caught:
        check_stage(tmp_path, "train")
    assert (caught.value.next or "").endswith("to stay with 0.0.9: reinstall it from its origin")
    with pytest.raises(
        PixmillError, match="has different code for validate, split, train, evaluate"
    ):
        check_code(LOCK, installed)
