"""Next steps: a sentence and a command for each, ordered by urgency.

Conflicts come first, then running or failed stages, outdated results, commits, labels to review,
and finally pushes and promotion. No command loses images or decisions that no commit has.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING, Literal

from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.repository.git import FIRST_COMMIT, ignore_pattern
from pixmill.core.repository.merging import is_merged, is_resolved
from pixmill.core.words import count, first_of, join_names, printable, shell_word
from pixmill.project.committing import find_commit
from pixmill.project.stage_states import read_run

if TYPE_CHECKING:
    from pixmill.project.stage_states import StageState
    from pixmill.project.state import ProjectState

Kind = Literal[
    "conflict",
    "running",
    "broken",
    "vanished",
    "images",
    "failed",
    "fetch",
    "run",
    "watch",
    "disputed",
    "corrections",
    "labels",
    "unlabelled",
    "series",
    "more images",
    "compare",
    "commit",
    "pull",
    "push",
    "sync",
    "promote",
    "done",
]
"""The subject of a step."""

Place = Literal["first", "after commits", "last"]

MAX_NAMED = 3
"""Files or reasons listed in a sentence."""

_RUN = "dvc repro"

LOOK = "pixmill watch "
"""Begin of the commands that look at a log of predictions, maybe to draw images from it."""


@dataclass(frozen=True)
class NextStep:
    """A suggested action.

    Args:
        kind: Subject; a stable identifier for programs.
        sentence: The action and its reason, in one or two sentences.
        command: Shell command; ``None`` if waiting is enough.
    """

    kind: Kind
    sentence: str
    command: str | None

    @property
    def text(self) -> str:
        """The sentence, with the command on the next line."""
        return self.sentence if self.command is None else f"{self.sentence}\n  {self.command}"


def next_steps(state: ProjectState) -> list[NextStep]:
    """Return the next steps in order; never empty.

    During a conflict, a broken file or a run, that is the only step.
    """
    for exclusive in (_conflicts, _running, _broken):
        if steps := list(exclusive(state)):
            return steps[:1]
    found = [step for part in _PARTS for step in part(state)]
    # Optional, so it comes after all that leads to a finished state.
    more = [*_series(state), *_growth(state)]
    return [*(found or [_done(state)]), *more]


def _done(state: ProjectState) -> NextStep:
    where = "up to date and committed"
    if state.is_promoted:
        where = "up to date, committed and in production"
    elif state.is_rolled_back:
        where += "; their model was rolled back"
    elif state.is_judged:
        where += "; their model is not in production: see reports/promote.html"
    sentence = f"The results are {where}. Try the model on an image."
    return NextStep("done", sentence, "pixmill serve --open")


def _conflicts(state: ProjectState) -> Iterator[NextStep]:
    files = state.repository.conflicts
    marked = state.repository.marked
    merged = [path for path in files if is_merged(path) and not is_resolved(state.root, path)]
    if not files:
        return
    if "pixmill.lock" in files:
        sentence = "pixmill.lock, which names the code of the project, is in conflict."
        command = "git checkout --theirs pixmill.lock && pixmill upgrade && git add pixmill.lock"
    elif "review.csv" in files:
        sentence = (
            "review.csv, where decisions were before, is in conflict. This merges its decisions "
            "with those of decisions.csv."
        )
        command = "pixmill upgrade"
    elif merged:
        sentence = (
            f"{_names(merged)} {_are(merged)} in conflict. This keeps the images of both "
            "sides, and our results."
        )
        command = "pixmill doctor --fix"
    elif marked:
        keep = "Keep the right lines and remove the marks."
        sentence = f"{_names(marked)} {_are(marked)} in conflict. {keep}"
        command = f"git diff {_files(marked)}"
    else:
        resolve = "If the content is right, mark it as resolved."
        sentence = f"No conflict marks are left in {_names(files)}. {resolve}"
        command = f"git add {_files(files)}"
    yield NextStep("conflict", sentence, command)


def _running(state: ProjectState) -> Iterator[NextStep]:
    run = read_run(state.stages, time.time())
    if run is not None:
        yield NextStep("running", f"{run.text}.", None)
    if state.sweep is not None:
        yield NextStep("running", f"{state.sweep.describe() or 'A sweep is running'}.", None)
    if any(command.writes for command in state.commands):
        yield NextStep("running", "DVC is running in this project.", None)


def _broken(state: ProjectState) -> Iterator[NextStep]:
    if state.repository.uncommitted.unfetched:
        fetch = state.commit_first(_fetch_images(state))
        yield NextStep("vanished", f"{state.repository.uncommitted.sentence}.", fetch)
    if "Git" in state.faults:
        yield NextStep(
            "broken", _sentence(state.faults["Git"]), _typed(state.fixes["Git"]) or "pixmill doctor"
        )
    for needed in state.deleted:
        yield NextStep(
            "broken", f"{needed} is missing; the last commit has it.", f"git checkout HEAD {needed}"
        )
    if state.wrong_params:
        yield NextStep("broken", _sentence(state.wrong_params), "pixmill doctor --quick")
    if DECISIONS in state.faults:
        advice = state.fixes.get(DECISIONS, "")
        sentence = _sentence(state.faults[DECISIONS])
        # A command alone would fail again.
        if first := advice.rpartition(", then: ")[0]:
            sentence += f" First {first}."
        yield NextStep("broken", sentence, _typed(advice) or f"git diff {DECISIONS}")
    if (fault := state.faults.get("stages")) is not None:
        file = fault.partition(" ")[0]
        # Only messages on a file's content begin with its name.
        command = (
            f"git diff {quote(file)}" if re.fullmatch(r"[\w./-]+\.\w+", file) else "pixmill doctor"
        )
        yield NextStep("broken", _sentence(fault), command)


def _vanished(state: ProjectState) -> Iterator[NextStep]:
    if state.missing is not None:
        sentences, command = state.missing
        yield NextStep("vanished", f"{'; '.join(sentences)}.", command)
    elif state.repository.uncommitted.missing and not _is_missing(state):
        uncommitted = state.repository.uncommitted
        yield NextStep("vanished", f"{uncommitted.sentence}.", uncommitted.command(""))


def _empty(state: ProjectState) -> Iterator[NextStep]:
    if not state.stages:
        yield NextStep("broken", "dvc.yaml has no stages, so nothing can run.", "git diff dvc.yaml")


def _images(state: ProjectState) -> Iterator[NextStep]:
    from pixmill.core.install.origin import install_command
    from pixmill.images.read_errors import explain

    for reason, what, remedy in explain(state.undecodable.values()):
        named = first_of(
            [path for path, why in state.undecodable.items() if why == reason], MAX_NAMED
        )
        # Validate does not depend on the extra, so without -f it would not run again.
        command = _RUN
        if reason == "no_decoder":
            command = f"{install_command('heic')} && dvc repro -s -f validate && {_RUN}"
        sentence = f"{what} ({named}). {remedy[:1].upper()}{remedy[1:]}; then run."
        yield NextStep("images", sentence, command)


def _stopped(state: ProjectState) -> Iterator[NextStep]:
    """Yield the stage whose last run was stopped by its gate, an error or a signal."""
    for stage in state.stages:
        if stage.status == "failed":
            yield _after_error(stage.name.capitalize(), stage.error)
            return


def _after_error(name: str, error: str) -> NextStep:
    """Return the step after a failure; it ends with a run, until which the stage stays failed."""
    message, _, advice = error.partition("\nNext: ")
    first, *others = [line.strip() for line in message.splitlines()] or [""]
    what = f"{name} stopped before it finished"
    if first == "interrupted":
        what = f"{name} was interrupted"
    elif first:
        what += f": {first.rstrip('.')}"
    if others:
        what += f" ({others[0]}{', …' * (len(others) > 1)})"
    typed = _typed(advice) or ""
    again = f" Next: {advice}." if advice != typed else ""
    command = typed or _RUN
    if _RUN not in command:
        command += f" && {_RUN}"
    return NextStep("failed", f"{what}.{again}", command)


def _typed(advice: str) -> str | None:
    """Return the command in an error's advice; ``None`` if there is none."""
    command = advice.rpartition(", then: ")[2].partition(", or ")[0]
    return (
        command
        if command.startswith(("dvc ", "pixmill ", "git ")) and "\n" not in command
        else None
    )


def _outdated(state: ProjectState) -> Iterator[NextStep]:
    if any(stage.status == "failed" for stage in state.stages):
        return
    old = [stage for stage in state.stages if stage.status in ("stale", "never run")]
    # After a merge, data/ and dvc.lock are those of one side, so no stage is out of date yet.
    if state.repository.uncommitted.has_earlier_images:
        intended = "If you deleted the others: dvc add data && git add data.dvc && git commit."
        sentence = f"data/ has the images of an earlier commit, as after `git pull`. {intended}"
        # No image is lost: a commit has these, and DVC refuses to remove files that its cache
        # lacks.
        yield NextStep("fetch", sentence, _fetch_images(state))
    elif old:
        yield _update(state, old)


def _update(state: ProjectState, old: list[StageState]) -> NextStep:
    """Return the step towards results of the current images, params and code."""
    if _lacks_images(old) and not (state.is_cached or state.repository.has_storage):
        sentence = "The images of data.dvc are missing, and DVC has no remote: add your team's."
        return NextStep("fetch", sentence, "dvc remote add -d storage URL && dvc pull")
    if _is_missing(state):
        return _fetch(state, old)
    if state.awaits_images:
        sentence = (
            "There are no images yet: put them into data/<class>/, or get the bundled ones "
            "with `pixmill demo`."
        )
        return NextStep("images", sentence, _RUN)
    if state.awaits_labels:
        sentence = "No image has a label yet: label many at a time, in a grid."
        return NextStep("unlabelled", sentence, "pixmill review --grid")
    if all(stage.status == "never run" for stage in state.stages):
        return NextStep("run", "Nothing has run yet.", _RUN)
    return _rerun(state, old)


def _rerun(state: ProjectState, old: list[StageState]) -> NextStep:
    """Return the run of stages that are out of date; if others only lack results, after a fetch."""
    changed = [stage for stage in old if not stage.is_missing]
    names = [stage.name for stage in changed]
    first = changed[0]
    why = first.text if first.status == "stale" else f"{first.name} has never run"
    command = _RUN
    if len(changed) < len(old) and (state.is_cached or state.repository.has_storage):
        fetch = "dvc checkout" if state.is_cached else "dvc pull"
        command = f"{state.commit_first(fetch)} && {_RUN}"
    return NextStep(
        "run", f"{join_names(names).capitalize()} {_are(names)} out of date: {why}.", command
    )


def _fetch_images(state: ProjectState) -> str:
    """Return the command that fetches images; without a remote, results may be nowhere."""
    return "dvc pull" if state.repository.has_storage else "dvc checkout data.dvc"


def _lacks_images(stages: list[StageState]) -> bool:
    return any(
        reason.kind == "output" and reason.name == "data"
        for stage in stages
        for reason in stage.reasons
    )


def _is_missing(state: ProjectState) -> bool:
    """Return whether the only problem is that results of the last run are missing or outdated."""
    old = [stage for stage in state.stages if stage.status not in ("fresh", "unknown")]
    return bool(old) and all(stage.is_missing for stage in old)


def _fetch(state: ProjectState, old: list[StageState]) -> NextStep:
    absent = next(
        reason.text for stage in old for reason in stage.reasons if reason.kind == "output"
    )
    sentence = f"Results of the last run are missing ({absent})"
    if state.is_cached:
        return NextStep(
            "fetch", f"{sentence}, but DVC's cache has them.", state.commit_first("dvc checkout")
        )
    if state.repository.has_storage:
        lacks = "" if _lacks_images(old) else f", or if they are not there: {_RUN}"
        sentence += f"; fetch them from DVC's remote{lacks}."
        return NextStep("fetch", sentence, state.commit_first("dvc pull"))
    return NextStep("run", f"{sentence}, and DVC has no remote to fetch them from.", _RUN)


def _alarm(state: ProjectState, *, looks: bool) -> Iterator[NextStep]:
    """Yield what to do now in an alarm of the model in production.

    Args:
        state: The state.
        looks: Whether that is what `pixmill watch` does, which comes first. Else it is a new model,
            which must be committed, or images to come.
    """
    found = state.watched
    if found is None or not found["alarm"]:
        return
    advice = found["advice"]
    command = found["command"]
    if found["is_answered"] and not state.pile.asked:
        advice = "the images are labelled: look what the answers say"
        command = f"{LOOK}{shell_word(found['log'])}"
    if looks is command.startswith(LOOK):
        yield NextStep("watch", f"{found['sentence']} {advice.capitalize()}.", command)


def _reviews(state: ProjectState) -> Iterator[NextStep]:
    if state.disputed:
        said = first_of(
            [f"{name[:12]}: {said}" for name, said in state.disputed.items()], MAX_NAMED
        )
        sentence = f"People disagree about {count(len(state.disputed), 'image')}: {said}."
        yield NextStep("disputed", sentence, "pixmill review --only disputed")
    if state.corrections:
        waits = count(state.corrections, "user correction waits", "user corrections wait")
        yield NextStep("corrections", f"{waits} for review.", "pixmill review --only feedback")
    if state.is_fresh and state.doubtful_labels:
        issues = count(state.doubtful_labels, "doubtful label")
        yield NextStep(
            "labels", f"{issues} to review: the model prefers another answer.", "pixmill review"
        )


def _unlabelled(state: ProjectState, *, place: Place) -> Iterator[NextStep]:
    """Yield that images wait for a label, at one place of the order.

    Those of a log, and those that came since the last run, come before a run, which would have to
    be repeated. Once people label a pile, a run comes first, and the rest last: many piles are
    labelled in part.
    """
    changed = {reason.name for stage in state.stages for reason in stage.reasons}
    right: Place = "last" if state.pile.is_begun else "after commits"
    if state.pile.asked or ("data" in changed and DECISIONS not in changed):
        right = "first"
    is_told = state.awaits_labels or (state.pile.asked and state.watched and state.watched["alarm"])
    if state.pile.waiting and right == place and not is_told:
        wait = count(state.pile.waiting, "image waits", "images wait")
        sentence = f"{wait} for a label: label them in a grid."
        yield NextStep("unlabelled", sentence, "pixmill review --grid")


def _series(state: ProjectState) -> Iterator[NextStep]:
    if state.series is not None:
        yield NextStep("series", f"{state.series}, then run.", _RUN)


def _growth(state: ProjectState) -> Iterator[NextStep]:
    if state.is_fresh and state.growth is not None and state.growth.helps:
        yield NextStep("more images", f"{state.growth.sentence()} Add images, then run.", _RUN)


def _compare(state: ProjectState) -> Iterator[NextStep]:
    git = state.repository
    has_base = git.has_commit and "dvc.lock" not in git.untracked
    if state.is_fresh and has_base and git.changed_results and not state.is_compared:
        yield NextStep(
            "compare",
            "The results are new: compare them with the previous ones.",
            "pixmill compare",
        )


def _start(state: ProjectState) -> Iterator[NextStep]:
    """Yield the first commit, the base of later comparisons."""
    ignore = f"{_ignore(state.repository.large)} && " if state.repository.large else ""
    if not state.repository.has_git:
        sentence = "The project is not in Git, so its results are not versioned."
        yield NextStep("commit", sentence, f"git init && {FIRST_COMMIT}")
    elif not state.repository.has_commit:
        yield NextStep("commit", "Nothing is committed yet.", f"{ignore}{FIRST_COMMIT}")


def _large(state: ProjectState) -> Iterator[NextStep]:
    git = state.repository
    if git.has_commit and git.large:
        sentence = (
            f"{_names(git.large)} would make the repository large for good. Let Git ignore "
            "it, or move it away."
        )
        yield NextStep("commit", sentence, _ignore(git.large))


def _ignore(paths: Sequence[str]) -> str:
    """Return the command that lets Git ignore files."""
    patterns = " ".join(quote(ignore_pattern(path)) for path in paths)
    return f"printf '%s\\n' {patterns} >> .gitignore"


def _commit(state: ProjectState) -> Iterator[NextStep]:
    git = state.repository
    found = find_commit(state)
    if not git.has_commit:
        return
    if found is not None and found.kind == "results":
        yield NextStep(
            "commit", f"The results are new: commit them{git.uncommitted.removal}.", found.command
        )
    elif found is not None and found.kind == "decisions":
        yield NextStep("commit", f"{git.uncommitted.sentence}.", found.command)
    elif git.operation:
        yield NextStep(
            "commit",
            f"A {git.operation} is in progress.",
            f"git add . && git {git.operation} --continue",
        )
    elif found is not None:
        sentence = f"{_names(found.paths)} {_are(found.paths)} changed and not committed."
        yield NextStep("commit", sentence, found.command)


def _share(state: ProjectState) -> Iterator[NextStep]:
    git = state.repository
    unpushed = count(git.unpushed, "commit is", "commits are")
    if git.behind:
        # Git refuses to merge diverged branches without --rebase or --no-rebase.
        pull = f"git pull{' --no-rebase' * bool(git.unpushed)}{' && dvc pull' * git.has_storage}"
        yield NextStep("pull", f"{count(git.behind, 'commit')} to pull.", state.commit_first(pull))
    elif git.unpushed and not git.branch and not git.operation:
        sentence = f"{unpushed} not pushed, and HEAD is detached: create a branch."
        yield NextStep("push", sentence, "git switch -c NAME")
    elif git.unpushed and git.branch:
        target = "" if git.has_upstream else f" -u {quote(git.remote)} {quote(git.branch)}"
        yield NextStep(
            "push", f"{unpushed} not pushed.", f"{'dvc push && ' * git.has_storage}git push{target}"
        )


def _production(state: ProjectState) -> Iterator[NextStep]:
    if state.waiting_runs:
        wait = count(state.waiting_runs, "run waits", "runs wait")
        yield NextStep("sync", f"{wait} to be sent to MLflow.", "pixmill doctor --fix")
    if (fault := state.faults.get("model in production")) is not None:
        yield NextStep(
            "promote", _sentence(f"The model in production is unknown: {fault}"), "pixmill doctor"
        )
    elif _can_promote(state):
        now = "No model is in production"
        if state.champion:
            now = f"Version {state.champion.number} is in production"
        elif state.registry:
            now += " in this machine's registry"
        yield NextStep(
            "promote", f"{now}; the model of the last commit can be promoted.", "pixmill promote"
        )


def _can_promote(state: ProjectState) -> bool:
    """Return whether the results are committed, and nothing has been decided about their model."""
    git = state.repository
    is_committed = state.is_fresh and git.has_commit and not git.changed_results
    is_decided = state.is_promoted or state.is_rolled_back or state.is_judged
    return is_committed and state.has_store and not is_decided


def _sentence(text: str) -> str:
    """Return an error's message as a sentence; some end with a question."""
    return text if text.endswith((".", "?")) else f"{text}."


def _are(paths: Sequence[str]) -> str:
    return "is" if len(paths) == 1 else "are"


def _names(paths: Sequence[str]) -> str:
    return join_names([*map(printable, paths)], MAX_NAMED)


def _files(paths: Sequence[str]) -> str:
    return " ".join(map(shell_word, paths))


_PARTS: tuple[Callable[[ProjectState], Iterator[NextStep]], ...] = (
    _vanished,
    _empty,
    _images,
    _stopped,
    partial(_alarm, looks=True),
    partial(_unlabelled, place="first"),
    _outdated,
    _start,
    _compare,
    _large,
    _commit,
    partial(_alarm, looks=False),
    _reviews,
    partial(_unlabelled, place="after commits"),
    _share,
    _production,
    partial(_unlabelled, place="last"),
)
"""The order of the steps."""
