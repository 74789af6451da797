"""Check that a tag may be released: it names the version of the code, and the changelog has a section for it."""

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "pixmill"


def problem(tag: str) -> str | None:
    """Return the reason why a tag cannot be released, or ``None``.

    Args:
        tag: Git tag, such as ``v1.2.3``.
    """
    code = (SOURCE / "__init__.py").read_text(encoding="utf-8")
    version = re.findall(r'^__version__ = "(.*)"$', code, re.MULTILINE)[0]
    if tag != f"v{version}":
        return f"the tag is {tag}, but __version__ is {version}\nNext: tag the commit that sets __version__"
    changes = (SOURCE / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n"
    section = re.search(rf"{heading}(.*?)(?=^## |\Z)", changes, re.DOTALL | re.MULTILINE)
    if section is None or not section[1].strip():
        return f"CHANGELOG.md has no section '## {version} (YYYY-MM-DD)'\nNext: name the changes, and tag that commit"
    return None


if __name__ == "__main__":
    sys.exit(problem(sys.argv[1]))
