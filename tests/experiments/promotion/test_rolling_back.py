"""Rollback of the alias to an earlier version."""

import pytest

from pixmill.core.errors import PixmillError
from pixmill.tracking.model_versions import CAME_BACK, TAKEN_BACK
from pixmill.tracking.rolling_back import roll_back
from tests.experiments.promotion.projects import NAME, state


def refusal(workspace, **options):
    with pytest.raises(PixmillError) as caught:
        roll_back(workspace, **options)
    return caught.value


def test_rolls_back_repeatedly_and_forward(champion, give, workspace, registry):
    give("same")
    give("better")
    done = roll_back(workspace, because="it takes\nboots for bags")
    assert done.describe() == (
        f"Rolled back: champion of {NAME} is version 2 again, instead of version 3; previous is "
        "version 1."
    )
    assert state(registry) == {"champion": (2, "same"), "previous": (1, "first")}
    came = registry.get(2).rollback(CAME_BACK)
    taken = registry.get(3).rollback(TAKEN_BACK)
    assert (came.by, came.version, came.because) == (
        "Ada <ada@example.org>",
        3,
        "it takes boots for bags",
    )
    assert (taken.at, taken.version, taken.because) == (came.at, 2, came.because)
    assert roll_back(workspace).describe().endswith("instead of version 2; previous is none.")
    assert state(registry) == {"champion": (1, "first")}
    assert "replaced none" in refusal(workspace).message
    assert roll_back(workspace, to=3).number == 3
    assert state(registry) == {"champion": (3, "better"), "previous": (2, "same")}
    registry.delete(2)
    assert f"{NAME} has no version 2" in refusal(workspace).message
    assert roll_back(workspace, to=1).previous is None
    assert roll_back(workspace, to=3).previous is None, "a deleted version is not previous"


def test_no_champion_to_roll_back(workspace):
    error = refusal(workspace)
    assert error.message.startswith(f"{NAME} has no champion, so there is nothing to roll back")
    assert error.next == "pixmill promote"


def test_rejects_invalid_rollbacks(champion, give, workspace, registry):
    assert "replaced none" in refusal(workspace).message
    assert refusal(workspace, to=7).message == f"{NAME} has no version 7"
    assert (
        roll_back(workspace, to=1).describe()
        == f"Nothing to do: champion of {NAME} is version 1 already."
    )
    version = registry.get(1)
    pending = registry.register(
        version.source,
        run=version.run,
        model_id=version.model_id,
        tags={"pixmill.promotion": "pending"},
    )
    assert (
        refusal(workspace, to=pending).message == f"version {pending} of {NAME} was never promoted"
    )
    number = give("better", alias="staging").number
    error = refusal(workspace, to=number)
    assert (
        error.message
        == f"version {number} of {NAME} was promoted as staging, and never compared as champion"
    )
    assert error.next == f"pixmill promote models:/{NAME}/{number}"
