"""What messages between ranks take: latency and bandwidth of the links of a system, by ping-pong over MPI.

    mpiexec -n 2 stratagem hw probe --links -o hosts.yaml

The model is alpha-beta (Hockney, "The communication challenge for MPP", Parallel Computing 20, 1994): half a round trip
of an empty message, and what large ones take beyond it.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np

from stratagem.compiler.probe.found import Link
from stratagem.hwmodels import Device
from stratagem.hwmodels.dump import yaml_text
from stratagem.runtime.errors import ResourceError, UsageError

LARGE = 1 << 24
"""Bytes of the messages that bandwidth is measured with: large beside latency, small beside memory."""
ROUNDS = 200
"""Round trips of small messages; a tenth of them for large ones. The shortest counts."""
COLLECTIVES = {
    "broadcast": ["tree", "direct"],
    "scatter": ["direct"],
    "gather": ["direct"],
    "all_gather": ["ring", "direct"],
    "reduce_scatter": ["ring"],
    "all_reduce": ["ring", "recursive-doubling"],
    "all_to_all": ["direct"],
    "send_recv": ["direct"],
    "barrier": ["tree"],
}
"""What MPI libraries offer; the algorithms are those that they choose from."""


def measure_links() -> tuple[list[str], dict[str, Link]]:
    """The host of each rank, and links by where they lead: `inside` a host, `between` hosts. Ranks but 0 find none.

    Every rank must call it. Raises ResourceError without mpi4py, UsageError with one rank.
    """
    try:
        from mpi4py import MPI
    except ImportError:
        raise ResourceError(
            "links are measured over MPI, and mpi4py is not installed", hint="pip install 'stratagem[mpi]'"
        ) from None
    world = MPI.COMM_WORLD
    if world.size < 2:
        raise UsageError("a link has two ends, and this is one rank", hint="mpiexec -n 2 stratagem hw probe --links")
    hosts = world.allgather(MPI.Get_processor_name())
    partners = {"inside": next((r for r in range(1, world.size) if hosts[r] == hosts[0]), None)}
    partners["between"] = next((r for r in range(1, world.size) if hosts[r] != hosts[0]), None)
    found = {}
    for name, partner in partners.items():
        if partner is not None:
            link = _ping_pong(world, partner)
            if link is not None:
                found[name] = link
        world.Barrier()
    return hosts, found


def _ping_pong(world: Any, partner: int) -> Link | None:
    """Measures between rank 0 and `partner`; None on other ranks than 0."""
    if world.rank not in (0, partner):
        return None
    other = partner if world.rank == 0 else 0
    small = _half_trip(world, other, np.zeros(1, np.uint8), ROUNDS)
    large = _half_trip(world, other, np.ones(LARGE, np.uint8), ROUNDS // 10)
    return Link(small, LARGE / max(large - small, 1e-12)) if world.rank == 0 else None


def _half_trip(world: Any, other: int, data: Any, rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        if world.rank == 0:
            world.Send(data, other)
            world.Recv(data, other)
        else:
            world.Recv(data, other)
            world.Send(data, other)
        best = min(best, (time.perf_counter() - started) / 2)
    return best


def system_text(device: Device, hosts: list[str], links: dict[str, Link]) -> str:
    """The system that the ranks make up, with its device, as YAML documents."""
    each = Counter(hosts)
    tiers = []
    if len(each) > 1:
        tiers.append({"name": "network", "count": len(each), **_joint(links.get("between"))})
    if max(each.values()) > 1 or len(each) == 1:
        tiers.append({"name": "node", "count": max(each.values()), "of": "host", **_joint(links.get("inside"))})
    else:
        tiers[0]["of"] = "host"
    system = {
        "hw": 1,
        "system": "measured-ranks",
        "note": f"{len(hosts)} ranks on {len(each)} host{'s' * (len(each) != 1)}",
        "source": {"kind": "measured", "note": "stratagem hw probe --links: ping-pong over MPI"},
        "members": {"host": {"device": device.name}},
        "tiers": tiers,
        "primitives": {name: {"algorithms": algorithms} for name, algorithms in COLLECTIVES.items()},
    }
    return yaml_text([device.document, system])


def _joint(link: Link | None) -> dict[str, Any]:
    if link is None:
        return {"topology": "switch"}
    numbers = {"bandwidth": f"{link.bandwidth:.5g} B/s", "latency": f"{link.latency:.5g} s", "per": "host"}
    return {"topology": "switch", "link": numbers}
