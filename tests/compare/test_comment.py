"""The comment on a pull request, posted over HTTP to servers that answer like GitHub and GitLab."""

import html
import os
import re
import runpy
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.forge import GITHUB, GITLAB, MARKER, Forge


@pytest.fixture(params=[GITHUB, GITLAB])
def forge(request):
    with Forge(request.param) as forge:
        yield forge


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def post(repository, tmp_path, forge, monkeypatch, capsys):
    """Run the script on a text, or on what lies there if the text is ``None``."""
    monkeypatch.chdir(tmp_path)

    def run(text="# better\n", *words, **environ):
        if text is not None:
            (tmp_path / "compare.md").write_bytes(text if isinstance(text, bytes) else text.encode())
        monkeypatch.setattr(sys, "argv", ["comment.py", "compare.md", *words])
        for name in (forge.token, "CI_API_V4_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {**forge.environ, **environ}.items():
            monkeypatch.setenv(name, value)
        code, said = 0, ""
        try:
            runpy.run_path(str(repository / "src/pixmill/compare/comment.py"), run_name="__main__")
        except SystemExit as ended:
            code, said = (ended.code, "") if isinstance(ended.code, int) else (1, f"{ended.code}\n")
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err + said)

    return run


@pytest.mark.parametrize("words", [["src/pixmill/compare/comment.py"], ["-m", "pixmill.compare.comment"]])
def test_it_needs_no_package(repository, words):
    environ = {**os.environ, "PYTHONPATH": str(repository / "src")}
    command = [sys.executable, "-S", "-P", *words, "--help"]  # Without site-packages, nor the modules beside the file.
    done = subprocess.run(command, cwd=repository, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--page" in done.stdout


def test_one_comment_is_posted_then_updated(post, forge):
    first = post("# better\n", "--page", "https://ci.test/artifacts/1")
    assert (first.returncode, first.stdout, first.stderr) == (0, "Comment posted.\n", "")
    ((number, comment),) = forge.comments.items()
    assert comment.body == f"{MARKER}\n[The whole report, with images](https://ci.test/artifacts/1)\n\n# better\n"
    assert post("# worse\n").stdout == "Comment updated.\n"
    ((same, comment),) = forge.comments.items()
    assert same == number
    assert "worse" in comment.body
    assert "better" not in comment.body


def test_the_comment_is_found_on_the_third_page(post, forge):
    for _ in range(200):
        forge.add("someone", "Looks good")
    mine = forge.add(forge.me, f"{MARKER}\nold")
    forge.add("someone", "Thanks")
    assert post("new").stdout == "Comment updated.\n"
    assert forge.comments[mine].body.endswith("new")
    assert len(forge.comments) == 202


def test_the_marker_of_a_stranger_is_left_alone(post, forge):
    theirs = forge.add("stranger", f"{MARKER}\nmine now")
    other = forge.add(forge.me, f"Another job quotes {MARKER}")
    gone = forge.add(None, f"{MARKER}\nof an account that was deleted")
    assert post().stdout == "Comment posted.\n"
    assert len(forge.comments) == 4
    assert forge.comments[theirs].body.endswith("mine now")
    assert forge.comments[other].body.startswith("Another job")
    assert forge.comments[gone].body.endswith("deleted")


def test_a_busy_service_is_asked_again_and_a_lost_answer_posts_nothing_twice(post, forge):
    forge.failures = [503, 429]
    assert post().returncode == 0
    forge.comments.clear()
    forge.lose_answers = 1  # The comment is there, but the answer says 502.
    assert post().stdout == "Comment updated.\n"
    assert len(forge.comments) == 1


def test_a_service_that_stays_down_fails_the_job(post, forge):
    forge.failures = [503] * 4
    done = post()
    assert done.returncode == 1
    assert "503" in done.stderr
    assert "Next: run this job again" in done.stderr


def test_a_token_without_the_right_is_told_which_it_lacks(post, forge):
    forge.may_write = False
    done = post()
    assert done.returncode == 1
    assert "403" in done.stderr
    assert forge.right in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_token_and_a_missing_one_are_told(post, forge):
    wrong = post(**{forge.token: "0ld-t0ken"})
    assert (wrong.returncode, "401" in wrong.stderr, forge.right in wrong.stderr) == (1, True, True)
    del forge.environ[forge.token]
    missing = post()
    assert missing.returncode == 1
    assert forge.token in missing.stderr
    assert "0ld-t0ken" not in wrong.stderr


HOSTILE = f"@everyone, see a@b.test\n/close\n  /assign @me\n\x00{MARKER}\n```\n/merge\n"


def test_a_strangers_text_becomes_a_comment_and_nothing_more(post, forge):
    assert post(HOSTILE.encode() + b"\xff\xfe").returncode == 0
    ((_, comment),) = forge.comments.items()
    lines = comment.body.splitlines()
    assert lines[0] == MARKER
    assert not [line for line in lines if line.lstrip().startswith("/")]
    assert "@everyone" not in comment.body
    assert "@\u200beveryone" in comment.body
    assert "\0" not in comment.body
    assert lines[-1].endswith("\ufffd\ufffd")


SPELT = ("@a", "&#64;a", "&#x40;a", "&#0064;a", "&commat;a", "@&#97;b", "@\\_a", "@.a", "@\u00ada", "&#x0040a", "&#64a")


@pytest.mark.parametrize("name", SPELT)
def test_no_spelling_of_a_name_notifies_anybody(post, forge, name):
    post(f"{name} &amp; &lt;b&gt; && c\n")
    ((_, comment),) = forge.comments.items()
    text = comment.body.splitlines()[1]
    assert not re.search(r"@(?!\u200b)", html.unescape(text))
    assert text.endswith(" &amp; &lt;b&gt; && c")


def test_what_is_no_plain_address_is_not_linked(post, forge):
    for page in ("javascript:alert(1)", "https://ci.test/x) [y](https://e.test", "https://a\nb", ""):
        assert post("text", "--page", page).returncode == 0
        assert [comment.body for comment in forge.comments.values()] == [f"{MARKER}\ntext"]


def test_a_long_text_is_cut_at_a_line(post, forge):
    line = "| ünïcödé | 0.9 |"
    assert post(f"{line}\n" * 20_000).returncode == 0
    ((_, comment),) = forge.comments.items()
    assert len(comment.body.encode()) < 65_536
    assert "cut off" in comment.body
    assert comment.body.endswith(line)


def test_a_link_to_the_secrets_of_this_job_is_refused(post, forge, tmp_path):
    (tmp_path / "secret").write_text("token")
    (tmp_path / "compare.md").symlink_to(tmp_path / "secret")
    done = post(None)
    assert done.returncode == 1
    assert "not a regular file" in done.stderr
    assert not forge.comments
    (tmp_path / "compare.md").unlink()
    assert "not a regular file" in post(None).stderr
