"""Where the running Pixmill came from, by what installers record of it (PEP 610)."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

import pixmill
from pixmill.core.install.origin import Origin, install_command, parse_origin, running_origin

HASH = "0a" * 32
COMMIT = "0b" * 20
URL = "https://example.org/pixmill-0.1.0-py3-none-any.whl"
GIT = "https://example.org/pixmill.git"
REVISION = {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"}
EDITABLE: dict[str, Any] = {"url": "file:///a%20b/pixmill", "dir_info": {"editable": True}}
CASES: list[tuple[dict[str, Any] | None, str, str]] = [
    (None, f"pixmill=={pixmill.__version__}", f"'pixmill[ray]=={pixmill.__version__}'"),
    (
        {"url": URL, "archive_info": {"hash": f"sha256={HASH}", "hashes": {"sha256": HASH}}},
        f"pixmill @ {URL}#sha256={HASH}",
        f"'pixmill[ray] @ {URL}#sha256={HASH}'",
    ),
    (
        {"url": URL, "archive_info": {"hash": f"sha256={HASH}"}},
        f"pixmill @ {URL}#sha256={HASH}",
        f"'pixmill[ray] @ {URL}#sha256={HASH}'",
    ),
    ({"url": URL, "archive_info": {}}, f"pixmill @ {URL}", f"'pixmill[ray] @ {URL}'"),
    (
        {"url": GIT, "vcs_info": REVISION},
        f"pixmill @ git+{GIT}@{COMMIT}",
        f"'pixmill[ray] @ git+{GIT}@{COMMIT}'",
    ),
    (
        {"url": GIT, "vcs_info": REVISION, "subdirectory": "python"},
        f"pixmill @ git+{GIT}@{COMMIT}#subdirectory=python",
        f"'pixmill[ray] @ git+{GIT}@{COMMIT}#subdirectory=python'",
    ),
    ({"url": "file:///a/b.whl", "archive_info": {}}, "/a/b.whl", "'/a/b.whl[ray]'"),
    ({"url": "file:///a%20b/pixmill", "dir_info": {}}, "/a b/pixmill", "'/a b/pixmill[ray]'"),
    (EDITABLE, "/a b/pixmill", "-e '/a b/pixmill[ray]'"),
    ({"url": "file:///a/pixmill", "vcs_info": REVISION}, "/a/pixmill", "'/a/pixmill[ray]'"),
]


@pytest.mark.parametrize(("recorded", "text", "installed"), CASES)
def test_what_an_installer_recorded_is_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, recorded: dict[str, Any] | None, text: str, installed: str
) -> None:
    read = {"direct_url.json": None if recorded is None else json.dumps(recorded)}.__getitem__
    monkeypatch.setattr(
        "importlib.metadata.distribution", {"pixmill": SimpleNamespace(read_text=read)}.__getitem__
    )
    assert running_origin() == Origin(text, editable=recorded is EDITABLE)
    assert install_command("ray") == f"pip install {installed}"


@pytest.mark.parametrize(
    "text",
    [
        f"pixmill==1.2.0#sha256={HASH}",
        f"pixmill @ {URL}#sha256={HASH}",
        f"pixmill @ git+ssh://git@example.org:22/a/pixmill.git@{COMMIT}",
        "./wheels/pixmill-1.2.0-py3-none-any.whl",
    ],
)
def test_a_project_may_say_so(text: str) -> None:
    assert parse_origin(text) == Origin(text)
    assert Origin("pixmill==1#sha256=0").requirement("ray") == "pixmill[ray]==1"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "pixmill>=1",
        "pixmill==1.2.0",
        f"pixmill==1.2.0+local#sha256={HASH}",
        f"pixmill==1; touch x#sha256={HASH}",
        f"pixmill==1#sha256={HASH}\n",
        "paxmill==1",
        f"pixmill @ {URL}",
        f"pixmill @ {URL}'$(touch x)#sha256={HASH}",
        f"pixmill @ file:///a/b.whl#sha256={HASH}",
        f"pixmill @ https://me:key@example.org/b.whl#sha256={HASH}",
        f"pixmill @ git+{GIT}@main",
        f"pixmill @ git+ssh://me:key@example.org/a.git@{COMMIT}",
        "/etc/pixmill-1-py3-none-any.whl",
        "./wheels/../../pixmill-1-py3-none-any.whl",
    ],
)
def test_nothing_else_is_taken_from_a_project(text: object) -> None:
    with pytest.raises(ValueError, match=r"expected an origin|credentials|Invalid version"):
        parse_origin(text)
