"""What the cells of a row of a table say about its image."""

from collections.abc import Sequence
from pathlib import Path

from pixmill.core.cells import read_list
from pixmill.core.metadata import COLUMNS, EXPORTED, SPLITS, Facts
from pixmill.core.names import to_nfc
from pixmill.dataset.columns import ONE_HOT
from pixmill.dataset.layout import role_of
from pixmill.dataset.several import split_lists
from pixmill.dataset.table_files import SEPARATOR, Roles, Table


class RowFacts:
    """What the cells of a table say about an image.

    Args:
        table: The table.
        roles: Columns by role.
        top: Folder of the images; the folders from there to the table may name a split.
        several: Whether an image may have several labels; ``None``: the cells say it.
    """

    def __init__(self, table: Table, roles: Roles, top: Path, several: bool | None) -> None:
        self._cells = {role: table.columns[name] for role, name in roles.items() if role != "image"}
        self._above = table.path.relative_to(top).with_suffix("").parts
        self._nulls = table.nulls.get(roles.get("label", ""))
        for role in self._cells.keys() & {"label", "not_label"}:
            cells = [*map(to_nfc, self._cells[role])]
            self._cells[role] = _split_cells(cells, table, roles, several)
        if table.lacking:
            self._cells["not_label"] = table.lacking
        joined = any(SEPARATOR in cell for cell in self._cells.get("label", []))
        self.has_several = "not_label" in self._cells or joined

    def __call__(self, number: int, folders: Sequence[str] = ()) -> Facts:
        """Return the facts of a row; a split is that of the cell, or of folders."""
        row = {role: values[number] or None for role, values in self._cells.items()}
        # Empty cells say something: an image has none of the labels, or none is known to lack.
        if "not_label" in row:
            row["not_label"] = row["not_label"] or ""
        elif "label" in row and not (self._nulls and self._nulls[number]):
            row["label"] = row["label"] or ""
        cell = row.get("split")
        row["split"] = split_of([cell] if cell else [*folders, *self._above])
        return Facts(**row)


def _split_cells(cells: list[str], table: Table, roles: Roles, several: bool | None) -> list[str]:
    """Return cells of labels in which lists are joined by :data:`SEPARATOR`."""
    is_own = {*COLUMNS} <= table.columns.keys()
    if "not_label" in roles or (is_own and (several or "not_label" in table.columns)):
        # An export has lists where its format does, so a label there may have a ";".
        if {*EXPORTED} <= table.columns.keys() and table.path.suffix != ".csv":
            return cells
        return [cell if SEPARATOR in cell else SEPARATOR.join(read_list(cell)) for cell in cells]
    is_sure = is_own or roles["label"] in {*table.sure.values(), ONE_HOT}
    if is_sure or any(SEPARATOR in cell for cell in cells):
        return cells
    return split_lists(cells, several=several)


def split_of(names: Sequence[str]) -> str | None:
    """Return the split that the first of some names gives; ``None`` if none does."""
    return next((role for role in map(role_of, names) if role in SPLITS), None)
