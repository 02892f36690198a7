"""What Stratagem's code takes on a near-memory device, by the time estimate of its simulator.

A row names a program; it goes through the compiler for a device with as many units as the row says, and its one kernel
runs on the simulator, on all data. The rows were measured with other people's code for the same programs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from typing import Any

import numpy as np

from stratagem.compiler.backends.upmem.compile import compile_kernels
from stratagem.compiler.backends.upmem.driver import Driver
from stratagem.compiler.backends.upmem.dtypes import dtype_named
from stratagem.compiler.backends.upmem.facts import device_facts
from stratagem.compiler.backends.upmem.report import RunReport
from stratagem.compiler.driver import StageRunner
from stratagem.compiler.ir import parse_module
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.pipeline import PIPELINE
from stratagem.compiler.program import Program
from stratagem.hwmodels import Device, System, load_machine

MEMBER = "device"
"""What a system made of one device calls it."""
HEAD = 'module attributes {{stratagem.level = "tensor"}} {{\nfunc.func @main({}) -> ({} {{model.output = "o"}}) {{\n'


@dataclass(frozen=True)
class Run:
    """One run: a program on so many elements, on a device with so many units and threads of each (0: all it has).

    Attributes:
        shape: elements of the program. operand_bits: of the smaller factor of products, None if it has none.
        free_transfers: whether transfers between memories of a unit are left out, as timers around a loop leave them.
    """

    device: str
    program: str
    shape: tuple[int, ...]
    dtype: str
    units: int
    threads: int = 0
    operand_bits: int | None = None
    free_transfers: bool = False


def kernel_milliseconds(facts: Mapping[str, Any]) -> float:
    """ms that the units compute, starting them included."""
    return report_of(run_of(facts)).kernel_seconds * 1e3


def to_milliseconds(facts: Mapping[str, Any]) -> float:
    """ms of transfers from the host."""
    return report_of(run_of(facts)).to_seconds * 1e3


def from_milliseconds(facts: Mapping[str, Any]) -> float:
    """ms of transfers to the host."""
    return report_of(run_of(facts)).from_seconds * 1e3


def loop_megacycles(facts: Mapping[str, Any]) -> float:
    """Million cycles of the loops alone, without transfers."""
    return report_of(replace(run_of(facts), free_transfers=True)).kernel_cycles / 1e6


def run_of(facts: Mapping[str, Any]) -> Run:
    """The run that a row describes: `device`, `program`, `shape`, `dtype`, `units`; `threads`, `operand_bits`."""
    return Run(
        facts["device"],
        facts["program"],
        tuple(facts["shape"]),
        facts["dtype"],
        facts["units"],
        facts.get("threads", 0),
        facts.get("operand_bits"),
    )


@cache
def report_of(run: Run) -> RunReport:
    """Compiles and simulates; raises ValueError for a program that is not there or makes more than one kernel."""
    if run.program not in PROGRAMS:
        raise ValueError(f"there is no program '{run.program}'; there are {', '.join(PROGRAMS)}")
    system = _system(run)
    program = Program(parse_module(PROGRAMS[run.program](run.shape, run.dtype)))
    StageRunner(PassContext(system)).run(program, PIPELINE, until="device")
    device = system.members[MEMBER].device
    files = dict(compile_kernels(program.module, device).files)
    facts = device_facts(device, run.operand_bits)
    if run.free_transfers:
        facts = replace(facts, read_latency=0.0, write_latency=0.0, dma_rate=inf)
    driver = Driver(files, facts)
    if len(driver.kernels) != 1:
        raise ValueError(f"{run.program} {run.shape} became {len(driver.kernels)} kernels; a row predicts one")
    [(name, kernel)] = driver.kernels.items()
    arrays = [np.ones(entry["shape"], dtype_named(entry["dtype"]).numpy) for entry in kernel["arguments"]]
    first = len(arrays) - kernel["results"]
    return driver.run(name, arrays[:first], arrays[first:])


def _system(run: Run) -> System:
    system = load_machine(run.device)
    member = system.members[MEMBER]
    units, threads = member.device.groups()
    counts = {units.name: run.units, threads.name: run.threads or threads.count}
    device = _with_counts(member.device, counts)
    return replace(system, members={**system.members, MEMBER: replace(member, device=device)})


def _with_counts(device: Device, counts: Mapping[str, int]) -> Device:
    levels = (replace(level, count=counts.get(level.name, level.count)) for level in device.levels)
    return replace(device, levels=tuple(levels))


# ---- programs at the tensor level


def _vector_add(shape: tuple[int, ...], dtype: str) -> str:
    kind = f"tensor<{shape[0]}x{dtype}>"
    return _main(
        [kind, kind],
        kind,
        f"""  %e = tensor.empty() : {kind}
  %r = linalg.add ins(%a0, %a1 : {kind}, {kind}) outs(%e : {kind}) -> {kind}""",
    )


def _add_constant(shape: tuple[int, ...], dtype: str) -> str:
    kind, row = f"tensor<{shape[0]}x{dtype}>", "affine_map<(d0) -> (d0)>"
    number, letter = ("3.0", "f") if dtype.startswith("f") else ("3", "i")
    return _main(
        [kind],
        kind,
        f"""  %e = tensor.empty() : {kind}
  %k = arith.constant {number} : {dtype}
  %r = linalg.generic {{indexing_maps = [{row}, {row}], iterator_types = ["parallel"]}}
      ins(%a0 : {kind}) outs(%e : {kind}) {{
  ^bb0(%x: {dtype}, %y: {dtype}):
    %s = arith.add{letter} %x, %k : {dtype}
    linalg.yield %s : {dtype}
  }} -> {kind}""",
    )


def _matrix_vector(shape: tuple[int, ...], dtype: str) -> str:
    rows, columns = shape
    matrix, vector, out = f"tensor<{rows}x{columns}x{dtype}>", f"tensor<{columns}x{dtype}>", f"tensor<{rows}x{dtype}>"
    return _main(
        [matrix, vector],
        out,
        f"""{_zeros(out, dtype)}
  %r = linalg.matvec ins(%a0, %a1 : {matrix}, {vector}) outs(%f : {out}) -> {out}""",
    )


def _row_sums(shape: tuple[int, ...], dtype: str) -> str:
    rows, columns = shape
    kind, out = f"tensor<{rows}x{columns}x{dtype}>", f"tensor<{rows}x{dtype}>"
    letter = "f" if dtype.startswith("f") else "i"
    return _main(
        [kind],
        out,
        f"""{_zeros(out, dtype)}
  %r = linalg.reduce ins(%a0 : {kind}) outs(%f : {out}) dimensions = [1] (%x: {dtype}, %y: {dtype}) {{
    %s = arith.add{letter} %x, %y : {dtype}
    linalg.yield %s : {dtype}
  }}""",
    )


def _zeros(kind: str, dtype: str) -> str:
    number = "0.0" if dtype.startswith("f") else "0"
    return f"""  %z = arith.constant {number} : {dtype}
  %e = tensor.empty() : {kind}
  %f = linalg.fill ins(%z : {dtype}) outs(%e : {kind}) -> {kind}"""


def _main(inputs: list[str], output: str, body: str) -> str:
    arguments = ", ".join(f'%a{n}: {kind} {{model.input = "a{n}"}}' for n, kind in enumerate(inputs))
    return f"{HEAD.format(arguments, output)}{body}\n  return %r : {output}\n}}\n}}"


PROGRAMS: Mapping[str, Callable[[tuple[int, ...], str], str]] = {
    "add-constant": _add_constant,
    "matrix-vector": _matrix_vector,
    "row-sums": _row_sums,
    "vector-add": _vector_add,
}
"""Name in a file of rows -> the program's text."""
