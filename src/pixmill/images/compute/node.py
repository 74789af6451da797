"""Run batches on a node of a Ray cluster, in a guarded process.

Ray's own process has few imports, and unpickles neither pass, rows nor results.
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
    """A pass over pickled rows that is unpickled in its worker process only, since networks and pandas are large.

    Args:
        name: Name of the pass, with its module.
        content: The pickled pass.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.__module__, _, self.__qualname__ = name.rpartition(".")
        self._content = content

    def __getstate__(self) -> bytes:
        return self._content

    def __setstate__(self, content: bytes) -> None:
        self._function = pickle.loads(content)  # noqa: S301 (from the client)

    def __call__(self, rows: Sequence[bytes]) -> list[bytes]:
        """Return the result of each row, pickled."""
        results = self._function([pickle.loads(row) for row in rows])  # noqa: S301 (likewise)
        return [pickle.dumps(result, pickle.HIGHEST_PROTOCOL) for result in results]


@dataclass(frozen=True)
class NodePass:
    """A pass and its requirements, shared by all of its batches.

    Args:
        name: Name of the pass, with its module.
        content: The pickled pass.
        limits: Limits per row, if any.
        versions: Required result of :func:`versions` on a node.
    """

    name: str
    content: bytes
    limits: RowLimits | None
    versions: Mapping[str, str]


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages (``none`` if not installed) and the CPU's instruction set."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found | {_PROCESSOR: instruction_set()}


_POOLS: dict[str, Pool] = {}
"""The pool of the last pass."""


def run_batch(key: str, order: bytes, rows: Sequence[bytes]) -> list[bytes | Loss]:
    """Return the pickled result or the loss of each row.

    Args:
        key: Unique key of the pass.
        order: A pickled :class:`NodePass`, possibly many megabytes.
        rows: Pickled rows.

    Raises:
        PixmillError: This node would compute other results.
        Exception: Any exception of the pass.
    """
    try:
        if key not in _POOLS:
            _end_pools()
            _POOLS[key] = _open_pool(pickle.loads(order))  # noqa: S301 (from the client)
        return list(_POOLS[key].run(iter(rows), 1, lambda _, loss: loss))
    except BaseException:
        # Also if the batch was cancelled.
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
