"""What DVC draws is aggregated, small and the same each time."""

import csv
import io

from pixmill.params import ValidateParams
from pixmill.validate import plot_tables
from tests.validate.tables import dropped, kept, unread, validation

PARAMS = ValidateParams()


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_tables_are_these() -> None:
    rows = [kept(1), kept(2, brightness=3.0), kept(3, "shoe"), dropped(4, "too_small", width=20), unread(5, "html")]
    made = plot_tables(validation(rows), PARAMS)
    assert made["classes"] == "label,n\ncoat,2\nshoe,1\n"
    coat, _ = read(made["dimensions"])
    assert (coat["width_min"], coat["width_mean"], coat["width_max"]) == ("100", "100", "100")
    assert [line for line in read(made["sides"]) if line["width"] != "0"] == [
        {"pixels": "91", "width": "3", "height": "3", "short_side": "3"}
    ]
    assert read(made["brightness"])[0] == {"value": "0", "kept": "1", "dropped": "0"}
    for name in ("aspect_ratio", "brightness", "sharpness", "entropy"):
        assert sum(int(line["kept"]) for line in read(made[name])) == 3
        assert sum(int(line["dropped"]) for line in read(made[name])) == 1


def test_a_class_without_pictures_has_no_sizes() -> None:
    *_, shoe = read(plot_tables(validation([kept(1)]), PARAMS)["dimensions"])
    assert shoe["n"] == "0"
    assert {value for name, value in shoe.items() if name not in ("label", "n")} == {""}


def test_what_is_drawn_is_small_and_the_same_each_time() -> None:
    rows = [kept(number, width=8 + 50 * number, sharpness=number**3) for number in range(300)]
    made = plot_tables(validation(rows), PARAMS)
    assert made == plot_tables(validation(rows[::-1]), PARAMS)
    assert all(len(table.splitlines()) < 70 for table in made.values())


def test_without_pictures_each_table_has_something_to_draw() -> None:
    made = plot_tables(validation([]), PARAMS)
    assert all(len(read(table)) >= 2 for table in made.values())
