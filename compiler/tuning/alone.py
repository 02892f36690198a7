"""One kernel as a program of its own: built with some choice of tiles, and timed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.interpreter.elements import storage
from stratagem.compiler.ir import find_function, local_text, parse_module, symbol_name
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.registry import parse
from stratagem.compiler.pipeline import PIPELINE
from stratagem.compiler.program import Program
from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.alternatives import alternatives
from stratagem.compiler.schedule.chosen import write_choice
from stratagem.compiler.schedule.library import claim_unit
from stratagem.compiler.schedule.tile_kernel import choose
from stratagem.compiler.schedule.tiles import Choice
from stratagem.compiler.schedule.untiled import Untiled, read_untiled
from stratagem.runtime.parameters import ParameterStore

if TYPE_CHECKING:
    from stratagem.hwmodels import System, Unit
    from stratagem.runtime.executable import Executable

Array = np.ndarray[Any, Any]
NAME = "alone"


def can_stand_alone(function: Any) -> bool:
    """Whether all arguments are tensors of fixed sizes: others need a program that calls the kernel."""
    kinds = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).inputs
    return all(isinstance(t, ir.RankedTensorType) and t.has_static_shape for t in kinds)


class LoneKernel:
    """A kernel before tiling, taken out of its program.

    Args:
        function: the kernel, at the point where `tile-kernels` would come. machine: the host must be this machine.
    """

    def __init__(self, function: Any, machine: System) -> None:
        self.machine = machine
        self.text = local_text(function).replace(f"@{symbol_name(function)}(", f"@{NAME}(", 1)
        kinds = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
        self._inputs = [str(t) for t in kinds.inputs[: len(kinds.inputs) - len(kinds.results)]]
        self._results = [str(t) for t in kinds.results]

    def alternatives(self, most: int) -> list[Choice]:
        """The compiler's own choice of tiles, then up to `most` others; nothing where the kernel is not tiled."""
        with self.untiled() as untiled:
            return alternatives(untiled, most) if untiled is not None else []

    @contextmanager
    def untiled(self) -> Iterator[Untiled | None]:
        """The kernel's dimensions, while the block runs; None where it is not tiled."""
        module, untiled = self._untiled()
        with module.context, ir.Location.unknown():
            yield untiled

    def packed(self, weights: Collection[int]) -> LoneKernel:
        """The kernel as `pack-weights` leaves it where arguments `weights` are parameters of the model."""
        module = parse_module(self._module_text(weights))
        arrays = {
            f"a{n}": _zeros(a.type) for n, a in enumerate(kernel.block_of(_alone(module)).arguments) if n in weights
        }
        parse("pack-weights").apply(Program(module, ParameterStore(arrays)), PassContext(self.machine))
        return LoneKernel(_alone(module), self.machine)

    def by(self, unit: Unit) -> LoneKernel:
        """The kernel done by another unit."""
        module = parse_module(self._module_text())
        with module.context, ir.Location.unknown():
            claim_unit(_alone(module), unit)
        return LoneKernel(_alone(module), self.machine)

    def ready(self) -> Callable[[int], float]:
        """Built as the compiler would: seconds of the shortest of so many calls."""
        with self.untiled() as untiled:
            assert untiled is not None, "a kernel with a product of known sizes"
            choice = choose(untiled)
        return partial(self.seconds, self.build(choice), self.arguments())

    def build(self, choice: Choice) -> Executable:
        """The kernel with these tiles, ready to run."""
        from stratagem.compiler.codegen import generate_code
        from stratagem.compiler.signatures import signature_of
        from stratagem.runtime.drivers import DriverTable
        from stratagem.runtime.executable import Executable

        module, untiled = self._untiled()
        assert untiled is not None, "alternatives() gave choices"
        with module.context:
            write_choice(untiled.function, untiled.dims, choice)
        program = Program(module)
        signature = signature_of(module)
        _lower(program, PassContext(self.machine))
        code = generate_code(program, self.machine)
        return Executable(
            code.shared_object, signature, ParameterStore({}), code.arena_bytes, DriverTable(), libraries=code.libraries
        )

    def arguments(self) -> list[Array]:
        """Random floats, and zeros for integers, which may be indices; destinations last."""
        rng = np.random.default_rng(0)
        module = parse_module(self._module_text())
        return [
            _array(rng, t)
            for t in ir.FunctionType(ir.TypeAttr(_alone(module).attributes["function_type"]).value).inputs
        ]

    def seconds(self, executable: Executable, arguments: Sequence[Array], calls: int) -> float:
        """Seconds of a call: of the kernel alone, the shortest of `calls`."""
        return min(executable.time_kernel(NAME, arguments, len(self._results))[1] for _ in range(calls))

    def _untiled(self) -> tuple[Any, Untiled | None]:
        module = parse_module(self._module_text())
        function = _alone(module)
        devices = {m.device.name: m.device for m in self.machine.members.values()}
        with module.context, ir.Location.unknown():
            return module, read_untiled(function, devices[kernel.claim(function)["class"]])

    def _module_text(self, weights: Collection[int] = ()) -> str:
        """The kernel and a host program that calls it once; arguments `weights` are parameters."""
        names = [f"%a{i}" for i in range(len(self._inputs))]
        roles = ["param" if i in weights else "input" for i in range(len(names))]
        ports = [f'{n}: {t} {{model.{r} = "{n[1:]}"}}' for n, t, r in zip(names, self._inputs, roles, strict=True)]
        made = [f"%d{i}" for i in range(len(self._results))]
        outputs = [f'{t} {{model.output = "y{i}"}}' for i, t in enumerate(self._results)]
        empties = [f"  {d} = tensor.empty() : {t}" for d, t in zip(made, self._results, strict=True)]
        kinds, results = ", ".join([*self._inputs, *self._results]), ", ".join(self._results)
        returned = ", ".join(f"%r#{i}" for i in range(len(made))) if len(made) > 1 else "%r"
        count = f":{len(made)}" if len(made) > 1 else ""
        return "\n".join(
            [
                'module attributes {stratagem.level = "device"} {',
                f"func.func @main({', '.join(ports)}) -> ({', '.join(outputs)}) {{",
                *empties,
                f"  %r{count} = call @{NAME}({', '.join([*names, *made])}) : ({kinds}) -> ({results})",
                f"  return {returned} : {results}",
                "}",
                self.text,
                "}",
            ]
        )


def _alone(module: Any) -> Any:
    return find_function(module, NAME)


def _lower(program: Program, context: PassContext) -> None:
    """The way down from here: what the pipeline holds after kernels are given to devices."""
    stages = dict(PIPELINE)
    for name in ("tile-kernels", *stages["system"], *stages["physical"]):
        parse(name).apply(program, context)


def _zeros(kind: Any) -> Array:
    return np.zeros(tuple(kind.shape), storage(str(kind.element_type)))


def _array(rng: np.random.Generator, kind: Any) -> Array:
    dtype = storage(str(kind.element_type))
    if dtype.kind == "f":
        return rng.normal(size=tuple(kind.shape)).astype(dtype)
    return np.zeros(tuple(kind.shape), dtype)
