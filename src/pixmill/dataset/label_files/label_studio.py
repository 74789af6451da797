"""Label Studio's JSON: tasks with the annotations of each person."""

from typing import Any

from pixmill.dataset.label_files.rows import LabelRows


def read(content: Any) -> LabelRows | None:
    """Return a row for each annotation, null if it was skipped; ``None`` if the file is no export."""
    match content:
        case [{"data": {}, "annotations": _}, *_]:
            pass
        case _:
            return None
    rows: list[dict[str, Any]] = []
    answered: list[dict[str, Any]] = []
    questions: set[str] = set()
    for task in content:
        for annotation in task["annotations"] or [{"was_cancelled": True}]:
            row = {**task["data"]}
            rows.append(row)
            if annotation.get("was_cancelled"):
                continue
            choices = [each for each in annotation["result"] if each["type"] == "choices"]
            row |= {each["from_name"]: each["value"] for each in choices}
            questions.update(each["from_name"] for each in choices)
            answered.append(row)
    for row in answered:
        row |= dict.fromkeys(questions - row.keys(), "")
    sure = {"label": questions.pop()} if len(questions) == 1 else {}
    return LabelRows("an export of Label Studio", rows, sure)
