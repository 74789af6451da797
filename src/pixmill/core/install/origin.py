"""Where Pixmill is installed from: an address with a hash, a Git commit, a wheel, a folder, or a package index."""

import json
import re
import shlex
from dataclasses import dataclass
from importlib import metadata
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.version import Version

import pixmill

WHEELS = "wheels"
"""The folder of a project that holds the wheel which it is installed with."""

# No quote, space, `$` or backslash: these texts go into TOML, YAML and commands of a shell.
_FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (
        r"pixmill==[\w.+]+",
        r"pixmill @ https?://[\w.~%@+=&?,:/-]+#sha256=[0-9a-f]{64}",
        r"pixmill @ git\+(https?|ssh)://[\w.~%@+:/-]+@([0-9a-f]{40}|[0-9a-f]{64})(#subdirectory=[\w./-]+)?",
        rf"\./{WHEELS}/pixmill-[\w.+]+-py3-none-any\.whl",
    )
)


@dataclass(frozen=True)
class Origin:
    """Where a Pixmill is installed from.

    Args:
        text: What pip takes, without extras: ``pixmill==1.2.0``, ``pixmill @ https://…#sha256=…``,
            ``pixmill @ git+https://…@<commit>``, or the path of a wheel or a folder.
        editable: Whether it is a folder whose files are imported where they lie.
    """

    text: str
    editable: bool = False

    @property
    def is_path(self) -> bool:
        """Whether it is a wheel or a folder of this machine or of the project."""
        return not self.text.startswith("pixmill")

    @property
    def from_index(self) -> bool:
        """Whether an index decides what is installed."""
        return self.text.startswith("pixmill==")

    def requirement(self, extras: str = "") -> str:
        """Return what pip takes, with extras such as ``pipeline`` or ``pipeline,ray``."""
        brackets = f"[{extras}]" if extras else ""
        return f"{self.text}{brackets}" if self.is_path else f"pixmill{brackets}{self.text.removeprefix('pixmill')}"

    def command(self, extras: str, *options: str) -> str:
        """Return the command that installs it with some extras.

        Args:
            extras: Their names, with commas between them.
            options: Options of ``pip install``.
        """
        words = [*options, *(["-e"] if self.editable else [])]
        return " ".join(["pip install", *words, shlex.quote(self.requirement(extras))])


def parse_origin(text: object) -> Origin:
    """Return what a project says of where its Pixmill comes from.

    Raises:
        ValueError: It is none of the forms of a project: a version, an address with a hash, a commit in Git, or a
            wheel in its folder ``wheels/``.
    """
    if not isinstance(text, str) or not any(form.fullmatch(text) for form in _FORMS):
        raise ValueError(f"expected an origin of pixmill, received {text!r}")
    if (origin := Origin(text)).from_index:
        Version(text.removeprefix("pixmill=="))
    elif not origin.is_path:
        parts = urlsplit(text.removeprefix("pixmill @ ").removeprefix("git+"))
        if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
            raise ValueError("an address with credentials, which would be in Git")
    return origin


def running_origin() -> Origin:
    """Return where the running Pixmill was installed from, as its installer recorded it (PEP 610).

    An address has no hash where the installer recorded none, as uv does.
    """
    recorded = metadata.distribution("pixmill").read_text("direct_url.json")
    if recorded is None:
        return Origin(f"pixmill=={pixmill.__version__}")
    content = json.loads(recorded)
    url, archive = content["url"], content.get("archive_info", {})
    if (parts := urlsplit(url)).scheme == "file":
        return Origin(url2pathname(parts.path), content.get("dir_info", {}).get("editable", False))
    folder = f"#subdirectory={content['subdirectory']}" if "subdirectory" in content else ""
    if version_control := content.get("vcs_info"):
        return Origin(f"pixmill @ {version_control['vcs']}+{url}@{version_control['commit_id']}{folder}")
    sha256 = archive.get("hashes", {}).get("sha256") or archive.get("hash", "").removeprefix("sha256=")
    return Origin(f"pixmill @ {url}{f'#sha256={sha256}' if sha256 else ''}")


def install_command(extras: str) -> str:
    """Return the command that adds extras to the running Pixmill, from where it came.

    Args:
        extras: Their names, with commas between them.
    """
    return running_origin().command(extras)
