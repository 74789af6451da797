"""Post a comparison as one comment on a pull request, or a merge request of GitLab; later pushes update it.

    python -P -m pixmill.compare.comment reports/compare.md --page https://…

It has a token that may write, so it runs without any of the request's code; the comparison was written by that code,
so it is only ever the text of a comment. It imports the standard library only, and so runs as a file, too.
"""

import argparse
import itertools
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MARKER = "<!-- pixmill compare -->"
LIMIT = 65_500
"""Bytes of a comment. GitHub takes 65,536 characters."""

ATTEMPTS = 4


class HostBusyError(Exception):
    """Raised with a message, and the seconds to wait or ``None``, when the service may well answer later."""


class CodeHost:
    """The request that the environment names, on GitHub or GitLab, and the account that the token belongs to."""

    def __init__(self, env: Mapping[str, str]) -> None:
        if "CI_API_V4_URL" in env:
            self.headers = {"PRIVATE-TOKEN": env["GITLAB_TOKEN"]}
            self.needed = "give GITLAB_TOKEN a project access token with the role Reporter and the scope `api`"
            project = f"{env['CI_API_V4_URL']}/projects/{int(env['CI_PROJECT_ID'])}"
            self.comments = self.one = f"{project}/merge_requests/{int(env['CI_MERGE_REQUEST_IID'])}/notes"
            self.update, self.author = "PUT", ("author", "id")
            self.me = self.send("GET", f"{env['CI_API_V4_URL']}/user")["id"]
        else:
            self.headers = {"Authorization": f"Bearer {env['GITHUB_TOKEN']}"}
            self.needed = "give the job `permissions: pull-requests: write`; a pull request from a fork never has it"
            issues = f"{env['GITHUB_API_URL']}/repos/{env['GITHUB_REPOSITORY']}/issues"
            self.comments, self.one = f"{issues}/{int(env['NUMBER'])}/comments", f"{issues}/comments"
            self.update, self.author = "PATCH", ("user", "login")
            # A job's token may not ask REST's /user who it is.
            said = self.send("POST", env["GITHUB_GRAPHQL_URL"], {"query": "{viewer{login}}"})
            self.me = said["data"]["viewer"]["login"]

    def send(self, method: str, url: str, body: object = None) -> Any:
        """Send a request and return the decoded JSON of the answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Content-Type": "application/json"}
        try:
            request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                said = f"{method} {url}: {error.code} {error.reason}: {error.read(500).decode(errors='replace')}"
            wait = error.headers.get("Retry-After", "")
            if error.code == 429 or error.code >= 500 or wait:
                raise HostBusyError(said, float(wait) if wait.isdecimal() else None) from error
            sys.exit(f"{said}\nNext: {self.needed}" if error.code in (401, 403, 404) else said)
        except (OSError, ValueError) as error:
            raise HostBusyError(f"{method} {url}: {error}", None) from error

    def find(self) -> int | None:
        """Return the id of the comment to update: one of ours that begins with the marker."""
        owner, field = self.author
        for page in itertools.count(1):
            found = self.send("GET", f"{self.comments}?per_page=100&page={page}")
            for comment in found:
                if comment["body"].startswith(MARKER) and (comment[owner] or {}).get(field) == self.me:
                    return int(comment["id"])
            if len(found) < 100:
                break
        return None

    def post(self, body: str) -> str:
        """Create or update the comment, and say which."""
        if (number := self.find()) is None:
            self.send("POST", self.comments, {"body": body})
            return "Comment posted."
        self.send(self.update, f"{self.one}/{number}", {"body": body})
        return "Comment updated."


def read(path: Path) -> str:
    """Return the start of a file from another job, which may have put anything there, such as a link to our secrets."""
    if path.resolve() != Path.cwd().resolve() / path or not path.is_file():
        sys.exit(f"{path} is not a regular file of this folder")
    with path.open("rb") as file:
        return file.read(LIMIT + 1).decode(errors="replace")


def compose(text: str, page: str | None) -> str:
    r"""Return the comment: the marker, a link to the whole report, and the text, cut to the limit if need be.

    The text can notify nobody (``@name``, however it is spelt: ``&#64;name``, ``@&#110;ame``, ``@\_name``), and holds
    no quick action of GitLab (a line that begins with a slash).
    """
    # Of entities only those remain that a comparison writes; all others show as they are spelt.
    text = re.sub(r"&(?=#|(?!(?:amp|lt|gt);)\w+;)", "&amp;", text.replace("\0", ""))
    text = text.replace("@", "@\u200b")
    text = re.sub(r"^(\s*)/", r"\1\\/", text, flags=re.MULTILINE)
    start = f"{MARKER}\n"
    # It reaches us through the same job.
    if page and re.fullmatch(r"https?://[\w.:/%~?=&-]{1,500}", page):
        start += f"[The whole report, with images]({page})\n\n"
    if len((start + text).encode()) <= LIMIT:
        return start + text
    start += "_The text below is cut off; the report has all of it._\n\n"
    kept = text.encode()[: LIMIT - len(start.encode())].decode(errors="ignore")
    return start + kept.rpartition("\n")[0]


def main() -> None:
    """Post the comparison; while the service is busy, try again, from the search on: a lost answer may have posted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="reports/compare.md, as the other job left it")
    parser.add_argument("--page", help="URL of the page, or of all reports where there is none")
    given = parser.parse_args()
    body = compose(read(given.file), given.page)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            print(CodeHost(os.environ).post(body))  # noqa: T201
            return
        except KeyError as error:
            sys.exit(f"The variable {error} is not set\nNext: run this in the job `comment`; GitLab needs GITLAB_TOKEN")
        except HostBusyError as error:
            said, wait = error.args
            if attempt == ATTEMPTS:
                sys.exit(f"{said}\nNext: run this job again")
            time.sleep(min(2.0**attempt if wait is None else wait, 60))


if __name__ == "__main__":
    main()
