import os
import resource
import threading

import numpy as np
import pytest

from pixmill.backbones.store import Store


def names_of(*numbers):
    return [bytes([number]) * 32 for number in numbers]


def rows_of(*numbers, width=4):
    return np.array([[number + column / 10 for column in range(width)] for number in numbers], np.float32)


def kept(folder, *numbers, key="a"):
    with Store(folder, key) as store:
        store.write(names_of(*numbers), rows_of(*numbers))


def test_what_was_written_is_read_by_name_in_any_order(tmp_path) -> None:
    kept(tmp_path, 1, 2, 3)
    kept(tmp_path, 4)
    with Store(tmp_path, "a") as store:
        assert store.width == 4
        assert store.knows(names_of(4, 5, 2)).tolist() == [True, False, True]
        np.testing.assert_array_equal(store.read(names_of(4, 2, 1)), rows_of(4, 2, 1))


def test_another_key_knows_nothing_of_it(tmp_path) -> None:
    kept(tmp_path, 1, 2, key="a")
    with Store(tmp_path, "b") as store:
        assert store.width is None
        assert not store.knows(names_of(1)).any()


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:9] + b"\xff" + content[10:]])
def test_a_damaged_file_is_told_and_removed(tmp_path, damage, capsys) -> None:
    kept(tmp_path, 1, 2)
    kept(tmp_path, 3)
    first = max(tmp_path.glob("*.bin"), key=lambda path: path.stat().st_size)
    first.write_bytes(damage(first.read_bytes()))
    with Store(tmp_path, "a") as store:
        assert store.knows(names_of(1, 2, 3)).tolist() == [False, False, True]
    assert f"{first} is damaged" in capsys.readouterr().err
    assert not first.exists()


def test_an_empty_file_and_half_written_ones_are_removed(tmp_path) -> None:
    (tmp_path / "0123-a.bin").touch()
    (tmp_path / ".part-1-2-0123-a.bin").write_bytes(b"half")
    (tmp_path / ".part-1-2-0123-b.bin").write_bytes(b"of another process")
    with Store(tmp_path, "a") as store:
        assert store.width is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [".part-1-2-0123-b.bin", "a.lock"]


def test_the_files_that_were_not_used_for_longest_go(tmp_path) -> None:
    for number, key in enumerate("abc"):
        kept(tmp_path, 1, key=key)
        (path,) = tmp_path.glob(f"*-{key}.bin")
        os.utime(path, (number, number))
    size = path.stat().st_size
    with Store(tmp_path, "a", most=2 * size) as store:
        store.read(names_of(1))
    assert sorted(path.name.rpartition("-")[2] for path in tmp_path.glob("*.bin")) == ["a.bin", "c.bin"]


def test_who_comes_second_waits_and_finds_what_the_first_computed(tmp_path, capsys) -> None:
    found = []

    def second():
        with Store(tmp_path, "a") as store:
            found.extend(store.knows(names_of(1)).tolist())

    with Store(tmp_path, "a") as store:
        thread = threading.Thread(target=second)
        thread.start()
        store.write(names_of(1), rows_of(1))
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(30)
    assert found == [True]
    assert "waiting for what it finds" in capsys.readouterr().err


def test_without_a_folder_nothing_is_kept_and_nothing_stops(tmp_path, capsys) -> None:
    (tmp_path / "taken").write_text("a file where the folder would be")
    with Store(tmp_path / "taken", "a") as store:
        store.write(names_of(1), rows_of(1))
        assert not store.knows(names_of(1)).any()
    assert "features cannot be kept" in capsys.readouterr().err


@pytest.mark.linux
def test_a_full_disk_costs_what_does_not_fit_and_no_more(tmp_path, capsys) -> None:
    kept(tmp_path, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with Store(tmp_path, "a") as store:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
            store.write(names_of(*range(2, 40)), rows_of(*range(2, 40), width=40))
            assert store.knows(names_of(1)).all()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err
    assert said == f"features cannot be kept in {tmp_path}, so they are computed again next time: File too large\n"
    assert len(list(tmp_path.glob("*.bin"))) == 1
    assert not list(tmp_path.glob(".part-*"))
