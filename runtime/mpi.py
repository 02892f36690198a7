"""The runtime's collectives, served by MPI through mpi4py."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from stratagem.runtime.bindings import load_runtime
from stratagem.runtime.errors import ResourceError

DTYPES = (np.float32, np.float64, np.int32, np.int64, np.int8)
"""By `sg_dtype` number."""

_P, _I64, _I32, _INT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_int
_BARRIER = ctypes.CFUNCTYPE(_INT, _P)
_REDUCE = ctypes.CFUNCTYPE(_INT, _P, _P, _P, _I64, _I32, _I32)
_GATHER = ctypes.CFUNCTYPE(_INT, _P, _P, _P, _I64, _I32)
_BROADCAST = ctypes.CFUNCTYPE(_INT, _P, _P, _I64, _I32, _I64)
_POINT = ctypes.CFUNCTYPE(_INT, _P, _P, _I64, _I64, _I64)


class _Table(ctypes.Structure):
    """`sg_collectives` of runtime.h."""

    _fields_ = (
        ("user", _P),
        ("rank", _I64),
        ("size", _I64),
        ("barrier", _BARRIER),
        ("all_reduce", _REDUCE),
        ("all_gather", _GATHER),
        ("reduce_scatter", _REDUCE),
        ("broadcast", _BROADCAST),
        ("all_to_all", _GATHER),
        ("send", _POINT),
        ("recv", _POINT),
    )


class MpiCollectives:
    """The world communicator of this MPI process."""

    def __init__(self) -> None:
        try:
            from mpi4py import MPI
        except ImportError as error:
            raise ResourceError(f"MPI is not usable here: {error}", hint="pip install 'stratagem[mpi]'") from None
        self._mpi, self._world = MPI, MPI.COMM_WORLD
        self.rank, self.size = int(self._world.Get_rank()), int(self._world.Get_size())
        self._reductions = (MPI.SUM, MPI.MAX, MPI.MIN)
        self._error: BaseException | None = None
        self._table = self._make_table()

    @contextmanager
    def serving(self, group: int) -> Iterator[None]:
        """Serves the collectives of `group` for the time of one run; raises what went wrong in one of them."""
        self._error = None
        load_runtime().functions.sg_set_collectives(group, ctypes.addressof(self._table))
        try:
            yield
        finally:
            if self._error is not None:
                raise self._error

    def _make_table(self) -> _Table:
        world = self._world
        size = self.size

        def reduce(source: int, target: int, count: int, dtype: int, kind: int) -> None:
            world.Allreduce(_array(source, count, dtype), _array(target, count, dtype), self._reductions[kind])

        def gather(source: int, target: int, count: int, dtype: int) -> None:
            world.Allgather(_array(source, count, dtype), _array(target, count * size, dtype))

        def scatter(source: int, target: int, count: int, dtype: int, kind: int) -> None:
            whole, part = _array(source, count * size, dtype), _array(target, count, dtype)
            world.Reduce_scatter_block(whole, part, self._reductions[kind])

        def exchange(source: int, target: int, count: int, dtype: int) -> None:
            world.Alltoall(_array(source, count * size, dtype), _array(target, count * size, dtype))

        def broadcast(data: int, count: int, dtype: int, root: int) -> None:
            world.Bcast(_array(data, count, dtype), root)

        def send(data: int, size_: int, to: int, tag: int) -> None:
            world.Send(_array(data, size_, 4), to, tag)

        def receive(data: int, size_: int, source: int, tag: int) -> None:
            world.Recv(_array(data, size_, 4), source, tag)

        return _Table(
            None,
            self.rank,
            size,
            _BARRIER(self._guard(world.Barrier)),
            _REDUCE(self._guard(reduce)),
            _GATHER(self._guard(gather)),
            _REDUCE(self._guard(scatter)),
            _BROADCAST(self._guard(broadcast)),
            _GATHER(self._guard(exchange)),
            _POINT(self._guard(send)),
            _POINT(self._guard(receive)),
        )

    def _guard(self, function: Callable[..., Any]) -> Callable[..., int]:
        """Drops the user pointer, and turns an exception into a failure the runtime understands."""

        def call(_user: int, *arguments: Any) -> int:
            try:
                function(*arguments)
            except BaseException as error:
                self._error = error
                return 1
            return 0

        return call


def _array(address: int, count: int, dtype: int) -> np.ndarray[Any, Any]:
    kind: np.dtype[Any] = np.dtype(DTYPES[dtype])
    if count == 0:
        return np.empty(0, kind)
    memory: Any = (ctypes.c_char * (count * kind.itemsize)).from_address(address)
    return np.frombuffer(memory, kind)
