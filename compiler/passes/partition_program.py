"""partition-program: one program becomes what each rank of the system's mesh axis runs.

Before: @main on whole tensors. After: @main on local shapes with `system.*` collectives; parameters that are cut carry
`system.shard = "axis:dim"`, and loaders hand each rank its part. A system without a mesh axis leaves the program alone.

Runs before kernels are made, because tiles depend on local shapes. `strategy`: `tensor` cuts parameters where that
pays, `batch` keeps them whole and cuts the data, `auto` takes whichever is estimated faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch_mlir import ir

from stratagem.compiler.ir import argument_attributes, clone_module, find_function, run_pipeline
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.compiler.sharding.partition import Partitioner
from stratagem.compiler.sharding.placements import Sharded
from stratagem.compiler.sharding.rules import Prices
from stratagem.runtime.errors import HardwareError, UsageError

if TYPE_CHECKING:
    from stratagem.hwmodels import System

STRATEGIES = ("auto", "tensor", "batch")
DTYPE = "f32"


@dataclass(frozen=True)
class PartitionProgram(Pass):
    name: ClassVar[str] = "partition-program"
    strategy: str = "auto"

    def apply(self, program: Program, context: PassContext) -> None:
        if self.strategy not in STRATEGIES:
            raise UsageError(f"there is no strategy '{self.strategy}'", hint=f"strategies: {', '.join(STRATEGIES)}")
        machine = context.machine
        if machine is None or not machine.mesh:
            return
        axes = [(axis, size) for axis, size in machine.mesh if size > 1]
        if len(axes) > 1:
            names = ", ".join(f"{a} ({n})" for a, n in axes)
            raise HardwareError(
                f"the system has mesh axes {names}; programs are cut over one", hint="set the others to 1"
            )
        if axes:
            program.module = self._best(program.module, machine, *axes[0])

    def _best(self, module: Any, machine: System, axis: str, ranks: int) -> Any:
        """The cheapest of the strategies asked for, by estimated seconds of computation and communication."""
        tried = ("tensor", "batch") if self.strategy == "auto" else (self.strategy,)
        costs = prices(machine)
        results = [partition(clone_module(module), costs, axis, ranks, strategy == "batch") for strategy in tried]
        return min(results, key=lambda pair: pair[0])[1]


def partition(module: Any, costs: Prices, axis: str, ranks: int, keep_whole: bool) -> tuple[float, Any]:
    """Partitions `module` in place; estimated seconds and the module."""
    main = find_function(module, "main")
    block = main.regions[0].blocks[0]
    names = argument_attributes(main, "model.param")
    free = {block.arguments[i] for i, name in enumerate(names) if name is not None}
    with module.context, ir.Location.unknown():
        work = Partitioner(axis, ranks, costs, keep_whole, free)
        work.run(block)
        _note_shards(main, axis, work.shards)
    run_pipeline(module, "builtin.module(canonicalize,cse)")
    return work.seconds, module


def prices(machine: System) -> Prices:
    """What computing and communicating costs on this system; raises HardwareError where the file does not say."""
    link = next((t.link for t in machine.tiers if t.link.bandwidth), None)
    rate = machine.host_device.peak_rate(DTYPE)
    if not rate:
        problem = f"device '{machine.host_device.name}' has no rate of {DTYPE} to price computing on ranks with"
        raise HardwareError(problem, hint=f"give one of its units lanes or a rate for {DTYPE}")
    if link is None or not link.bandwidth:
        hint = "give one of its tiers a link with a bandwidth"
        raise HardwareError(f"system '{machine.name}' has a mesh but no link to price communication with", hint=hint)
    return Prices(2.0 / rate, 1.0 / link.bandwidth, link.latency or 0.0)


def _note_shards(main: Any, axis: str, shards: dict[int, Sharded]) -> None:
    """Attributes on cut parameters, and @main's type after its arguments changed."""
    block = main.regions[0].blocks[0]
    kind = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    signature = ir.FunctionType.get([a.type for a in block.arguments], list(kind.results))
    main.attributes["function_type"] = ir.TypeAttr.get(signature)
    if not shards:
        return
    attributes = [ir.DictAttr(d) for d in ir.ArrayAttr(main.attributes["arg_attrs"])]
    for number, placement in shards.items():
        entries = {name: attributes[number][name] for name in _keys(attributes[number])}
        entries["system.shard"] = ir.StringAttr.get(f"{axis}:{placement.dim}")
        attributes[number] = ir.DictAttr.get(entries)
    main.attributes["arg_attrs"] = ir.ArrayAttr.get(attributes)


def _keys(dictionary: Any) -> list[str]:
    return [dictionary[i].name for i in range(len(dictionary))]
