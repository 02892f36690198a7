"""Which part of each tensor a DPU's MRAM receives, read from a forall over DPUs.

A slice whose place depends on nothing but the DPU's own induction values is what that DPU gets (scattered, or
broadcast when it is the same for all). A tensor used in any other way is needed as a whole and broadcast.
Each output is what the terminator puts back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.upmem.dtypes import DType, dtype_of
from stratagem.compiler.backends.upmem.geometry import (
    Entry,
    Slice,
    block_of,
    defining_op,
    forall_bounds,
    is_tensor,
    slice_of,
    terminator,
)
from stratagem.compiler.backends.upmem.liveness import users
from stratagem.compiler.ir import location_text, walk
from stratagem.runtime.errors import UnsupportedError


@dataclass(frozen=True)
class Part:
    """One MRAM array.

    Attributes:
        value: the tensor outside of the forall (for outputs: the value the shared output starts from).
        cut: the slice operation that says which part, None for the whole tensor.
        bound: values of the DPU program that stand for this array. varies: whether DPUs get different parts.
    """

    name: str
    value: Any
    cut: Any | None
    bound: tuple[Any, ...]
    dtype: DType
    varies: bool

    @property
    def small(self) -> Any:
        """The tensor value whose shape the array has."""
        if self.cut is None:
            return self.value
        return self.cut.results[0] if self.cut.name == "tensor.extract_slice" else self.cut.operands[0]


@dataclass(frozen=True)
class Distribution:
    """Inputs and outputs (one per result) of one forall over DPUs."""

    inputs: tuple[Part, ...]
    outputs: tuple[Part, ...]


def distribute(op: Any, prefix: str, names: dict[Any, str]) -> Distribution:
    """Reads forall `op`; `names` gives outside tensors a C name, `prefix` starts the arrays' names."""
    taken: dict[str, int] = {}

    def array_name(value: Any) -> str:
        base = names.get(value, "tensor")
        taken[base] = taken.get(base, 0) + 1
        return f"{prefix}{base}" + (f"_{taken[base] - 1}" if taken[base] > 1 else "")

    inside = set(walk(op))
    inputs: list[Part] = []
    for value in _captured(op, inside):
        inputs += _input_parts(op, value, inside, array_name)
    return Distribution(tuple(inputs), tuple(_outputs(op, array_name)))


def _captured(op: Any, inside: set[Any]) -> list[Any]:
    """Tensors of the outside that the body uses, in order of first use."""
    found: dict[Any, None] = {}
    for one in walk(op):
        for value in one.operands:
            if is_tensor(value) and one.name != "tensor.dim" and not _belongs(value, op, inside):
                found[value] = None
    return list(found)


def _belongs(value: Any, op: Any, inside: set[Any]) -> bool:
    if isinstance(value.owner, ir.Block):
        owner = value.owner.owner.operation
        return owner in inside or owner == op
    return value.owner.operation in inside


def _input_parts(op: Any, value: Any, inside: set[Any], array_name: Any) -> list[Part]:
    using = [user for user in users(value) if user in inside]
    cuts: dict[Slice, list[Any]] = {}
    for user in using:
        if user.name != "tensor.extract_slice" or not all(_uniform(e, op) for e in _entries(user)):
            return [Part(array_name(value), value, None, (value,), dtype_of(value.type), False)]
        cuts.setdefault(slice_of(user), []).append(user)
    own = set(_induction_values(op))
    parts = []
    for same in cuts.values():
        varies = any(_depends(e, own) for e in _entries(same[0]))
        results = tuple(user.results[0] for user in same)
        parts.append(Part(array_name(value), value, same[0], results, dtype_of(value.type), varies))
    return parts


def _outputs(op: Any, array_name: Any) -> list[Part]:
    arguments = list(block_of(op).arguments)
    starts = forall_bounds(op).outputs
    shared = arguments[len(arguments) - len(starts) :]
    inserts = [one.operation for one in block_of(terminator(op)).operations]
    parts = []
    for argument, start in zip(shared, starts, strict=True):
        mine = [one for one in inserts if one.operands[1] == argument]
        if len(mine) != 1:
            raise UnsupportedError(
                f"an output of the forall over DPUs is put back {len(mine)} times, once is needed",
                location=location_text(op),
            )
        cuts = _cuts_of_output(argument, mine[0])
        parts.append(
            Part(
                array_name(start),
                start,
                mine[0],
                tuple(c.results[0] for c in cuts),
                dtype_of(start.type),
                True,
            )
        )
    return parts


def _cuts_of_output(argument: Any, insert: Any) -> list[Any]:
    """Slices of a shared output in the body: they must be the part that is put back."""
    cuts = [user for user in users(argument) if user != insert]
    for cut in cuts:
        if cut.name != "tensor.extract_slice" or slice_of(cut) != slice_of(insert):
            raise UnsupportedError(
                f"{cut.name} reads another part of an output than its DPU puts back",
                location=location_text(cut),
            )
    return cuts


def _entries(cut: Any) -> list[Entry]:
    where = slice_of(cut)
    return [*where.offsets, *where.sizes, *where.strides]


def _induction_values(op: Any) -> list[Any]:
    return list(block_of(op).arguments)[: len(forall_bounds(op).lower)]


def _leaves(entry: Entry) -> list[Any]:
    """Block arguments that an index value is computed from."""
    if isinstance(entry, int):
        return []
    op = defining_op(entry)
    if op is None:
        return [entry]
    if op.name == "tensor.dim":
        return _leaves(op.operands[0]) if is_tensor(op.operands[0]) else []
    return [leaf for value in op.operands for leaf in _leaves(value)]


def _uniform(entry: Entry, op: Any) -> bool:
    """Whether all tasklets of a DPU see the same number, computable before the launch."""
    allowed = set(block_of(op).arguments)
    return all(leaf in allowed or leaf.owner.owner.operation.name == "func.func" for leaf in _leaves(entry))


def _depends(entry: Entry, values: set[Any]) -> bool:
    return any(leaf in values for leaf in _leaves(entry))
