"""Seconds of one block on one device: forward, backward, recomputation, and its exchanges."""

from __future__ import annotations

from dataclasses import dataclass

from stratagem.compiler.cost.kernels import NOTHING, Kernels, Spent
from stratagem.compiler.cost.network import Network
from stratagem.compiler.cost.workload import Block, Exchange, Product, Stream


@dataclass(frozen=True)
class BlockCost:
    """One block, one microbatch, one device.

    Attributes:
        forward, backward: seconds of kernels. again: seconds of kernels that recomputation adds. forward_exchange,
        backward_exchange, again_exchange: seconds of collectives that are not hidden. saved: bytes kept until the
        backward pass; state: bytes that inference keeps. working: most bytes that recomputation holds at a time.
        parameters: on this device. weights: how many matrices they are.
        flops, moved, sent: operations of products, bytes through main memory, bytes sent, of a forward and a
        backward pass with what is computed again; `forward_*` of the forward pass alone.
    """

    forward: Spent
    backward: Spent
    again: Spent
    forward_exchange: float
    backward_exchange: float
    again_exchange: float
    saved: float
    working: float
    parameters: float
    boundary: float
    flops: float
    moved: float
    sent: float
    forward_flops: float
    forward_moved: float
    forward_sent: float
    state: float
    weights: int


@dataclass
class _Sum:
    """What is added up along a block."""

    forward: Spent = NOTHING
    backward: Spent = NOTHING
    core: Spent = NOTHING
    forward_exchange: float = 0.0
    backward_exchange: float = 0.0
    hidden: float = 0.0
    weight_gradients: float = 0.0
    saved: float = 0.0
    core_saved: float = 0.0
    forward_flops: float = 0.0
    core_flops: float = 0.0
    forward_moved: float = 0.0
    backward_moved: float = 0.0
    core_moved: float = 0.0
    forward_sent: float = 0.0
    backward_sent: float = 0.0


def block_cost(
    block: Block, kernels: Kernels, network: Network, ranks: int, recompute: str, overlap: bool
) -> BlockCost:
    """Costs a block in a tensor-parallel group of `ranks` neighbours.

    Backward exchanges that may be hidden run beside the gradients of weights, and slow them by the units they occupy;
    what these do not cover is exposed. Full recomputation repeats the forward pass with its exchanges and keeps the
    block's boundary only.
    """
    total = _Sum()
    for step in block.steps:
        if isinstance(step, Product):
            _product(total, step, kernels)
        elif isinstance(step, Stream):
            _stream(total, step, kernels)
        else:
            _exchange(total, step, kernels, network, ranks, overlap)
    beside = min(total.hidden, total.weight_gradients) * network.occupied(ranks, 1)
    exposed = total.backward_exchange + max(0.0, total.hidden - total.weight_gradients) + beside
    again, again_exchange, again_flops, again_moved, again_sent = NOTHING, 0.0, 0.0, 0.0, 0.0
    saved, working = total.saved, 0.0
    if recompute == "selective":
        again, again_flops, again_moved = total.core, total.core_flops, total.core_moved
        saved, working = total.saved - total.core_saved, total.core_saved
    elif recompute == "full":
        again, again_exchange = total.forward, total.forward_exchange
        again_flops, again_moved, again_sent = total.forward_flops, total.forward_moved, total.forward_sent
        saved, working = block.boundary, total.saved
    part = block.share
    return BlockCost(
        total.forward.times(part),
        total.backward.times(part),
        again.times(part),
        total.forward_exchange * part,
        exposed * part,
        again_exchange * part,
        saved * part,
        working * part,
        block.parameters * part,
        block.boundary,
        flops=(3 * total.forward_flops + again_flops) * part,
        moved=(total.forward_moved + total.backward_moved + again_moved) * part,
        sent=(total.forward_sent + total.backward_sent + again_sent) * part,
        forward_flops=total.forward_flops * part,
        forward_moved=total.forward_moved * part,
        forward_sent=total.forward_sent * part,
        state=block.state,
        weights=sum(isinstance(step, Product) and step.weights for step in block.steps),
    )


def _product(total: _Sum, step: Product, kernels: Kernels) -> None:
    spent = kernels.product(step.batch, step.rows, step.columns, step.depth, step.on_chip)
    inputs = kernels.product(step.batch, step.rows, step.depth, step.columns, step.on_chip)
    weights = kernels.product(step.batch, step.depth, step.columns, step.rows, step.on_chip)
    if step.beside:
        behind = Spent(memory=step.beside / kernels.device.memory)
        spent, inputs = spent + behind, inputs + behind.times(2)
    flops = 2.0 * step.batch * step.rows * step.columns * step.depth
    sides = step.rows * step.depth + step.depth * step.columns + step.rows * step.columns - step.on_chip
    moved = step.batch * sides * kernels.device.element + step.beside
    total.forward += spent
    total.backward += inputs + weights
    total.weight_gradients += weights.total if step.weights else 0.0
    total.saved += step.saved
    total.forward_flops += flops
    total.forward_moved += moved
    total.backward_moved += 2 * moved
    if step.core:
        total.core += spent
        total.core_flops += flops
        total.core_moved += moved


def _stream(total: _Sum, step: Stream, kernels: Kernels) -> None:
    spent = kernels.stream(step.moved, step.simple, step.special)
    total.forward += spent
    total.backward += kernels.stream(step.backward, step.simple, step.special)
    total.saved += step.saved
    total.forward_moved += step.moved
    total.backward_moved += step.backward
    if step.core:
        total.core += spent
        total.core_saved += step.saved
        total.core_moved += step.moved


def _exchange(total: _Sum, step: Exchange, kernels: Kernels, network: Network, ranks: int, overlap: bool) -> None:
    launch = kernels.device.launch
    if step.primitive:
        total.forward_exchange += launch + network.seconds(step.primitive, step.size, ranks, 1)
        total.forward_sent += sent_bytes(step.primitive, step.size, ranks)
    if step.mirror:
        seconds = launch + network.seconds(step.mirror, step.size, ranks, 1)
        total.backward_sent += sent_bytes(step.mirror, step.size, ranks)
        if overlap and step.hidden:
            total.hidden += seconds
        else:
            total.backward_exchange += seconds


def sent_bytes(primitive: str, size: float, ranks: int) -> float:
    """Bytes that each rank sends at least: those of a ring."""
    if ranks <= 1:
        return 0.0
    return (2 if primitive == "all_reduce" else 1) * (ranks - 1) / ranks * size
