"""Models as workloads: operations counted in a tensor-level program, parameters never read.

Tensor parallelism is what the compiler itself would do: the program is cut over ranks by `partition-program`'s
placements, and the cut program is counted. Equal stretches that follow each other become the layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stratagem.compiler.cost.counting import Count, count_operations
from stratagem.compiler.cost.model import model_of
from stratagem.compiler.cost.workload import Block, Cut, Exchange, Product, Step, Stream, Workload
from stratagem.compiler.ir import argument_attributes, clone_module, find_function
from stratagem.compiler.signatures import signature_of
from stratagem.runtime.errors import ModelError

if TYPE_CHECKING:
    from stratagem.compiler.program import Program
    from stratagem.compiler.sharding.rules import Prices
    from stratagem.hwmodels import System

MIRRORS = {"all_reduce": "all_reduce", "all_gather": "reduce_scatter", "reduce_scatter": "all_gather"}
"""What the backward pass does in place of an exchange; behind every sum of partial results stands, at the place where
the tensor was whole, a sum of gradients."""


@dataclass(frozen=True)
class Stretch:
    """A repeated part of a list: `count` times `length` entries from `start` on."""

    start: int
    length: int
    count: int


class TracedWorkload(Workload):
    """A tensor-level program whose sizes are all known.

    `prices` says what computing and communicating costs while it is decided how tensors are cut; without them the
    program is not cut. Raises ModelError where a size is free or nothing is computed.
    """

    def __init__(self, name: str, program: Program, dtype: str = "", prices: Prices | None = None) -> None:
        self.module, self.prices = program.module, prices
        main = find_function(self.module, "main")
        names = argument_attributes(main, "model.param")
        samples = _batch(program)
        kind = dtype or _main_dtype(main)
        counts = count_operations(main, [name is not None for name in names], kind)
        if not counts:
            raise ModelError(f"{name} computes nothing that a cost could be told for")
        self.stretch = repeated([count.key for count in counts])
        total = sum(count.parameters for count in counts)
        super().__init__(name, kind, self.stretch.count, total, 1, samples=samples)
        self.counts: dict[int, list[Count]] = {1: counts}

    def refusal(self, cut: Cut) -> str:
        if cut.samples % self.samples:
            return f"the model was exported for batches of {self.samples}, which {cut.samples} is no multiple of"
        if cut.sequence:
            return "a traced model is cut by its tensors only"
        if cut.tensor > 1 and self.prices is None:
            return "the system has no link between devices"
        return ""

    def cut_counts(self, tensor: int) -> list[Count]:
        """Operations of one of `tensor` ranks."""
        found = self.counts.get(tensor)
        if found is None:
            from stratagem.compiler.passes.partition_program import partition

            assert self.prices is not None, "a refused cut"
            _, module = partition(clone_module(self.module), self.prices, "tensor", tensor, False)
            main = find_function(module, "main")
            parameters = [name is not None for name in argument_attributes(main, "model.param")]
            found = self.counts[tensor] = count_operations(main, parameters, self.dtype)
        return found

    def make(self, cut: Cut) -> tuple[Block, Block, Block]:
        """The stretch before the layers, the mean layer, and what follows them.

        Where cutting makes layers unequal, all of the program is shared out evenly among them.
        """
        counts = self.cut_counts(cut.tensor)
        stretch = repeated([count.key for count in counts])
        scale = cut.samples / self.samples
        if stretch.count != self.layers:
            whole = _block(counts, scale)
            layer = Block(whole.steps, whole.parameters, whole.boundary, share=1 / self.layers)
            return Block((), 0.0, 0.0), layer, Block((), 0.0, 0.0)
        first, last = stretch.start, stretch.start + stretch.count * stretch.length
        layers = _block(counts[first : first + stretch.length], scale)
        mean = sum(count.parameters for count in counts[first:last]) / stretch.count
        layer = Block(layers.steps, mean, layers.boundary)
        return _block(counts[:first], scale), layer, _block(counts[last:], scale)


def traced_workload(name: str, program: Program, system: System, member: str = "", dtype: str = "") -> TracedWorkload:
    """A program as a workload of `member`, cut by the rates of its devices and of the network next to them."""
    from stratagem.compiler.sharding.rules import Prices

    kind = dtype or _main_dtype(find_function(program.module, "main"))
    model = model_of(system, kind, member)
    prices = None
    if model.network.rungs:
        hop = model.network.rungs[0].hop
        prices = Prices(2.0 / model.kernels.device.peak, 1.0 / hop.bandwidth, hop.latency)
    return TracedWorkload(name, program, kind, prices)


def repeated(keys: list[Any]) -> Stretch:
    """The stretch of equal parts that covers most of a list, shortest parts first; all of it, once, without one."""
    best = Stretch(0, len(keys), 1)
    covered = 0
    for length in range(1, len(keys) // 2 + 1):
        run = 0
        for end in range(length, len(keys) + 1):
            if end < len(keys) and keys[end] == keys[end - length]:
                run += 1
                continue
            count = run // length + 1
            if count > 1 and count * length > covered:
                covered = count * length
                best = Stretch(end - run - length, length, count)
            run = 0
    return best


def _block(counts: list[Count], scale: float) -> Block:
    steps = tuple(_step(count, scale) for count in counts)
    boundary = counts[-1].written * scale if counts else 0.0
    return Block(steps, sum(count.parameters for count in counts), boundary)


def _step(count: Count, scale: float) -> Step:
    if count.primitive:
        whole = max(count.moved - count.written, count.written) * scale  # read or made, whichever is all of it
        return Exchange(count.primitive, whole, MIRRORS[count.primitive])
    moved, saved = count.fixed + count.moved * scale, count.saved * scale
    if not count.shape:
        backward = 2 * moved if count.moved else 0.0
        return Stream(count.name, moved, backward, count.simple * scale, count.special * scale, saved)
    batch, rows, columns, depth = count.shape
    if count.weights:
        rows = round(rows * scale)
    else:
        batch = round(batch * scale)
    return Product(count.name, batch, rows, columns, depth, count.weights, saved, beside=moved)


def _batch(program: Program) -> int:
    """Samples that the program takes at a time: the first size of its first input that has one."""
    signature = signature_of(program.module)
    shapes: list[list[int]] = []
    for spec in (*signature.inputs, *signature.outputs):
        known = [size for size in spec.shape if size is not None]
        if len(known) != len(spec.shape):
            raise ModelError(
                f"'{spec.name}' has free sizes {list(spec.shape)}, and a cost needs them all",
                hint="export the model with fixed shapes; for an ONNX file, give --input-shape",
            )
        shapes.append(known)
    first = next((shape for shape in shapes[: len(signature.inputs)] if shape), [1])
    return max(1, first[0])


def _main_dtype(main: Any) -> str:
    """The float type of most parameters and inputs, by elements."""
    from stratagem.compiler.cost.counting import elements, float_type

    weight: dict[str, float] = {}
    for argument in main.regions[0].blocks[0].arguments:
        kind = float_type(argument.type)
        if kind:
            weight[kind] = weight.get(kind, 0.0) + elements(argument.type)
    return max(weight, key=lambda kind: weight[kind], default="f32")
