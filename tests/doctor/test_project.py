import shutil

import pytest

from pixmill.doctor import State
from pixmill.doctor.project import look_at_data, look_at_dvc, look_at_params


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "data" / "shirt"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.png").write_bytes(b"x" * 100)
    (folder / ".DS_Store").touch()
    return tmp_path


def record(root, nfiles, size):
    (root / "data.dvc").write_text(f"outs:\n- md5: x.dir\n  nfiles: {nfiles}\n  size: {size}\n  path: data\n")


def test_sound_params_name_the_classes(repository):
    (found,) = look_at_params(repository)
    assert found.state is State.OK
    assert "sneaker" in found.words


def test_wrong_params_are_named(repository, tmp_path):
    shutil.copy(repository / "params.yaml", tmp_path)
    with (tmp_path / "params.yaml").open("a") as file:
        file.write("\ncolour: blue\n")
    (found,) = look_at_params(tmp_path)
    assert found.state is State.BAD
    assert "colour" in found.words
    assert found.next


def test_pictures_as_recorded(pictures):
    record(pictures, 3, 300)
    (found,) = look_at_data(pictures)
    assert (found.state, found.words) == (State.OK, "3 files of 0.0 MB, as data.dvc records")


@pytest.mark.parametrize("recorded", [(4, 300), (3, 299)])
def test_pictures_that_changed(pictures, recorded):
    record(pictures, *recorded)
    (found,) = look_at_data(pictures)
    assert found.state is State.WARNING
    assert found.next.startswith("dvc add data")


def test_pictures_that_nothing_records(pictures):
    (found,) = look_at_data(pictures)
    assert (found.state, found.next) == (State.WARNING, "dvc add data")


def test_no_pictures(tmp_path):
    (found,) = look_at_data(tmp_path)
    assert (found.state, found.words) == (State.BAD, "data/ is empty")
    assert "make data" in found.next


def test_a_record_that_is_none(pictures):
    (pictures / "data.dvc").write_text("outs: [")
    (found,) = look_at_data(pictures)
    assert (found.state, found.next) == (State.BAD, "git checkout data.dvc")


def test_no_repository(tmp_path):
    (found,) = look_at_dvc(tmp_path)
    assert (found.state, found.next) == (State.BAD, "dvc init")


def settings(root, text, name="config"):
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc" / name).write_text(text)


def test_results_without_a_remote_stay_here(tmp_path):
    settings(tmp_path, "[core]\n    analytics = false\n")
    cache, remote = look_at_dvc(tmp_path)
    assert cache.state is State.OK
    assert str(tmp_path / ".dvc" / "cache") in cache.words
    assert remote.state is State.WARNING
    assert remote.next.startswith("dvc remote add")


def test_a_remote_of_the_persons_own_file_is_seen(tmp_path):
    store = tmp_path / "store"
    settings(tmp_path, "[core]\n    remote = here\n")
    settings(tmp_path, f"['remote \"here\"']\n    url = {store}\n", "config.local")
    _, remote = look_at_dvc(tmp_path)
    assert (remote.state, remote.words) == (State.WARNING, f"{store} is not there")
    store.mkdir()
    _, remote = look_at_dvc(tmp_path)
    assert (remote.state, remote.words) == (State.OK, str(store))


def test_a_remote_without_an_address_is_bad(tmp_path):
    settings(tmp_path, "[core]\n    remote = there\n")
    _, remote = look_at_dvc(tmp_path)
    assert (remote.state, remote.words) == (State.BAD, "'there' has no address")


def test_a_remote_elsewhere_is_named(tmp_path):
    settings(tmp_path, "[core]\n    remote = s\n['remote \"s\"']\n    url = s3://bucket/x\n")
    _, remote = look_at_dvc(tmp_path)
    assert remote.words == "s3://bucket/x (to try it: dvc status --cloud)"


def test_settings_that_cannot_be_read(tmp_path):
    settings(tmp_path, "core]\n")
    (found,) = look_at_dvc(tmp_path)
    assert (found.state, found.next) == (State.BAD, "git checkout .dvc/config")
