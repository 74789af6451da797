"""What a node of a Ray cluster does: it runs batches in a guarded process, if it would give this machine's results.

Ray's own process imports little, and unpickles neither pass, rows nor results.
"""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from pixmill.core.errors import PixmillError
from pixmill.core.process.arithmetic import instruction_set
from pixmill.images.compute.scheduler import Pool
from pixmill.images.compute.worker import Loss, RowLimits

_PROCESSOR = "processor"


class PackedPass:
    """A pass over pickled rows, which only its worker process unpickles: a network or pandas takes much memory.

    Args:
        name: The pass's name, with its module.
        content: The pass, pickled.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.__module__, _, self.__qualname__ = name.rpartition(".")
        self._content = content

    def __getstate__(self) -> bytes:
        return self._content

    def __setstate__(self, content: bytes) -> None:
        self._function = pickle.loads(content)  # noqa: S301 (from the machine that asks for it)

    def __call__(self, rows: Sequence[bytes]) -> list[bytes]:
        """Return the result of each row, pickled."""
        results = self._function([pickle.loads(row) for row in rows])  # noqa: S301 (likewise)
        return [pickle.dumps(result, pickle.HIGHEST_PROTOCOL) for result in results]


@dataclass(frozen=True)
class NodePass:
    """What the batches of a pass have in common.

    Args:
        name: The pass's name, with its module.
        content: The pass, pickled.
        limits: Limits per row, if any.
        versions: As :func:`versions` must return them on a node, so that its results are those of this machine.
    """

    name: str
    content: bytes
    limits: RowLimits | None
    versions: Mapping[str, str]


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages, ``none`` for one that is not installed, and the processor's instruction set."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found | {_PROCESSOR: instruction_set()}


_POOLS: dict[str, Pool] = {}
"""The guarded process of this process's last pass."""


def run_batch(key: str, order: bytes, rows: Sequence[bytes]) -> list[bytes | Loss]:
    """Return the pickled result of each row, or why it was given up.

    Args:
        key: A key for the order, which may hold a network of many megabytes.
        order: A :class:`NodePass`, pickled.
        rows: The rows, each pickled.

    Raises:
        PixmillError: This node would give other results.
        Exception: What the pass raised.
    """
    try:
        if key not in _POOLS:
            _end_pools()
            _POOLS[key] = _open_pool(pickle.loads(order))  # noqa: S301 (from the machine that asks for it)
        return list(_POOLS[key].run(iter(rows), 1, lambda _, loss: loss))
    except BaseException:
        # It raised something, or the batch was cancelled.
        _end_pools()
        raise


def _open_pool(order: NodePass) -> Pool:
    ours = versions(name for name in order.versions if name != _PROCESSOR)
    if other := {name: version for name, version in order.versions.items() if ours[name] != version}:
        import ray

        here = ray.util.get_node_ip_address()
        named = ", ".join(f"{name} {ours[name]} instead of {version}" for name, version in other.items())
        raise PixmillError(
            f"the Ray node {here} would give other results: it has {named}",
            next="install the versions of this machine there (pip freeze --exclude pixmill), or stop that node",
        )
    return Pool(PackedPass(order.name, order.content), 1, order.limits)


def _end_pools() -> None:
    while _POOLS:
        _POOLS.popitem()[1].kill()
