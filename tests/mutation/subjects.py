"""The programs that are broken, each with a machine to go down to and the data to run it on."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.api.compiling import load_target
from stratagem.compiler.interpreter.elements import is_float
from stratagem.compiler.interpreter.signature import Port, arguments_of
from stratagem.compiler.ir import DYNAMIC, find_function, parse_module, set_level, to_text
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.registry import parse
from stratagem.compiler.pipeline import with_options
from stratagem.compiler.program import Program
from stratagem.runtime.parameters import ParameterStore
from tests.mutation import programs
from tests.unit.interpreter import programs as kernels
from tests.unit.schedule import programs as schedule
from tests.unit.sharding import programs as sharding
from tests.unit.upmem import programs as upmem

Array = np.ndarray[Any, Any]
Mesh = tuple[tuple[str, int], ...]
Step = tuple[str, str, str, ParameterStore]
"""Level, pass, text, parameters."""
HERE = Path(__file__).parent
TINY = str(HERE / "tiny-caches.yaml")


@dataclass(frozen=True)
class Subject:
    """A program at level `tensor` and what it needs.

    Attributes:
        shapes: of inputs with free sizes; the first entry is for those who look for a difference before it counts, the
            others are for who decides whether there is one.
        integers: the range of integer inputs, by name; all of -9..9 where none is given.
        parameters: numbers of arguments that are parameters, where the text does not say so itself.
    """

    name: str
    text: str
    machine: str = TINY
    strategy: str = "auto"
    shapes: Sequence[Mapping[str, tuple[int, ...]]] = ({},)
    integers: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    parameters: tuple[int, ...] = ()


def _rows(name: str, columns: int, *counts: int) -> list[dict[str, tuple[int, ...]]]:
    return [{name: (count, columns)} for count in counts]


SUBJECTS = [
    Subject("mlp", schedule.mlp("13"), parameters=(1, 2, 3, 4)),
    Subject("mlp, free batch", schedule.mlp("?"), parameters=(1, 2, 3, 4), shapes=_rows("a0", 37, 7, 1, 11)),
    Subject("matmul gelu", kernels.MATMUL_GELU_TENSOR, shapes=_rows("a", 19, 7, 1, 11)),
    Subject("softmax", schedule.softmax()),
    Subject("softmax, free rows", schedule.softmax("?"), shapes=_rows("a0", 31, 5, 1, 13)),
    Subject("layer norm", programs.LAYER_NORM, shapes=_rows("x", 21, 5, 1, 13)),
    Subject("attention", schedule.ATTENTION),
    Subject("heads", schedule.HEADS),
    Subject("convolution", schedule.CONV, parameters=(1, 2, 3)),
    Subject("reduction", kernels.REDUCTION_TENSOR, shapes=[{"x": (53,)}, {"x": (1,)}, {"x": (67,)}]),
    Subject("two readers", schedule.TWO_READERS),
    Subject("scan", schedule.SCAN),
    Subject("concatenation", schedule.CONCAT, shapes=[{"a1": (3, 2)}, {"a1": (3, 1)}, {"a1": (3, 7)}]),
    Subject("branches", schedule.BRANCHES, integers={"a1": (0, 2)}),
    Subject("recurrence", programs.RECURRENCE),
    Subject("gather", upmem.gather(11, 5, 7), integers={"i": (-11, 11)}),
    Subject("same sizes", programs.SAME_SIZES, shapes=[{"x": (5,), "y": (7,)}, {"x": (3,), "y": (3,)}]),
    Subject("whole numbers", programs.WHOLE_NUMBERS),
    Subject("folded", programs.FOLDED),
    Subject("packed", programs.PACKED),
    Subject("bf16 product", programs.product("bf16", 5, 19, 11)),
    Subject("two ranks, mlp", sharding.MLP, "two-hosts", "tensor"),
    Subject("two ranks, heads", sharding.HEADS, "two-hosts", "tensor"),
    Subject("two ranks, batch", sharding.MLP, str(HERE / "near-ranks.yaml"), "batch"),
    Subject("near memory, matmul", upmem.matmul(7, 5, 6, "i32"), "cpu-upmem"),
    Subject("near memory, softmax", upmem.softmax(5, 13), "cpu-upmem"),
    Subject("near memory, sums", upmem.row_sums(19, 7, "i32"), "cpu-upmem"),
    Subject("gpu, f16 product", programs.product("f16", 17, 33, 19), "h100"),
    Subject("gpu, softmax", upmem.softmax(7, 31), "h100"),
]


@dataclass(frozen=True)
class Snapshot:
    """A program after one pass, as text.

    Attributes:
        history: the programs before it as (level, pass, text, parameters), the first one as given.
        rest: the passes that follow on this level; its checks hold after them.
        mesh: the ranks it is cut over, None for a program of one.
    """

    subject: Subject
    level: str
    one: str
    text: str
    parameters: ParameterStore
    history: tuple[Step, ...]
    rest: tuple[str, ...]
    mesh: Mesh | None

    def program(self, context: Any = None) -> Program:
        """A new copy; in a context of its own unless one is given."""
        return Program(parse_module(self.text, context), copy.deepcopy(self.parameters))


def snapshots(subject: Subject) -> list[Snapshot]:
    """The program after every pass that changes it; of level `tensor` at least as it is given."""
    machine = load_target(subject.machine)
    program = start(subject)
    history: list[Step] = [("tensor", "as given", *_taken(program))]
    mesh: Mesh | None = None
    found: list[Snapshot] = []
    for stage, passes in with_options(subject.strategy):
        if stage == "device" and not found:
            found.append(Snapshot(subject, *history[0], (history[0],), (), None))
        for number, text in enumerate(passes):
            one = parse(text)
            one.apply(program, PassContext(machine))
            now = _taken(program)
            if now[0] == history[-1][2] and now[1].keys() == history[-1][3].keys():
                continue
            mesh = tuple(machine.mesh) if one.name == "partition-program" else mesh
            found.append(Snapshot(subject, stage, one.name, *now, tuple(history), passes[number + 1 :], mesh))
            history.append((stage, one.name, *now))
    return found


def start(subject: Subject) -> Program:
    """The program as a front end would hand it over, with parameters drawn from a fixed seed."""
    module = parse_module(subject.text)
    set_level(module, "tensor")
    main = find_function(module, "main")
    with module.context:
        _name_the_border(main, subject.parameters)
    draw = np.random.default_rng(sum(subject.name.encode()))
    ports = [port for port in arguments_of(main) if port.is_parameter]
    store = ParameterStore({p.name: draw.standard_normal(p.shape).astype(p.dtype) for p in ports})
    return Program(module, store)


def _name_the_border(main: Any, parameters: tuple[int, ...]) -> None:
    """Names `a0`, `a1` ... and `r0` ... where the text gives none."""
    kind = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    if "arg_attrs" not in main.attributes:
        keys = ["model.param" if i in parameters else "model.input" for i in range(len(kind.inputs))]
        named = [ir.DictAttr.get({key: ir.StringAttr.get(f"a{i}")}) for i, key in enumerate(keys)]
        main.attributes["arg_attrs"] = ir.ArrayAttr.get(named)
    if "res_attrs" not in main.attributes:
        results = [ir.DictAttr.get({"model.output": ir.StringAttr.get(f"r{i}")}) for i in range(len(kind.results))]
        main.attributes["res_attrs"] = ir.ArrayAttr.get(results)


def _taken(program: Program) -> tuple[str, ParameterStore]:
    return to_text(program.module, locations=False), copy.deepcopy(program.parameters)


def draw_inputs(
    subject: Subject, ports: Sequence[Port], shapes: Mapping[str, tuple[int, ...]], seed: int, how: str = "normal"
) -> dict[str, Array]:
    """Data for every input; `how`: normal, small, large, negative, zeros, or whole numbers."""
    rng = np.random.default_rng(seed)
    made: dict[str, Array] = {}
    for port in ports:
        if port.is_parameter or port.is_arena:
            continue
        shape = shapes.get(port.name, tuple(7 if n == DYNAMIC else n for n in port.shape))
        if is_float(port.element):
            made[port.name] = _floats(rng, shape, how).astype(port.dtype)
        elif port.element == "i1":
            made[port.name] = rng.integers(0, 2, shape).astype(np.bool_)
        else:
            low, high = subject.integers.get(port.name, (-9, 10))
            made[port.name] = rng.integers(low, high, shape).astype(port.dtype)
    return made


def _floats(rng: np.random.Generator, shape: tuple[int, ...], how: str) -> Array:
    normal = rng.standard_normal(shape)
    match how:
        case "small":
            return normal * 0.01
        case "large":
            return normal * 30.0
        case "negative":
            return -np.abs(normal) * 3.0 - 5.0
        case "zeros":
            return np.zeros(shape)
        case "whole":
            return np.round(normal * 3.0)
        case _:
            return normal
