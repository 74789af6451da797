"""Whatever a class is called, its figures get a name that MLflow takes, and none is lost."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from pixmill.tracking.names import accepted

NAMES = st.text(string.ascii_letters + "&'+. -_@é中", min_size=1, max_size=6).map(lambda name: f"test_f1.{name}")


@given(st.lists(NAMES, unique=True))
def test_mlflow_takes_every_name_and_no_value_is_lost(names):
    result = accepted({name: number for number, name in enumerate(names)})
    assert list(result.values()) == list(range(len(names)))
    for name in result:
        _validate_metric_name(name)


def test_plain_names_stay():
    assert accepted({"train.cnn.filters": 1, "test_f1.T-shirt top": 2}) == {
        "train.cnn.filters": 1,
        "test_f1.T-shirt top": 2,
    }


def test_names_that_would_be_one_are_numbered():
    assert accepted({"R&B": 1, "R+B": 2, "R_B": 3}) == {"R_B": 1, "R_B_2": 2, "R_B_3": 3}
