import json
import shutil

import pytest

from pixmill.project.doctor import Status
from pixmill.project.doctor.repository import check_data, check_dvc, check_params


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "data" / "shirt"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.png").write_bytes(b"x" * 100)
    (folder / ".DS_Store").touch()
    (tmp_path / ".dvcignore").write_text(".DS_Store\n")
    return tmp_path


def record(root, nfiles, size):
    (root / "data.dvc").write_text(f"outs:\n- md5: x.dir\n  nfiles: {nfiles}\n  size: {size}\n  path: data\n")


def test_sound_params_name_the_classes(repository):
    (finding,) = check_params(repository)
    assert finding.status is Status.OK
    assert "sneaker" in finding.message


def test_wrong_params_are_named(repository, tmp_path):
    shutil.copy(repository / "params.yaml", tmp_path)
    with (tmp_path / "params.yaml").open("a") as file:
        file.write("\ncolour: blue\n")
    (finding,) = check_params(tmp_path)
    assert finding.status is Status.BAD
    assert "colour" in finding.message
    assert finding.next


def test_images_as_recorded(images):
    record(images, 3, 300)
    (finding,) = check_data(images)
    assert (finding.status, finding.message) == (Status.OK, "3 files of 0.0 MB, as data.dvc records")


@pytest.mark.parametrize("recorded", [(4, 300), (3, 299)])
def test_images_that_changed(images, recorded):
    record(images, *recorded)
    (finding,) = check_data(images)
    assert finding.status is Status.WARNING
    assert finding.next == "dvc add data, or to restore: mv data data.old && dvc checkout data.dvc"


def test_images_that_lie_elsewhere_than_recorded(images):
    record(images, 3, 300)
    names = [{"md5": "0" * 32, "relpath": f"coat/{number}.png"} for number in range(3)]
    listing = images / ".dvc/cache/files/md5/x./dir"
    listing.parent.mkdir(parents=True)
    listing.write_text(json.dumps(names))
    (finding,) = check_data(images)
    assert finding.status is Status.WARNING
    assert finding.message == "3 files of 0.0 MB, but data.dvc records others"


def test_images_that_nothing_records(images):
    (finding,) = check_data(images)
    assert (finding.status, finding.next) == (Status.WARNING, "dvc add data")


def test_no_images(tmp_path):
    (finding,) = check_data(tmp_path)
    assert (finding.status, finding.message) == (Status.BAD, "data/ is empty")
    assert "pixmill data" in finding.next


def test_a_record_that_is_none(images):
    (images / "data.dvc").write_text("outs: [")
    (finding,) = check_data(images)
    assert (finding.status, finding.next) == (Status.BAD, "mv data.dvc data.dvc.broken && git checkout data.dvc")


def test_no_repository(tmp_path):
    (finding,) = check_dvc(tmp_path)
    assert (finding.status, finding.next) == (Status.BAD, "dvc init")


def settings(root, text, name="config"):
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc" / name).write_text(text)


def test_results_without_a_remote_stay_here(tmp_path):
    settings(tmp_path, "[core]\n    analytics = false\n")
    (remote,) = check_dvc(tmp_path)
    assert remote.status is Status.WARNING
    assert remote.next.startswith("dvc remote add")


def test_a_remote_of_the_persons_own_file_is_seen(tmp_path):
    store = tmp_path / "store"
    settings(tmp_path, "[core]\n    remote = here\n")
    settings(tmp_path, f"['remote \"here\"']\n    url = {store}\n", "config.local")
    (remote,) = check_dvc(tmp_path)
    assert (remote.status, remote.message) == (Status.WARNING, f"{store} does not exist")
    store.mkdir()
    (remote,) = check_dvc(tmp_path)
    assert (remote.status, remote.message) == (Status.OK, f"{store} (to test it: dvc status --cloud)")


def test_a_remote_without_an_address_is_bad(tmp_path):
    settings(tmp_path, "[core]\n    remote = there\n")
    (remote,) = check_dvc(tmp_path)
    assert (remote.status, remote.message) == (Status.BAD, "'there' has no URL")


def test_a_remote_elsewhere_is_named(tmp_path):
    settings(tmp_path, "[core]\n    remote = s\n['remote \"s\"']\n    url = s3://bucket/x\n")
    (remote,) = check_dvc(tmp_path)
    assert remote.message == "s3://bucket/x (to test it: dvc status --cloud)"


def test_settings_that_cannot_be_read(tmp_path):
    settings(tmp_path, "core]\n")
    (finding,) = check_dvc(tmp_path)
    assert finding.status is Status.BAD
    assert "core]" in finding.message
