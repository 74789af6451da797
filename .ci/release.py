"""What the release workflow does to its checkout: see docs/releasing.md.

release.py stamp v1.2.3    check that the tag may be released, and make its version of the tree
release.py pack dist       rewrite sdist and wheel so that their bytes depend on the files alone
release.py notes v1.2.3    print the section of the changelog
"""

import gzip
import io
import os
import re
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = ROOT / "src/pixmill/__init__.py"
CHANGES = ROOT / "src/pixmill/CHANGELOG.md"
LINE = '__version__ = "{}"\n'


def stamp(tag: str) -> None:
    """Set version, date, the address of the repository and the command that installs it in the files that name them.

    Args:
        tag: Git tag, such as ``v1.2.3``.
    """
    version = tag.removeprefix("v")
    code = VERSION.read_text(encoding="utf-8")
    if not tag.startswith("v") or LINE.format(f"{version}.dev0") not in code:
        (found,) = re.findall(LINE.format("(.*)"), code)
        sys.exit(
            f"the tag is {tag}, but __version__ is {found}\nNext: tag "
            f"v{found.removesuffix('.dev0')}, or edit it"
        )
    date, _ = section(version)
    VERSION.write_text(code.replace(f'"{version}.dev0"', f'"{version}"'), encoding="utf-8")
    citation = ROOT / "CITATION.cff"
    lines = f'version: "{version}"\ndate-released: "{date}"\n'
    if server := os.environ.get("GITHUB_SERVER_URL"):
        url = f"{server}/{os.environ['GITHUB_REPOSITORY']}"
        lines += f'repository-code: "{url}"\n'
        urls = {
            "Changelog": f"{url}/blob/{tag}/src/pixmill/CHANGELOG.md",
            "Issues": f"{url}/issues",
            "Source": url,
        }
        table = "".join(f'{name} = "{address}"\n' for name, address in urls.items())
        project = ROOT / "pyproject.toml"
        text = project.read_text(encoding="utf-8")
        project.write_text(
            text.replace("\n[tool.", f"\n[project.urls]\n{table}\n[tool.", 1), encoding="utf-8"
        )
    page = ROOT / "docs" / "package.md"  # The package index shows it.
    text = page.read_text(encoding="utf-8")
    text = text.replace("'.[pipeline]'  # in a clone of the repository", "'pixmill[pipeline]'")
    page.write_text(text, encoding="utf-8")
    citation.write_text(citation.read_text(encoding="utf-8") + lines, encoding="utf-8")


def section(version: str) -> tuple[str, str]:
    """Return the date and the text of a version's section in the changelog."""
    heading = rf"^## {re.escape(version)} \((\d{{4}}-\d\d-\d\d)\)\n"
    changes = CHANGES.read_text(encoding="utf-8")
    found = re.search(rf"{heading}(.*?)(?=^## |\Z)", changes, re.DOTALL | re.MULTILINE)
    if found is None or not found[2].strip():
        sys.exit(
            f"CHANGELOG.md has no section '## {version} (YYYY-MM-DD)'\nNext: name the changes, and "
            "tag that commit"
        )
    return found[1], f"{found[2].strip()}\n"


def pack(folder: str) -> None:
    """Rewrite the only sdist and wheel of a folder; ``SOURCE_DATE_EPOCH`` dates the sdist.

    Projects know the hash of the wheel because ``pixmill.project.new.supply`` rebuilds it from the
    installed files. The wheel must have LiteRT.js.
    """
    from pixmill.project.new.supply import wheel_of
    from pixmill.serve.export.html.runtime import RELEASED

    (wheel,) = Path(folder).glob("*.whl")
    (sdist,) = Path(folder).glob("*.tar.gz")
    version = wheel.name.split("-")[1]
    built = ("WHEEL", "RECORD")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    files = {
        name: data for name, data in files.items() if name.partition(".dist-info/")[2] not in built
    }
    if not any(name.endswith(f"/{RELEASED.name}") for name in files):
        sys.exit(f"the wheel lacks {RELEASED.name}\nNext: make runtime")
    wheel.write_bytes(wheel_of(files, version))

    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    packed = io.BytesIO()
    with (
        tarfile.open(sdist) as old,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted((each for each in old if each.isfile()), key=lambda each: each.name):
            entry = tarfile.TarInfo(member.name)
            entry.size = member.size
            entry.mtime = epoch
            entry.mode = 0o755 if member.mode & 0o100 else 0o644
            new.addfile(entry, old.extractfile(member))
    sdist.write_bytes(gzip.compress(packed.getvalue(), mtime=epoch))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["stamp", tag]:
            stamp(tag)
        case ["pack", folder]:
            pack(folder)
        case ["notes", tag]:
            sys.stdout.write(section(tag.removeprefix("v"))[1])
        case _:
            sys.exit(__doc__)
