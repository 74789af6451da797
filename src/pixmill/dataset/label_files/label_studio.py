"""Label Studio's JSON: tasks with the annotations of each person."""

from typing import Any

from pixmill.dataset.label_files.rows import LabelRows


def read(content: Any) -> LabelRows | None:
    """Return a row for each annotation, null if it was skipped; ``None`` if the file is no export."""
    match content:
        case [{"data": {}, "annotations": _}, *_]:
            given = [
                (task["data"], _answers(annotation))
                for task in content
                for annotation in task["annotations"] or [{"was_cancelled": True}]
            ]
        case _:
            return None
    questions = {name for _, answers in given for name in answers or ()}
    blank = dict.fromkeys(questions, "")
    rows = [data if answers is None else data | blank | answers for data, answers in given]
    sure = {"label": questions.pop()} if len(questions) == 1 else {}
    return LabelRows("an export of Label Studio", rows, sure)


def _answers(annotation: dict[str, Any]) -> dict[str, Any] | None:
    """Return the choices by question; ``None`` if the person skipped the task."""
    if annotation.get("was_cancelled"):
        return None
    results = annotation["result"]
    return {each["from_name"]: each["value"] for each in results if each["type"] == "choices"}
