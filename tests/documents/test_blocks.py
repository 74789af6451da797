"""The runner of the pages' blocks."""

from pathlib import Path

import pytest

from tests.documents.blocks import Shell, agrees, counts, read_blocks, run_page

PAGE = """\
# Page

1. A step:

   ```console
   $ cd data
   $ cat <<END
   > first
   > END
   first
   $ ls \\
     -1
   ```

```console not run: needs a GPU
$ nvidia-smi
```

```python
from pathlib import Path
Path("made").touch()
```

```yaml
a: 1
```
"""


def test_blocks_and_commands_of_a_page():
    console, gpu, code, other = read_blocks(PAGE)
    assert [(each.line, each.text, each.shown) for each in console.commands()] == [
        (6, "cd data", []),
        (7, "cat <<END\nfirst\nEND", ["first"]),
        (11, "ls \\\n  -1", []),
    ]
    assert (gpu.line, gpu.language, gpu.reason) == (15, "console", "needs a GPU")
    assert [code.reason, other.language, other.lines] == [None, "yaml", ["a: 1"]]


@pytest.mark.parametrize(
    "text",
    ["```console not run\n$ a\n```\n", "```console not run:\n$ a\n```\n", "```console\n$ a\n"],
    ids=["no reason", "empty reason", "no end"],
)
def test_malformed_blocks_are_refused(text):
    with pytest.raises(ValueError, match="line 1: "):
        read_blocks(text)


def test_output_before_the_first_command_is_refused():
    (block,) = read_blocks("```console\nhello\n```\n")
    with pytest.raises(ValueError, match="line 2: "):
        block.commands()


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        (["a"], "a  \n\n", True),
        (["a"], "a\nb", False),
        (["a ... c"], "a b c\n", True),
        (["a", "...", "c"], "a\nc", True),
        (["a", "...", "c"], "a\nb\nb\nc", True),
        (["..."], "", True),
        (["a", "..."], "b\na", False),
        (["(1.0) ..."], "(1x0) ", False),
        (["", "a"], "\na", True),
    ],
)
def test_shown_output_agrees(shown, output, same):
    assert agrees(shown, output) is same


@pytest.fixture
def project(tmp_path):
    (tmp_path / "shoes" / "data").mkdir(parents=True)
    return tmp_path / "shoes"


def run(text: str, project: Path, folder: Path) -> list[str]:
    page = folder / "page.md"
    page.write_text(text)
    return run_page(page, project, folder / "scratch")


def test_page_runs_in_a_copy_of_the_project(project, tmp_path):
    assert (
        run(
            PAGE.replace("first\n   $ ls", "first\n   $ pwd\n   .../shoes/data\n   $ ls"),
            project,
            tmp_path,
        )
        == []
    )
    assert [path.name for path in project.iterdir()] == ["data"]
    assert not (tmp_path / "scratch").exists()


def test_difference_names_page_line_command_and_both_outputs(project, tmp_path):
    (failure,) = run("```console\n$ echo a\na\n$ echo real\nshown\n```\n", project, tmp_path)
    head, *rest = failure.splitlines()
    assert head == "page.md, line 4: $ echo real"
    assert {"-shown", "+real"} <= {*rest}


@pytest.mark.parametrize("command", ["(exit 3)", "echo )", "exit 3", "false\n$ true"])
def test_failing_command_fails_its_block(project, tmp_path, command):
    (failure,) = run(f"```console\n$ {command}\n```\n", project, tmp_path)
    assert failure.startswith(f"page.md, line 2: $ {command.splitlines()[0]}\n")


def test_no_block_runs_after_the_end_of_the_shell(project, tmp_path):
    (failure,) = run("```console\n$ exit 0\n```\n```console\n$ true\n```\n", project, tmp_path)
    assert failure.startswith("page.md, line 2: $ exit 0\n")


def test_defect_fails_its_block_whatever_is_shown(project, tmp_path):
    (failure,) = run("```python\n1 / 0\n```\n", project, tmp_path)
    assert "ZeroDivisionError" in failure


def test_shell_knows_a_user_but_nothing_of_the_caller(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", "elsewhere")
    shell = Shell(tmp_path, tmp_path / "home")
    try:
        assert shell.run("git config user.name; echo $DVC_ROOT$CI; read line; echo $?") == (
            "You\n\n1\n",
            0,
        )
    finally:
        shell.close()


def test_counts_name_each_reason(tmp_path):
    (page := tmp_path / "page.md").write_text(PAGE)
    assert list(counts([page])) == ["2 blocks run, 1 not run", "   1 needs a GPU"]
