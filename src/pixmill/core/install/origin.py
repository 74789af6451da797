"""The origin of an installation: URL with a hash, Git commit, wheel, folder or package index."""

import json
import re
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

import pixmill

WHEELS = "wheels"
"""Folder in a project for the wheel of Pixmill."""

# No quotes, spaces, `$` or backslashes: these strings go into TOML, YAML and shell commands.
_FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (
        r"pixmill==[\w.]+#sha256=[0-9a-f]{64}",
        r"pixmill @ https?://[\w.~%@+=&?,:/-]+#sha256=[0-9a-f]{64}",
        (
            r"pixmill @ "
            r"git\+(https?|ssh)://[\w.~%@+:/-]+@([0-9a-f]{40}|[0-9a-f]{64})(#subdirectory=[\w./-]+)?"
        ),
        rf"\./{WHEELS}/pixmill-[\w.+]+-py3-none-any\.whl",
    )
)


@dataclass(frozen=True)
class Origin:
    """The origin of an installation.

    Args:
        text: Requirement for pip, without extras: ``pixmill @ https://…#sha256=…``, ``pixmill @
            git+https://…@<commit>``, the path of a wheel or a folder, or ``pixmill==1.2.0``, in a
            project with ``#sha256=…`` of its wheel.
        editable: Whether it is a folder that is installed in editable mode.
    """

    text: str
    editable: bool = False

    @property
    def is_path(self) -> bool:
        """Whether it is a local wheel or folder."""
        return not self.text.startswith("pixmill")

    @property
    def from_index(self) -> bool:
        """Whether it comes from a package index."""
        return self.text.startswith("pixmill==")

    def requirement(self, extras: str = "") -> str:
        """Return the requirement for pip, with extras such as ``pipeline`` or ``pipeline,ray``."""
        brackets = f"[{extras}]" if extras else ""
        text = self.text.partition("#")[0] if self.from_index else self.text
        return (
            f"{text}{brackets}"
            if self.is_path
            else f"pixmill{brackets}{text.removeprefix('pixmill')}"
        )

    def command(self, extras: str, *options: str) -> str:
        """Return the command that installs it with extras.

        Args:
            extras: Comma-separated names.
            options: Options of ``pip install``.
        """
        words = [*options, *(["-e"] if self.editable else [])]
        return " ".join(["pip install", *words, shlex.quote(self.requirement(extras))])


def parse_origin(text: object) -> Origin:
    """Parse an origin from a project's files.

    Raises:
        ValueError: The text is not a version or URL with a hash, a Git commit, or a wheel in
            ``wheels/``.
    """
    if not isinstance(text, str) or not any(form.fullmatch(text) for form in _FORMS):
        raise ValueError(
            f"expected an origin of pixmill, received {without_credentials(repr(text))}"
        )
    if (origin := Origin(text)).from_index:
        from packaging.version import Version

        Version(text.removeprefix("pixmill==").partition("#")[0])
    elif not origin.is_path:
        parts = urlsplit(text.removeprefix("pixmill @ ").removeprefix("git+"))
        if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
            raise ValueError("URL contains credentials, which would be committed to Git")
    return origin


def without_credentials(text: str) -> str:
    """Return a text, such as a message, without users and passwords of its URLs."""
    return re.sub(r"//[^/\s]*@", "//", text)


def running_origin() -> Origin:
    """Return the origin of the running Pixmill, as recorded by its installer (PEP 610).

    A URL has no hash if the installer recorded none, as with uv.
    """
    from importlib import metadata
    from urllib.request import url2pathname

    recorded = metadata.distribution("pixmill").read_text("direct_url.json")
    if recorded is None:
        return Origin(f"pixmill=={pixmill.__version__}")
    content = json.loads(recorded)
    url = content["url"]
    archive = content.get("archive_info", {})
    if (parts := urlsplit(url)).scheme == "file":
        return Origin(url2pathname(parts.path), content.get("dir_info", {}).get("editable", False))
    folder = f"#subdirectory={content['subdirectory']}" if "subdirectory" in content else ""
    if version_control := content.get("vcs_info"):
        return Origin(
            f"pixmill @ {version_control['vcs']}+{url}@{version_control['commit_id']}{folder}"
        )
    sha256 = archive.get("hashes", {}).get("sha256") or archive.get("hash", "").removeprefix(
        "sha256="
    )
    return Origin(f"pixmill @ {url}{f'#sha256={sha256}' if sha256 else ''}")


def install_command(extras: str) -> str:
    """Return the command that adds extras to the running Pixmill, from the same origin.

    Args:
        extras: Comma-separated names.
    """
    return running_origin().command(extras)
