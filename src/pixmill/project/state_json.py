"""The state of a project and its next steps as one JSON object, for programs; described in ``docs/state.md``."""

import json
from dataclasses import asdict
from typing import Any

from pixmill.project.next_steps import next_steps
from pixmill.project.state import ProjectState


def state_document(state: ProjectState) -> dict[str, Any]:
    """Return the state as a JSON object."""
    document = asdict(state)
    del document["root"]
    for told, stage in zip(document["stages"], state.stages, strict=True):
        told["text"] = stage.text
        if stage.progress is not None:
            told["progress"]["text"] = stage.progress.describe()
    repository, uncommitted = document["repository"], state.repository.uncommitted
    repository["text"] = state.repository.text
    repository["images_and_decisions"] = {
        **repository.pop("uncommitted"),
        "text": uncommitted.sentence,
        "command": uncommitted.command("Add images and decisions"),
    }
    growth = document.pop("growth")
    return {
        "next": [asdict(step) for step in next_steps(state)],
        **document,
        "is_fresh": state.is_fresh,
        "more_images": state.growth and {**growth, "text": state.growth.sentence()},
    }


def state_json(state: ProjectState) -> str:
    """Return :func:`state_document` as text, in ASCII: names of files need be no text."""
    return json.dumps(state_document(state), indent=2)
