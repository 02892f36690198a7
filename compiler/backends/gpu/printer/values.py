"""What an MLIR tensor is while a kernel is printed: device memory, a tile in registers, or nothing yet."""

from __future__ import annotations

from dataclasses import dataclass

from stratagem.compiler.backends.gpu.expressions import Expression
from stratagem.compiler.backends.gpu.printer.scalars import Scalar


@dataclass(frozen=True)
class Buffer:
    """Dense row-major device memory: a kernel argument or scratch between phases.

    `index` counts arguments first, then scratch buffers. `shape` may be another reading of the same memory
    (a reshape), which is why `index`, not the buffer, says whether two buffers alias.
    """

    index: int
    name: str
    element: str
    shape: tuple[Scalar, ...]
    writable: bool


@dataclass(frozen=True)
class View:
    """A rectangular part of a buffer, not loaded yet.

    `offsets` and `steps` have one entry per buffer dimension; `dims` and `axes` one per dimension of the
    view, with the buffer dimension each runs along (None for a dimension of extent one that was added by a
    reshape).
    """

    buffer: Buffer
    offsets: tuple[Scalar, ...]
    steps: tuple[int, ...]
    dims: tuple[Scalar, ...]
    axes: tuple[int | None, ...]

    @property
    def element(self) -> str:
        return self.buffer.element


@dataclass(frozen=True)
class Tile:
    """A tile in registers: the Triton value `text`, whose axes are the dimensions with padded extent above
    one.

    Args:
        held: the element type of the Triton value; f32 where `element` is a 16-bit float that was computed
        with.
        padding: the value of lanes past `dims`, None when they hold anything.
        filled: the value of every lane when that is a known constant.
    """

    text: str
    dims: tuple[Scalar, ...]
    element: str
    held: str
    padding: float | None = None
    filled: float | int | None = None


@dataclass(frozen=True)
class Unset:
    """A tensor whose contents do not matter (`tensor.empty`)."""

    dims: tuple[Scalar, ...]
    element: str


@dataclass(frozen=True)
class Number:
    """A scalar operand that is not an index: a literal, or a scalar kernel argument computed by the host."""

    text: str
    element: str
    literal: float | int | None = None
    host: Expression | None = None


Shaped = View | Tile | Unset


def whole(buffer: Buffer) -> View:
    """The view of all of a buffer."""
    from stratagem.compiler.backends.gpu.printer.scalars import constant

    rank = len(buffer.shape)
    return View(buffer, (constant(0),) * rank, (1,) * rank, buffer.shape, tuple(range(rank)))
