"""LSTM, GRU and RNN as a Scan of plain operators.

The products with the inputs do not depend on the state, so they are done for all steps at once, before the
loop. Per direction, with `X` of shape [seq, batch, input]:

    G = X @ W^T + Wb (+ Rb)          [seq, batch, gates * hidden]
    Scan over G: state H (and C) -> H', stacked into [seq, batch, hidden]

Gate order and equations are those of the operators' documentation (LSTM iofc, GRU zrh).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from stratagem.compiler.frontends.onnx.activations import activation_node, default_activations
from stratagem.compiler.frontends.onnx.graph import Graph, attributes, describe, node
from stratagem.compiler.frontends.onnx.writer import Writer
from stratagem.runtime.errors import UnsupportedError

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_FLOATS = {1, 10, 11, 16}


@dataclass(frozen=True)
class _Cell:
    """What one direction of a recurrent node needs to know."""

    kind: str
    element: int
    hidden: int
    activations: Sequence[Any]
    clip: float | None
    coupled: bool  # LSTM: the forget gate is one minus the input gate
    reset_after: bool  # GRU: the reset gate applies after the product with the state


def unroll_recurrence(graph: Graph, one: Any) -> Sequence[Any] | None:
    """The nodes that replace an LSTM, GRU or RNN."""
    given = attributes(one)
    kind = graph.type_of(one.input[0])
    weights = graph.shape_of(one.input[2])
    if kind is None or kind.shape is None or len(kind.shape) != 3 or weights is None or not isinstance(weights[2], int):
        return None
    if kind.element not in _FLOATS:
        raise UnsupportedError(f"{describe(one)} works on integers", hint="recurrent nodes take float tensors")
    hidden = weights[2]
    write = Writer(graph, one.name or one.output[0])
    values = [*one.input, *[""] * (8 - len(one.input))]
    x = write.op("Transpose", values[0], perm=[1, 0, 2]) if given.get("layout", 0) else values[0]
    _equate_batches(graph, x, values, bool(given.get("layout", 0)))
    directions = {"forward": [0], "reverse": [1], "bidirectional": [0, 1]}[given.get("direction", "forward")]
    sequences, last_h, last_c = [], [], []
    for i, backwards in enumerate(directions):
        cell = _cell(one.op_type, kind.element, hidden, given, i, len(directions))
        states = _initial_states(write, one.op_type, x, values, i, hidden, kind.element, bool(given.get("layout", 0)))
        operands = _Operands(write, cell, values, i)
        results = _run_direction(write, operands, x, states, values[4], bool(backwards))
        sequences.append(results[-1])
        last_h.append(results[0])
        last_c.append(results[1] if len(results) > 2 else "")
    _write_outputs(write, one, sequences, last_h, last_c, bool(given.get("layout", 0)))
    return write.nodes


def _equate_batches(graph: Graph, x: str, values: list[str], layout: bool) -> None:
    """Lengths and initial states have the inputs' batch size."""
    for position in (4, 5, 6):
        if values[position]:
            at = 0 if position == 4 or layout else 1
            graph.equal_sizes.append(((x, 1), (values[position], at)))


def _cell(kind: str, element: int, hidden: int, given: dict[str, Any], direction: int, count: int) -> _Cell:
    chosen = default_activations(kind, given, direction, count)
    return _Cell(
        kind,
        element,
        hidden,
        chosen,
        given.get("clip"),
        bool(given.get("input_forget", 0)),
        bool(given.get("linear_before_reset", 0)),
    )


class _Operands:
    """One direction's weights, each as the name of a matrix or vector."""

    def __init__(self, write: Writer, cell: _Cell, values: list[str], direction: int) -> None:
        self.write, self.cell, self.direction = write, cell, direction
        size = GATES[cell.kind] * cell.hidden
        self.w = write.op("Transpose", self._pick(values[1]), perm=[1, 0])
        self.r = write.op("Transpose", self._pick(values[2]), perm=[1, 0])
        both = self._pick(values[3]) if values[3] else ""
        self.wb = write.slice(both, 0, 0, size) if both else ""
        self.rb = write.slice(both, 0, size, 2 * size) if both else ""
        self.peepholes = self._pick(values[7]) if cell.kind == "LSTM" and values[7] else ""

    def _pick(self, value: str) -> str:
        return self.write.op("Gather", value, self.write.index(self.direction), axis=0)


def _initial_states(
    write: Writer,
    kind: str,
    x: str,
    values: list[str],
    direction: int,
    hidden: int,
    element: int,
    layout: bool,
) -> list[str]:
    """[batch, hidden] for H, and for C in an LSTM; zeros when not given."""
    found = []
    for position in (5, 6) if kind == "LSTM" else (5,):
        if values[position]:
            found.append(write.op("Gather", values[position], write.index(direction), axis=1 if layout else 0))
            continue
        batch = write.op("Shape", x, start=1, end=2)
        shape = write.op("Concat", batch, write.ints(hidden), axis=0)
        dtype = helper.tensor_dtype_to_np_dtype(element)
        zero = write.graph.add_constant(f"{write.label}/zero", np.zeros((), dtype))
        found.append(write.op("Expand", zero, shape))
    return found


def _run_direction(
    write: Writer, operands: _Operands, x: str, states: list[str], lengths: str, backwards: bool
) -> list[str]:
    """Final states, then the stacked H of every step in the order of time."""
    source, turned = x, False
    steps = _step_numbers(write, x, lengths) if lengths else ""
    if lengths and backwards:
        source, turned = _reverse_sequence(write, x, steps, lengths), True
    gates = write.op("MatMul", source, operands.w)
    for bias in (operands.wb, operands.rb if _adds_early(operands.cell) else ""):
        gates = write.op("Add", gates, bias) if bias else gates
    scanned = [gates]
    if lengths:
        valid = write.op("Less", steps, write.op("Unsqueeze", write.op("Cast", lengths, to=7), write.ints(0)))
        scanned.append(write.op("Unsqueeze", valid, write.ints(2)))
    outputs = [write.graph.new_name(f"{write.label}/state") for _ in states]
    stacked = write.graph.new_name(f"{write.label}/sequence")
    body = _step_body(write, operands, len(states), masked=bool(lengths))
    turn = [int(backwards and not turned)]
    write.nodes.append(
        node(
            "Scan",
            [*states, *scanned],
            [*outputs, stacked],
            write.label,
            body=body,
            num_scan_inputs=len(scanned),
            scan_input_directions=turn * len(scanned),
            scan_output_directions=turn,
        )
    )
    return [*outputs, _reverse_sequence(write, stacked, steps, lengths) if turned else stacked]


def _adds_early(cell: _Cell) -> bool:
    """Whether the state's bias may join the input's; not when a GRU's reset gate multiplies it."""
    return not (cell.kind == "GRU" and cell.reset_after)


def _step_numbers(write: Writer, x: str, lengths: str) -> str:
    """0, 1, 2 ... as [seq, 1]."""
    count = write.op("Squeeze", write.op("Shape", x, start=0, end=1), write.ints(0))
    steps = write.op("Range", write.index(0), count, write.index(1))
    return write.op("Unsqueeze", steps, write.ints(1))


def _reverse_sequence(write: Writer, x: str, steps: str, lengths: str) -> str:
    """[seq, batch, n] with the first `lengths[b]` steps of each batch entry turned round."""
    limits = write.op("Unsqueeze", write.op("Cast", lengths, to=7), write.ints(0))
    last = write.op("Sub", limits, write.index(1))
    turned = write.op("Where", write.op("Less", steps, limits), write.op("Sub", last, steps), steps)
    spread = write.op("Expand", write.op("Unsqueeze", turned, write.ints(2)), write.op("Shape", x))
    write.graph.equal_sizes += [((spread, i), (x, i)) for i in range(2)]
    return write.op("GatherElements", x, spread, axis=0)


def _step_body(write: Writer, operands: _Operands, states: int, masked: bool) -> Any:
    """One step: (H[, C], gates[, valid]) -> (H'[, C'], H' as output)."""
    inner = Writer(write.graph, write.label)
    names = [write.graph.new_name(f"{write.label}/{n}") for n in ("h", "c", "g", "valid")]
    h, c, g, valid = names
    if operands.cell.kind == "LSTM":
        new = _lstm_step(inner, operands, h, c, g)
    elif operands.cell.kind == "GRU":
        new = [_gru_step(inner, operands, h, g)]
    else:
        new = [_rnn_step(inner, operands, h, g)]
    out = new[0]
    if masked:
        zero = inner.op("Sub", h, h)
        out = inner.op("Where", valid, new[0], zero)
        new = [inner.op("Where", valid, n, old) for n, old in zip(new, (h, c), strict=False)]
    results = [inner.op("Identity", n) for n in [*new, out]]
    element = operands.cell.element
    inputs = [helper.make_tensor_value_info(n, element, None) for n in [h, c][:states] + [g]]
    if masked:
        inputs.append(helper.make_tensor_value_info(valid, onnx.TensorProto.BOOL, None))
    outputs = [helper.make_tensor_value_info(n, element, None) for n in results]
    return helper.make_graph(inner.nodes, f"{write.label}/step", inputs, outputs)


def _clipped(w: Writer, cell: _Cell, value: str) -> str:
    if cell.clip is None:
        return value
    low, high = (w.graph.add_constant(f"{w.label}/clip", np.array(v, np.float32)) for v in (-cell.clip, cell.clip))
    return w.op("Clip", value, low, high)


def _act(w: Writer, cell: _Cell, which: int, value: str) -> str:
    return activation_node(w.op, w.graph, w.label, cell.activations[which], _clipped(w, cell, value))


def _lstm_step(w: Writer, operands: _Operands, h: str, c: str, g: str) -> list[str]:
    cell, n = operands.cell, operands.cell.hidden
    total = w.op("Add", g, w.op("MatMul", h, operands.r))
    i, o, f, z = (w.slice(total, 1, k * n, (k + 1) * n) for k in range(4))
    p = operands.peepholes
    peep = [w.slice(p, 0, k * n, (k + 1) * n) for k in range(3)] if p else []
    if peep:
        i, f = w.op("Add", i, w.op("Mul", peep[0], c)), w.op("Add", f, w.op("Mul", peep[2], c))
    i = _act(w, cell, 0, i)
    if cell.coupled:
        one = w.op("Cast", w.graph.add_constant(f"{w.label}/one", np.array(1, np.float32)), to=cell.element)
        f = w.op("Sub", one, i)
    else:
        f = _act(w, cell, 0, f)
    new_c = w.op("Add", w.op("Mul", f, c), w.op("Mul", i, _act(w, cell, 1, z)))
    if peep:
        o = w.op("Add", o, w.op("Mul", peep[1], new_c))
    new_h = w.op("Mul", _act(w, cell, 0, o), activation_node(w.op, w.graph, w.label, cell.activations[2], new_c))
    return [new_h, new_c]


def _gru_step(w: Writer, operands: _Operands, h: str, g: str) -> str:
    cell, n = operands.cell, operands.cell.hidden
    if cell.reset_after:
        product = w.op("MatMul", h, operands.r)
        product = w.op("Add", product, operands.rb) if operands.rb else product
        gates = w.op("Add", w.slice(g, 1, 0, 2 * n), w.slice(product, 1, 0, 2 * n))
        candidate = w.slice(product, 1, 2 * n, 3 * n)
    else:
        gates = w.op("Add", w.slice(g, 1, 0, 2 * n), w.op("MatMul", h, w.slice(operands.r, 1, 0, 2 * n)))
        candidate = ""
    z, r = (_act(w, cell, 0, w.slice(gates, 1, k * n, (k + 1) * n)) for k in range(2))
    if cell.reset_after:
        memory = w.op("Mul", r, candidate)
    else:
        memory = w.op("MatMul", w.op("Mul", r, h), w.slice(operands.r, 1, 2 * n, 3 * n))
    new = _act(w, cell, 1, w.op("Add", w.slice(g, 1, 2 * n, 3 * n), memory))
    return w.op("Add", new, w.op("Mul", z, w.op("Sub", h, new)))  # (1 - z) * new + z * h


def _rnn_step(w: Writer, operands: _Operands, h: str, g: str) -> str:
    return _act(w, operands.cell, 0, w.op("Add", g, w.op("MatMul", h, operands.r)))


def _write_outputs(
    write: Writer, one: Any, sequences: list[str], last_h: list[str], last_c: list[str], layout: bool
) -> None:
    """Y [seq, directions, batch, hidden], Y_h and Y_c [directions, batch, hidden]; batch first under
    `layout`.
    """
    names = [*one.output, *[""] * (3 - len(one.output))]
    if names[0]:
        axis = write.ints(1)
        joined = [write.op("Unsqueeze", s, axis) for s in sequences]
        whole = write.op("Concat", *joined, axis=1) if len(joined) > 1 else joined[0]
        whole = write.op("Transpose", whole, perm=[2, 0, 1, 3]) if layout else whole
        write.nodes.append(node("Identity", [whole], [names[0]], write.label))
    for name, states in ((names[1], last_h), (names[2], last_c)):
        if name:
            place = 1 if layout else 0
            joined = [write.op("Unsqueeze", s, write.ints(place)) for s in states]
            whole = write.op("Concat", *joined, axis=place) if len(joined) > 1 else joined[0]
            write.nodes.append(node("Identity", [whole], [name], write.label))
