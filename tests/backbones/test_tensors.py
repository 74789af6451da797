import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.backbones.tensors import read_tensors

MAGIC = 0x1950A86A20F9469CFC6C
TYPES = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


def inner(value):
    """Return the opcodes of a value alone, without the frame of a pickle."""
    return pickle.dumps(value, protocol=2)[2:-1]


def tensor(key, count, *, offset=0, shape, strides, kind="FloatStorage"):
    """Return the opcodes of a tensor as PyTorch writes it, without PyTorch."""
    storage = b"(" + inner("storage") + f"ctorch\n{kind}\n".encode() + inner(key) + inner("cpu") + inner(count) + b"NtQ"
    view = inner(offset) + inner(shape) + inner(strides) + inner(False) + b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + b"tR"


def content(named):
    return b"\x80\x02}(" + b"".join(inner(name) + code for name, code in named.items()) + b"u."


def legacy(named, storages, *, head=MAGIC, types=TYPES):
    pickles = [pickle.dumps(value, protocol=2) for value in (head, 1001, types)]
    numbers = [struct.pack("<q", len(values)) + values.tobytes() for values in storages.values()]
    return b"".join([*pickles, content(named), pickle.dumps(list(storages), protocol=2), *numbers])


SIX = np.arange(6, dtype="<f4")


def test_a_tensor_is_read() -> None:
    read = read_tensors(legacy({"w": tensor("a", 6, shape=(2, 3), strides=(3, 1))}, {"a": SIX}))
    np.testing.assert_array_equal(read["w"], [[0, 1, 2], [3, 4, 5]])


def test_strides_and_offsets_are_honoured_and_storages_shared() -> None:
    named = {
        "turned": tensor("a", 6, shape=(3, 2), strides=(1, 3)),
        "tail": tensor("a", 6, offset=4, shape=(2,), strides=(1,)),
        "single": tensor("b", 1, shape=(), strides=(), kind="LongStorage"),
        "none": tensor("b", 1, shape=(0, 4), strides=(4, 1), kind="LongStorage"),
    }
    read = read_tensors(legacy(named, {"b": np.array([7], "<i8"), "a": SIX}))
    np.testing.assert_array_equal(read["turned"], SIX.reshape(2, 3).T)
    np.testing.assert_array_equal(read["tail"], [4, 5])
    assert read["single"] == 7
    assert read["none"].shape == (0, 4)


@pytest.mark.parametrize(
    "named", ["os\nsystem", "posix\nsystem", "builtins\neval", "torch\nload", "torch._utils\n__builtins__"]
)
def test_a_pickle_that_would_run_something_is_refused(named, tmp_path) -> None:
    sentinel = tmp_path / "ran"
    run = f"c{named}\n".encode() + b"(" + inner(f"touch {sentinel}") + b"tR"
    with pytest.raises(ValueError, match="no tensor"):
        read_tensors(legacy({"w": run}, {}))
    assert not sentinel.exists()


def test_it_is_refused_in_each_of_the_pickles(tmp_path) -> None:
    sentinel = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return sentinel.touch, ()

    whole = legacy({"w": tensor("a", 6, shape=(6,), strides=(1,))}, {"a": SIX})
    pickles = [pickle.dumps(value, protocol=2) for value in (MAGIC, 1001, TYPES)]
    for number in range(3):
        begin, end = sum(map(len, pickles[:number])), sum(map(len, pickles[: number + 1]))
        with pytest.raises(ValueError, match="no tensor"):
            read_tensors(whole[:begin] + pickle.dumps(Hostile(), protocol=2) + whole[end:])
    assert not sentinel.exists()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"shape": (7,), "strides": (1,)}, "larger than its storage"),
        ({"shape": (6,), "strides": (2,)}, "beyond its storage"),
        ({"shape": (3,), "strides": (1,), "offset": 4}, "beyond its storage"),
        ({"shape": (10**6, 10**6), "strides": (0, 0)}, "larger than its storage"),
        ({"shape": (2,), "strides": (-1,), "offset": 5}, "of no shape"),
        ({"shape": (2, 3), "strides": (1,)}, "of no shape"),
    ],
)
def test_a_tensor_that_leaves_its_storage_is_refused(wrong, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        read_tensors(legacy({"w": tensor("a", 6, **wrong)}, {"a": SIX}))


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(ValueError, match="magic number"):
        read_tensors(legacy({}, {}, head=1))
    with pytest.raises(ValueError, match="least byte first"):
        read_tensors(legacy({}, {}, types=TYPES | {"little_endian": False}))
    with pytest.raises(ValueError, match="expected"):
        read_tensors(b"PK\x03\x04 a new file")
    with pytest.raises(ValueError, match="not the 6 numbers"):
        read_tensors(legacy({"w": tensor("a", 6, shape=(6,), strides=(1,))}, {"a": SIX[:4]}))


WHOLE = legacy({"w": tensor("a", 6, shape=(2, 3), strides=(3, 1))}, {"a": SIX})


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_ends_too_soon_is_refused(length) -> None:
    with pytest.raises(ValueError, match=r"expected|not the 6 numbers"):
        read_tensors(WHOLE[:length])
