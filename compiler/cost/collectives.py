"""Seconds of collectives by latency and bandwidth, for each algorithm and topology, best of those a system allows.

The model is alpha-beta (Hockney 1994): a message of B bytes takes `alpha + B * beta`. Sources of the formulas:
Thakur, Rabenseifner, Gropp, "Optimization of Collective Communication Operations in MPICH", IJHPCA 2005 (ring,
recursive doubling, reduce-scatter then all-gather); Sanders, Speck, Traeff, "Two-Tree Algorithms for Full Bandwidth
Broadcast, Reduction and Scan", Parallel Computing 2009 (pipelined trees, as in NCCL); Graham et al., "Scalable
Hierarchical Aggregation Protocol", COMHPC 2016 (reduction in switches); Jouppi et al., "TPU v4", ISCA 2023 (rings
along the dimensions of a torus).

Bytes are those of the whole vector: what every rank has after an all_gather, before a reduce_scatter, or gives to an
all_reduce or an all_to_all (its own part and what it sends together).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

RINGS = ("ring", "torus", "mesh")
"""Topologies with links to neighbours only."""


@dataclass(frozen=True)
class Hop:
    """One tier as a group of ranks sees it.

    Attributes:
        tier: its name. ranks: members of the group joined here. bandwidth: B/s each sends and receives.
        latency: s of a message. topology: of the tier. occupies: share of compute units that transfers keep busy.
        reduces: primitives whose reduction the network does itself. bus: measured bus bandwidth by primitive, which
        then stands in place of `bandwidth` and of the algorithm.
    """

    tier: str
    ranks: int
    bandwidth: float
    latency: float
    topology: str = "switch"
    occupies: float = 0.0
    reduces: tuple[str, ...] = ()
    bus: tuple[tuple[str, float], ...] = ()


Formula = Callable[[float, int, float, float], float]
"""(bytes, ranks, seconds per byte, seconds per message) -> seconds."""


def _share(ranks: int) -> float:
    return (ranks - 1) / ranks


def ring_reduce_scatter(size: float, ranks: int, beta: float, alpha: float) -> float:
    """n - 1 steps of one part each. The same for all_gather."""
    return (ranks - 1) * alpha + _share(ranks) * size * beta


def ring_all_reduce(size: float, ranks: int, beta: float, alpha: float) -> float:
    """Reduce-scatter, then all-gather: 2 (n - 1) / n of the vector, which no algorithm without help can beat."""
    return 2 * ring_reduce_scatter(size, ranks, beta, alpha)


def ring_broadcast(size: float, ranks: int, beta: float, alpha: float) -> float:
    """A pipeline through all ranks, cut into the best number of pieces."""
    return pipelined(size, ranks - 1, beta, alpha)


def pipelined(size: float, depth: int, beta: float, alpha: float) -> float:
    """A vector through a chain of `depth` links in c pieces, `(depth - 1 + c) (alpha + size beta / c)`, the best c."""
    pieces = max(1.0, math.sqrt((depth - 1) * size * beta / alpha)) if alpha else 1e9
    return (depth - 1 + pieces) * (alpha + size * beta / pieces)


def tree_broadcast(size: float, ranks: int, beta: float, alpha: float) -> float:
    """Two trees of half the vector each, in the best number of pieces."""
    return pipelined(size, _levels(ranks), beta, alpha)


def tree_all_reduce(size: float, ranks: int, beta: float, alpha: float) -> float:
    """Up the two trees and down again."""
    return 2 * tree_broadcast(size, ranks, beta, alpha)


def doubling_all_gather(size: float, ranks: int, beta: float, alpha: float) -> float:
    """log2 n steps, each twice as large; halving backwards for reduce_scatter."""
    return _levels(ranks) * alpha + _share(ranks) * size * beta


def doubling_all_reduce(size: float, ranks: int, beta: float, alpha: float) -> float:
    """The whole vector log2 n times (short vectors), or halving and doubling (long ones, Rabenseifner).

    Ranks beyond a power of two hand their vector to a neighbour first and get the result last.
    """
    levels = int(math.log2(ranks))
    extra = 0.0 if 2**levels == ranks else 2 * (alpha + size * beta)
    halving = 2 * levels * alpha + 2 * _share(2**levels) * size * beta
    return extra + min(levels * (alpha + size * beta), halving)


def direct_exchange(size: float, ranks: int, beta: float, alpha: float) -> float:
    """n - 1 messages, to each other rank its own."""
    return (ranks - 1) * alpha + _share(ranks) * size * beta


def direct_all_gather(size: float, ranks: int, beta: float, alpha: float) -> float:
    """Every rank sends its part to all others at once: one latency, the same bytes through every link."""
    return alpha + _share(ranks) * size * beta


def direct_broadcast(size: float, ranks: int, beta: float, alpha: float) -> float:
    """The root sends the vector to each other rank."""
    return alpha + (ranks - 1) * size * beta


def network_all_reduce(size: float, ranks: int, beta: float, alpha: float) -> float:
    """Every rank sends its vector once and receives the sum once, both at the same time."""
    return 2 * alpha + size * beta


def network_part(size: float, ranks: int, beta: float, alpha: float) -> float:
    """One way only: vectors go up and parts come down, or parts go up and the vector comes down."""
    return alpha + size * beta


def host_gather(size: float, ranks: int, beta: float, alpha: float) -> float:
    """All parts through the host's link; scatter is the same the other way."""
    return alpha + size * beta


def host_all_gather(size: float, ranks: int, beta: float, alpha: float) -> float:
    """Parts to the host, the whole vector to each rank."""
    return 2 * alpha + (1 + ranks) * size * beta


def host_reduce_scatter(size: float, ranks: int, beta: float, alpha: float) -> float:
    """Each rank's vector to the host, parts back."""
    return 2 * alpha + (ranks + 1) * size * beta


def host_all_reduce(size: float, ranks: int, beta: float, alpha: float) -> float:
    """Each rank's vector to the host and the sum back to each."""
    return 2 * alpha + 2 * ranks * size * beta


def host_broadcast(size: float, ranks: int, beta: float, alpha: float) -> float:
    """The vector from the host to each rank."""
    return alpha + ranks * size * beta


def message(size: float, ranks: int, beta: float, alpha: float) -> float:
    """One message."""
    return alpha + size * beta


def host_message(size: float, ranks: int, beta: float, alpha: float) -> float:
    """To the host and on."""
    return 2 * (alpha + size * beta)


def barrier(size: float, ranks: int, beta: float, alpha: float) -> float:
    """Up a tree and down again, without data."""
    return 2 * _levels(ranks) * alpha


FORMULAS: Mapping[str, Mapping[str, Formula]] = {
    "all_reduce": {
        "ring": ring_all_reduce,
        "tree": tree_all_reduce,
        "recursive-doubling": doubling_all_reduce,
        "direct": lambda s, n, b, a: direct_exchange(s, n, b, a) + direct_all_gather(s, n, b, a),
        "in-network": network_all_reduce,
        "host": host_all_reduce,
    },
    "all_gather": {
        "ring": ring_reduce_scatter,
        "recursive-doubling": doubling_all_gather,
        "direct": direct_all_gather,
        "in-network": network_part,
        "host": host_all_gather,
    },
    "reduce_scatter": {
        "ring": ring_reduce_scatter,
        "recursive-doubling": doubling_all_gather,
        "direct": direct_exchange,
        "in-network": network_part,
        "host": host_reduce_scatter,
    },
    "broadcast": {
        "ring": ring_broadcast,
        "tree": tree_broadcast,
        "direct": direct_broadcast,
        "in-network": network_part,
        "host": host_broadcast,
    },
    "all_to_all": {"direct": direct_exchange, "ring": direct_exchange, "host": host_all_gather},
    "scatter": {"direct": direct_exchange, "tree": doubling_all_gather, "host": host_gather},
    "gather": {"direct": direct_exchange, "tree": doubling_all_gather, "host": host_gather},
    "send_recv": {"direct": message, "ring": message, "host": host_message},
    "barrier": {"tree": barrier, "direct": barrier, "recursive-doubling": barrier},
}
"""primitive -> algorithm -> formula. What is not here, an algorithm cannot do."""


def hop_seconds(primitive: str, algorithms: tuple[str, ...], size: float, hop: Hop) -> float:
    """Seconds of a primitive among the ranks of one tier, by the best algorithm; inf where none of them can do it."""
    if hop.ranks <= 1:
        return 0.0
    bus = dict(hop.bus).get(primitive)
    if bus:
        factor = 2 if primitive == "all_reduce" else 1
        return factor * (hop.latency + _share(hop.ranks) * size / bus)
    times = (_seconds(primitive, name, size, hop) for name in algorithms)
    return min(times, default=math.inf)


def _seconds(primitive: str, algorithm: str, size: float, hop: Hop) -> float:
    formula = FORMULAS[primitive].get(algorithm)
    if formula is None or (algorithm == "in-network" and primitive not in hop.reduces):
        return math.inf
    beta = 1 / hop.bandwidth
    if hop.topology in RINGS:
        beta *= _congestion(primitive, algorithm, hop)
    elif hop.topology == "bus" and algorithm not in ("host", "in-network"):
        beta *= hop.ranks  # everyone's messages share one medium
    return formula(size, hop.ranks, beta, hop.latency)


def _congestion(primitive: str, algorithm: str, hop: Hop) -> float:
    """How many messages share a link where only neighbours are joined: mean distance over directions.

    A ring uses both directions at once. Others go round a ring of n in n / 4 hops on average (n / 3 along a line).
    """
    directions = 1 if hop.topology == "mesh" else 2
    if algorithm == "ring" and primitive not in ("all_to_all",):
        return 1 / directions
    distance = hop.ranks / (3 if hop.topology == "mesh" else 4)
    return max(1.0, distance) / directions


def group_seconds(primitive: str, algorithms: tuple[str, ...], size: float, hops: tuple[Hop, ...]) -> float:
    """Seconds of a primitive in a group that spans tiers (innermost first), flat or tier by tier, whichever is faster.

    Tier by tier, an all_reduce is a reduce_scatter inside, an all_reduce of the parts outside, and an all_gather
    inside; n = 1 is free. inf where the algorithms cannot do it.
    """
    hops = tuple(hop for hop in hops if hop.ranks > 1)
    if not hops or (size <= 0 and primitive != "barrier"):
        return 0.0
    if len(hops) == 1:
        return hop_seconds(primitive, algorithms, size, hops[0])
    if all(hop.topology in ("ring", "torus") for hop in hops) and "ring" in algorithms:
        return min(_torus(primitive, size, hops), _layered(primitive, algorithms, size, hops))
    return min(hop_seconds(primitive, algorithms, size, flat(hops)), _layered(primitive, algorithms, size, hops))


def flat(hops: tuple[Hop, ...]) -> Hop:
    """A group over several tiers as one ring or tree: all ranks of an inner group send outwards side by side."""
    inner, bandwidth = 1, math.inf
    for hop in hops:
        bandwidth = min(bandwidth, hop.bandwidth * inner)
        inner *= hop.ranks
    slowest = max(hops, key=lambda hop: hop.latency)
    reduces = tuple(name for name in hops[0].reduces if all(name in hop.reduces for hop in hops))
    return replace(slowest, ranks=inner, bandwidth=bandwidth, reduces=reduces, bus=())


def _layered(primitive: str, algorithms: tuple[str, ...], size: float, hops: tuple[Hop, ...]) -> float:
    inner, outer = hops[0], hops[1:]

    def inside(name: str, amount: float) -> float:
        return hop_seconds(name, algorithms, amount, inner)

    if primitive == "all_reduce":
        parts = inside("reduce_scatter", size) + inside("all_gather", size)
        return parts + group_seconds(primitive, algorithms, size / inner.ranks, outer)
    if primitive in ("all_gather", "reduce_scatter"):
        return group_seconds(primitive, algorithms, size / inner.ranks, outer) + inside(primitive, size)
    if primitive in ("broadcast", "barrier", "all_to_all"):
        return group_seconds(primitive, algorithms, size, outer) + inside(primitive, size)
    if primitive in ("scatter", "gather"):
        return group_seconds(primitive, algorithms, size, outer) + inside(primitive, size / _ranks(outer))
    return max(hop_seconds(primitive, algorithms, size, hop) for hop in hops)  # send_recv: as far as it goes


def _torus(primitive: str, size: float, hops: tuple[Hop, ...]) -> float:
    """Rings along each dimension in turn, the vector cut so that every dimension is busy all the time.

    The links of all dimensions work at once, so bandwidths add up; latencies of the rings follow each other.
    """
    factor = {"all_reduce": 2, "all_gather": 1, "reduce_scatter": 1}.get(primitive)
    if factor is None:
        return math.inf
    together = sum(2 * hop.bandwidth for hop in hops)
    steps = sum((hop.ranks - 1) * hop.latency for hop in hops)
    return factor * (steps + _share(_ranks(hops)) * size / together)


def _ranks(hops: tuple[Hop, ...]) -> int:
    return math.prod(hop.ranks for hop in hops)


def _levels(ranks: int) -> int:
    """Levels of a binary tree over `ranks`, the root not counted."""
    return max(1, math.ceil(math.log2(ranks)))
