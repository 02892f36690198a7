"""Sizes of an emitted program against the limits of the device, before anything is compiled.

The figures are re-derived from the program's arrays and text, not from the schedule's claims. Instruction
memory is an estimate (statements times a typical count); the rest is exact up to the alignment of variables.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from stratagem.compiler.backends.upmem.facts import DeviceFacts
from stratagem.runtime.errors import HardwareError

if TYPE_CHECKING:
    from stratagem.compiler.backends.upmem.device_program import DeviceProgram

_PER_STATEMENT = 6
"""Instructions per C statement: a load, an operation, a store, addresses. Good to a factor of two."""
_PER_SUPPORT_CALL = 60
_SOFTWARE_FUNCTION = 150


@dataclass(frozen=True)
class Usage:
    """What one kernel takes on one DPU, in bytes; the limits beside it.

    `transfers` names every DMA site: direction, array, longest row, how alignment is met.
    """

    kernel: str
    tasklets: int
    tasklet_limit: int
    wram_variables: int
    wram_stacks: int
    wram_buffers_per_tasklet: int
    wram_total: int
    wram_limit: int
    mram_total: int
    mram_limit: int
    instructions_estimate: int
    instruction_limit: int
    dma_granule: int
    dma_burst: int
    merges_granules: bool
    transfers: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def variable_bytes(program: DeviceProgram, tasklets: int) -> int:
    """WRAM of a program's variables: arguments, arrays common to all tasklets, granules for merging, the
    barrier."""
    granule = program.facts.granule
    arrays = [count * dtype.size for dtype, count in program.arrays.shared.values()]
    arguments = 8 + sum(8 if c in ("int64_t", "double") else 4 for c, _ in program.fields.values())
    edges = (tasklets + 1) * granule if program.arrays.edges else 0
    constants = sum(4 * text.count(",") + 4 for text in program.arrays.constants.values())
    barrier = 2 * granule
    return sum(-(-size // granule) * granule for size in [*arrays, arguments, edges, constants, barrier])


def slab_bytes(program: DeviceProgram) -> int:
    """WRAM buffers of one tasklet: those of the largest phase."""
    return max((sum(phase.slabs.values()) for phase in program.phases), default=0)


def fit_tasklets(program: DeviceProgram, facts: DeviceFacts) -> int:
    """The most tasklets whose stacks and buffers fit; HardwareError with the numbers when not even one
    does."""
    mram = sum(program.arrays.mram.values())
    if mram > facts.memory_bytes:
        raise HardwareError(
            f"the parts of one DPU take {mram} B of {facts.memory}, which has {facts.memory_bytes} B",
            hint="use more units, or smaller tiles of the forall over them",
        )
    each = facts.stack_bytes + slab_bytes(program)
    for tasklets in range(facts.threads, 0, -1):
        if variable_bytes(program, tasklets) + tasklets * each <= facts.scratch_bytes:
            return tasklets
    raise HardwareError(
        f"one tasklet needs {each} B of {facts.scratch} (stack {facts.stack_bytes} B, "
        f"buffers {slab_bytes(program)} B) beside {variable_bytes(program, 1)} B of variables; "
        f"there are {facts.scratch_bytes} B",
        hint="stage smaller tiles",
    )


def usage_of(program: DeviceProgram, facts: DeviceFacts, tasklets: int, text: str) -> Usage:
    """The report of one program; HardwareError when its instructions cannot fit."""
    variables = variable_bytes(program, tasklets)
    stacks = tasklets * facts.stack_bytes
    instructions = estimate_instructions(text)
    if instructions > 2 * facts.instructions:
        raise HardwareError(
            f"about {instructions} instructions, instruction memory holds {facts.instructions}",
            hint="split the kernel",
        )
    return Usage(
        kernel=program.name,
        tasklets=tasklets,
        tasklet_limit=facts.threads,
        wram_variables=variables,
        wram_stacks=stacks,
        wram_buffers_per_tasklet=slab_bytes(program),
        wram_total=variables + stacks + tasklets * slab_bytes(program),
        wram_limit=facts.scratch_bytes,
        mram_total=sum(program.arrays.mram.values()),
        mram_limit=facts.memory_bytes,
        instructions_estimate=instructions,
        instruction_limit=facts.instructions,
        dma_granule=facts.granule,
        dma_burst=facts.burst,
        merges_granules=program.arrays.edges,
        transfers=tuple(dict.fromkeys(program.arrays.transfers)),
    )


def estimate_instructions(text: str) -> int:
    """Instructions of a program, from its C text; within a factor of two."""
    statements = sum(1 for line in text.splitlines() if line.rstrip().endswith((";", "{")) and "SG_COUNT" not in line)
    calls = len(re.findall(r"\bsg_(?:read|write)\w*\(", text))
    functions = len(set(re.findall(r"\bsg_(?:exp|sqrt|rsqrt|log|tanh)f\b", text)))
    floats = 4 if "float" in text else 0
    return statements * _PER_STATEMENT + calls * _PER_SUPPORT_CALL + (functions + floats) * _SOFTWARE_FUNCTION
