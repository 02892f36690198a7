"""`tensor.extract` inside a generic body: a load from computed indices, as in an embedding."""

from __future__ import annotations

from collections.abc import Sequence

from stratagem.compiler.backends.gpu.printer.body import Lanes
from stratagem.compiler.backends.gpu.printer.function_writer import FunctionWriter
from stratagem.compiler.backends.gpu.printer.memory import elements, mask_text, strides
from stratagem.compiler.backends.gpu.printer.scalars import INT32_MAX, constant, without_parentheses
from stratagem.compiler.backends.gpu.printer.structured import Iteration
from stratagem.compiler.backends.gpu.printer.values import Shaped, View
from stratagem.runtime.errors import UnsupportedError


def print_gather(
    source: Shaped,
    at: Sequence[Lanes],
    conditions: Sequence[Lanes],
    iteration: Iteration,
    writer: FunctionWriter,
) -> Lanes:
    """Loads one element per lane from a whole tensor.

    Lanes past the iteration sizes and those for which an asserted condition fails load nothing: a wrong
    index is reported by its assertion, it must not fault first.
    """
    if not isinstance(source, View) or any(o.constant != 0 for o in source.offsets) or None in source.axes:
        raise UnsupportedError(
            "the GPU backend extracts elements from whole tensors in memory only",
            hint="pass the tensor to the kernel as an argument",
        )
    steps = strides(source.buffer, writer)
    wide = elements(source.buffer.shape) > INT32_MAX
    terms = []
    for lanes, axis in zip(at, source.axes, strict=True):
        assert axis is not None
        index = f"tl.cast({lanes.text}, tl.int64)" if wide and lanes.literal is None else lanes.text
        terms.append(index if steps[axis] == constant(1) else f"{index} * {writer.show(steps[axis])}")
    axes = frozenset().union(*(lanes.axes for lanes in at)) if at else frozenset()
    parts = [mask_text(iteration.sizes, writer, only=sorted(axes))]
    parts += [f"({c.text})" for c in conditions if c.axes <= axes]
    mask = " & ".join(p for p in parts if p)
    guard = f", mask={without_parentheses(mask)}, other=0" if mask else ""
    name = writer.assign("x", f"tl.load({' + '.join([writer.pointer(source.buffer), *terms])}{guard})")
    return Lanes(name, axes, source.element, source.element)
