"""fold-parameters: what parameters and constants alone decide is computed once, when the model is built.

Before: `%s = 1 / sqrt(%variance + eps)`, a transposed weight, a cast one, a table of positions: computed in every run.
After: a new parameter, `bn1.running_var.folded`, in place of each such value that something with a trace of inputs
reads. Parameters that nothing reads any more go, and so do assertions of a value that is stored as true. Which values
pay is said in `analysis/parameter_values.py`.

Each operation is evaluated in the element type that it is written in, rounded after every step, as the program would
have done; the order of long sums is free there, too. A value whose evaluation breaks a rule of the semantics (a failed
assertion, a division by zero) stays where it is: the program says so when it runs, as before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import func

from stratagem.compiler.arguments import add_parameter, drop_argument, parameter_arguments
from stratagem.compiler.ir import find_function, walk
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.compiler.schedule.structured import owner
from stratagem.runtime.parameters import ParameterStore

Array = np.ndarray[Any, Any]
CONSTANT = "constant"
"""Name of what no parameter goes into."""


@dataclass(frozen=True)
class FoldParameters(Pass):
    name: ClassVar[str] = "fold-parameters"

    def apply(self, program: Program, context: PassContext) -> None:
        from stratagem.compiler.analysis.parameter_values import Cone, cone, values_to_store

        main, store = find_function(program.module, "main"), program.parameters
        known = {v: store[name].nbytes for name, v in parameter_arguments(main).items() if name in store}
        with program.module.context:
            made: list[Cone] = []
            for value in values_to_store(main, known):
                one = cone(value)
                if _store(main, store, value, one):
                    made.append(one)
            _erase_settled(main, store)
            _erase_unused(main, {op for one in made for op in one.ops})
            _drop_unused(main, [v for one in made for v in one.sources])


def _store(main: Any, store: ParameterStore, value: Any, made_by: Any) -> bool:
    """Evaluates `value` and reads it as a parameter from now on; whether it could be evaluated."""
    from stratagem.compiler.interpreter.violation import Violation

    names = {v: name for name, v in parameter_arguments(main).items()}
    given = {v: names[v] for v in made_by.sources}
    try:
        array = _evaluate(value, made_by, given, store)
    except Violation:
        return False
    largest = max(given, key=lambda v: (store[given[v]].nbytes, -v.arg_number), default=None)
    base = CONSTANT if largest is None else given[largest].removesuffix(".folded")
    place = value.owner.operation.location
    value.replace_all_uses_with(add_parameter(main, store.add(f"{base}.folded", array), value.type, place))
    return True


def _evaluate(value: Any, made_by: Any, given: dict[Any, str], store: ParameterStore) -> Array:
    """The data of `value`, dense, in its element type. Raises Violation."""
    from stratagem.compiler.interpreter.api import emulate
    from stratagem.compiler.schedule.clone import clone

    with ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            main = func.FuncOp("main", ([v.type for v in given], [value.type]))
        block = main.add_entry_block()
        mapping = dict(zip(given, block.arguments, strict=True))
        with ir.InsertionPoint(block):
            for op in made_by.ops:
                clone(op, mapping)
            func.ReturnOp([mapping[value]])
    (array,) = emulate(module, [store[name] for name in given.values()])
    return np.asarray(array, order="C")  # `ascontiguousarray` makes a vector of a scalar


def _erase_settled(main: Any, store: ParameterStore) -> None:
    """Erases assertions whose condition is a stored `true`; what reads another value says so when it runs."""
    conditions = {v: name for name, v in parameter_arguments(main).items() if name in store and not v.type.rank}
    for op in [op for op in walk(main) if op.name == "cf.assert"]:
        read = owner(op.operands[0])
        if read is None or read.name != "tensor.extract" or read.operands[0] not in conditions:
            continue
        if store[conditions[read.operands[0]]]:
            op.erase()
            if not list(read.results[0].uses):
                read.erase()
    for value in conditions:
        if not list(value.uses):
            drop_argument(main, value)


def _erase_unused(main: Any, evaluated: set[Any]) -> None:
    """Erases what fed only stored values: it was evaluated, so its assertions hold."""
    from stratagem.compiler.analysis.parameter_values import host_operations

    for op in reversed([op for op in host_operations(main.regions[0].blocks[0]) if op in evaluated]):
        if not any(list(r.uses) for r in op.results):
            op.erase()


def _drop_unused(main: Any, sources: list[Any]) -> None:
    for value in dict.fromkeys(sources):
        if not list(value.uses):
            drop_argument(main, value)
