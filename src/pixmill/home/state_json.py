"""The state of a project and its next steps as one JSON object, for programs; described in ``docs/state.md``."""

import json
from dataclasses import asdict
from typing import Any

from pixmill.core.stage_progress import StageProgress
from pixmill.core.words import printable
from pixmill.home.next_steps import next_steps
from pixmill.home.project_state import ProjectState
from pixmill.state.stage_states import StageState


def state_document(state: ProjectState) -> dict[str, Any]:
    """Return the state as a JSON object."""
    # A file's name need be no text.
    repository = {
        key: [*map(printable, value)] if isinstance(value, tuple) else value
        for key, value in asdict(state.repository).items()
        if key != "uncommitted"
    }
    uncommitted = state.repository.uncommitted
    return {
        "next": [asdict(step) for step in next_steps(state)],
        "stages": [_stage(stage) for stage in state.stages],
        "repository": {
            **repository,
            "text": state.repository.text,
            "images_and_decisions": {
                **asdict(uncommitted),
                "text": uncommitted.sentence,
                "command": uncommitted.command("Add images and decisions"),
            },
        },
        "commands": [asdict(command) for command in state.commands],
        "experiments": [_progress(each) for each in state.experiments],
        "is_fresh": state.is_fresh,
        "accuracy": state.accuracy,
        "champion": state.champion and asdict(state.champion),
        "waiting_runs": state.waiting_runs,
        "corrections": state.corrections,
        "doubtful_labels": state.doubtful_labels,
        "undecodable": state.undecodable,
        "more_images": state.growth and {**asdict(state.growth), "text": state.growth.sentence()},
        "disk": state.disk,
        "faults": state.faults,
    }


def state_json(state: ProjectState) -> str:
    """Return :func:`state_document` as text."""
    return json.dumps(state_document(state), indent=2, ensure_ascii=False)


def _stage(stage: StageState) -> dict[str, Any]:
    return {
        "name": stage.name,
        "status": stage.status,
        "text": stage.text,
        "reasons": [asdict(reason) for reason in stage.reasons],
        "progress": stage.progress and _progress(stage.progress),
        "checks": stage.checks,
        "error": stage.error,
    }


def _progress(progress: StageProgress) -> dict[str, Any]:
    return {**asdict(progress), "text": progress.describe()}
