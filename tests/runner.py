"""Jobs of GitHub and GitLab, run from their files in a folder, as a runner does; a `Forge` serves what they upload.

Of both languages it knows what the files of this repository and of its template use. A clone and Python are there, so
`checkout` only goes to a `ref`, and `setup-python` does nothing.
"""

import mimetypes
import os
import re
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml

from tests.forge import TOKEN, Forge

__all__ = ["Ended", "GithubRun", "GitlabPipeline"]


@dataclass
class Ended:
    """How a job ended: ``code`` is 0 if it succeeded; ``summary`` is GitHub's."""

    code: int = 0
    printed: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


def evaluate(text: str, known: Mapping[str, Any]) -> Any:
    """Return the value of an expression of names, texts, ``==``, ``!``, ``&&`` and ``||``; unknown names are empty."""
    text = text.strip()
    for operator, stops in (("||", True), ("&&", False)):
        if operator in text:
            first, rest = text.split(operator, 1)
            value = evaluate(first, known)
            return value if bool(value) is stops else evaluate(rest, known)
    if "==" in text:
        left, right = text.split("==")
        return evaluate(left, known) == evaluate(right, known)
    if text.startswith("!"):
        return not evaluate(text[1:], known)
    if text[0] in "'\"":
        return text[1:-1]
    value = known
    for name in text.removeprefix("$").split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _kind(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _files(root: Path, pattern: str) -> dict[str, Path]:
    """Return the files that a pattern names, or that lie in folders which it names, by their path below the root."""
    found = [each for match in root.glob(pattern) for each in (match.rglob("*") if match.is_dir() else [match])]
    return {str(path.relative_to(root)): path for path in sorted(found) if path.is_file()}


class GithubRun:
    """One run of a workflow; its jobs share outputs and artifacts.

    Args:
        forge: Serves what is uploaded, and takes the comments.
        workflow: The text of the workflow.
        known: Contexts of its expressions, such as ``{"github": {"event_name": "push"}}``.
    """

    def __init__(self, forge: Forge, workflow: str, known: Mapping[str, Any]) -> None:
        self.forge = forge
        self.jobs = yaml.safe_load(workflow)["jobs"]
        github = {"token": TOKEN, "repository": "team/garments", **known.get("github", {})}
        self.known = {"cancelled()": False, "needs": {}, **known, "github": github}
        self.artifacts: dict[str, tuple[str, bytes]] = {}

    def starts(self, name: str) -> bool:
        """Return whether the run has a job, given how those that it needs ended."""
        return self._wanted(self.jobs[name], self.known | {"success()": True})

    def run(self, name: str, path: Path, environ: Mapping[str, str]) -> Ended:
        """Run a job in a clone."""
        assert self.starts(name)
        job, ended, known = self.jobs[name], Ended(), {**self.known, "steps": {}}
        for step in job["steps"]:
            if not self._wanted(step, known | {"success()": ended.code == 0}):
                continue
            outputs: dict[str, str] = {}
            try:
                if "run" in step:
                    code = self._command(step, path, environ, known, ended, outputs)
                else:
                    given = {key: self._fill(value, known) for key, value in step.get("with", {}).items()}
                    code = self._action(step["uses"], given, path, outputs)
            finally:
                known["steps"][step.get("id")] = {"outputs": outputs}
            ended.code = ended.code or code
        ended.outputs = {key: self._fill(value, known) for key, value in job.get("outputs", {}).items()}
        self.known["needs"][name] = {"outputs": ended.outputs}
        return ended

    @staticmethod
    def _wanted(step: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
        condition = re.sub(r"^\$\{\{(.*)\}\}$", r"\1", str(step.get("if", "success()")))
        if "()" not in condition:
            condition = f"success() && {condition}"
        return bool(evaluate(condition, known))

    @staticmethod
    def _fill(value: object, known: Mapping[str, Any]) -> str:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(evaluate(found[1], known) or ""), text)

    def _command(
        self,
        step: Mapping[str, Any],
        path: Path,
        environ: Mapping[str, str],
        known: Mapping[str, Any],
        ended: Ended,
        outputs: dict[str, str],
    ) -> int:
        own = {key: self._fill(value, known) for key, value in step.get("env", {}).items()}
        of_service = {key: value for key, value in self.forge.environ.items() if key.startswith("GITHUB_")}
        of_service.pop(self.forge.token)
        said = path.parent / f"{path.name}.runner"
        said.mkdir(exist_ok=True)
        for name in ("output", "summary"):
            (said / name).write_text("")
        of_service |= {
            "GITHUB_ACTOR": "ada",
            "GITHUB_OUTPUT": str(said / "output"),
            "GITHUB_STEP_SUMMARY": str(said / "summary"),
        }
        words = ["-eo", "pipefail"] if step.get("shell") == "bash" else ["-e"]
        code, printed = _run(words, step["run"], path, {**environ, **of_service, **own})
        ended.printed += printed
        ended.summary += (said / "summary").read_text(encoding="utf-8")
        outputs.update(line.split("=", 1) for line in (said / "output").read_text().splitlines())
        return code

    def _action(self, name: str, given: Mapping[str, str], path: Path, outputs: dict[str, str]) -> int:
        action, _, version = name.removeprefix("actions/").partition("@v")
        if action == "checkout":
            if "ref" in given:
                subprocess.run(["git", "checkout", "-q", "--detach", given["ref"]], cwd=path, check=True)
        elif action == "upload-artifact":
            return self._upload(int(version), given, path, outputs)
        elif action == "download-artifact":
            kind, content = self.artifacts[given["name"]]
            assert kind == "application/zip" or int(version) >= 8
            (path / given["path"]).mkdir(parents=True, exist_ok=True)
            if kind == "application/zip":
                zipfile.ZipFile(BytesIO(content)).extractall(path / given["path"])
            else:
                (path / given["path"] / given["name"]).write_bytes(content)
        else:
            assert action == "setup-python", name
        return 0

    def _upload(self, version: int, given: Mapping[str, str], path: Path, outputs: dict[str, str]) -> int:
        files = _files(path, given["path"])
        if not files:
            return int(given.get("if-no-files-found") == "error")
        if given.get("archive") == "false" and version >= 7:  # Earlier ones do not know the input, and warn.
            if len(files) > 1:
                return 1
            (file,) = files.values()
            name, kind, content = file.name, _kind(file), file.read_bytes()
        else:
            root = path / given["path"].partition("*")[0].rpartition("/")[0]
            packed = BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                for file in files.values():
                    archive.write(file, file.relative_to(root))
            name, kind, content = given.get("name", "artifact"), "application/zip", packed.getvalue()
        if name in self.artifacts:
            return 1
        self.artifacts[name] = (kind, content)
        address = f"/team/garments/actions/runs/1/artifacts/{len(self.forge.uploads) + 1}"
        outputs["artifact-url"] = self.forge.upload(address, content, kind)
        return 0


class GitlabPipeline:
    """One pipeline; a job gets the artifacts of those that it needs.

    Args:
        forge: Serves what is uploaded, and takes the comments.
        text: The text of `.gitlab-ci.yml`.
        variables: Variables of the pipeline, such as ``CI_PIPELINE_SOURCE``.
    """

    def __init__(self, forge: Forge, text: str, variables: Mapping[str, str]) -> None:
        self.forge = forge
        self.jobs = yaml.safe_load(text)
        self.variables = {"CI_PROJECT_ID": "5", "CI_DEFAULT_BRANCH": "main", "GITLAB_USER_LOGIN": "ada", **variables}
        self.artifacts: dict[str, dict[str, bytes]] = {}

    def rule(self, name: str) -> Mapping[str, Any]:
        """Return the first rule of a job that holds, or ``{"when": "never"}``."""
        rules = self.jobs[name].get("rules", [{"if": "'always'"}])
        held: list[Mapping[str, Any]] = [rule for rule in rules if evaluate(rule["if"], self.variables)]
        return {"when": "on_success", **held[0]} if held else {"when": "never"}

    def run(self, name: str, path: Path, environ: Mapping[str, str]) -> Ended:
        """Run a job in a clone."""
        assert self.rule(name)["when"] != "never"
        job = self.jobs[name]
        for needed in job.get("needs", []):
            for file, content in self.artifacts.get(needed, {}).items():
                (path / file).parent.mkdir(parents=True, exist_ok=True)
                (path / file).write_bytes(content)
        address = f"/team/garments/-/jobs/{list(self.jobs).index(name)}"
        given = {**environ, **self.forge.environ, **self.variables, "CI_JOB_URL": f"{self.forge.url}{address}"}
        # Its scope is this environment.
        if not isinstance(environment := job.get("environment"), Mapping) or environment["name"] != "comment":
            del given[self.forge.token]
        code, printed = _run(["-eo", "pipefail"], "\n".join(job["script"]), path, given)
        if "after_script" in job:
            printed += _run(["-eo", "pipefail"], "\n".join(job["after_script"]), path, given)[1]
        kept = job.get("artifacts", {"paths": []})
        files: dict[str, Path] = {}
        if code == 0 or kept.get("when") == "always":
            files = {key: file for each in kept["paths"] for key, file in _files(path, each.rstrip("/")).items()}
        self.artifacts[name] = {key: file.read_bytes() for key, file in files.items()}
        for key, file in files.items():
            self.forge.upload(f"{address}/artifacts/file/{key}", file.read_bytes(), _kind(file))
            self.forge.upload(
                f"{address}/artifacts/browse/{Path(key).parent}", b"<title>Artifacts</title>", "text/html"
            )
        return Ended(code, printed)


def _run(words: list[str], script: str, path: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", *words, "-c", script],
        cwd=path,
        env={"PATH": os.environ["PATH"], **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=560,
    )
    return done.returncode, done.stdout
