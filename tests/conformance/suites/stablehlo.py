"""StableHLO's test data (openxla/stablehlo, `stablehlo/testdata`): one JAX program a file, with inputs and results."""

from __future__ import annotations

import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.conformance.compare import Array, expect
from tests.conformance.outcome import Wrong

TITLE = "StableHLO test data, static shapes"
SOURCE = "openxla/stablehlo, stablehlo/testdata"
FLOOR = 0.95

ARCHIVE = Path(__file__).resolve().parents[1] / "data" / "stablehlo-testdata.tar.gz"
CHECK = "check.expect_"
TOLERANCES: dict[str, float | None] = {"eq": 0.0, "almost_eq": None, "close": None}
"""By the name of the check in the file; None: by the width of the floats, as in other suites."""


@cache
def texts() -> dict[str, str]:
    """Name of a file, folder included, -> its text."""
    with tarfile.open(ARCHIVE) as archive:
        found = {m.name.partition("/")[2]: archive.extractfile(m) for m in archive if m.name.endswith(".mlir")}
        return {name.removesuffix(".mlir"): file.read().decode() for name, file in sorted(found.items()) if file}


def names() -> list[str]:
    return [name for name in texts() if "/" not in name]


def run(name: str) -> None:
    import stratagem as sg
    from stratagem.compiler.frontends.stablehlo import load_stablehlo

    case = Case(texts()[name])
    executable = sg.compile(load_stablehlo(case.program), target="cpu").executable
    results = executable(*case.inputs)
    if len(results) != len(case.checks):
        raise Wrong(f"{len(results)} results instead of {len(case.checks)}")
    for (kind, wanted), result in zip(case.checks, results, strict=True):
        expect([result], [wanted], TOLERANCES[kind])


class Case:
    """A file taken apart: what `@inputs` returns becomes arguments of the program, what is checked its results."""

    def __init__(self, text: str) -> None:
        from torch_mlir import ir

        from stratagem.compiler.frontends.stablehlo import parse_stablehlo
        from stratagem.compiler.ir import find_function, to_text

        module = parse_stablehlo(text.encode())
        main = find_function(module, "main")
        with module.context, ir.Location.unknown():
            self.inputs = _take_call(module, main, "inputs")
            expected = _take_call(module, main, "expected")
            first = len(self.inputs)
            self.checks = [(kind, expected[place - first]) for kind, place in _take_checks(main)]
            for _ in expected:
                main.regions[0].blocks[0].erase_argument(first)
            _set_type(main)
        module.operation.verify()
        self.program = to_text(module).encode()


def _take_call(module: Any, main: Any, name: str) -> list[Array]:
    """Replaces a call of a function of constants by arguments of main; the constants."""
    from stratagem.compiler.ir import find_function

    block = main.regions[0].blocks[0]
    calls = [op for op in _operations(block) if op.name == "func.call" and f"@{name}" == str(op.attributes["callee"])]
    if not calls:
        return []
    function = find_function(module, name)
    for result in calls[0].results:
        result.replace_all_uses_with(block.add_argument(result.type, calls[0].location))
    calls[0].erase()
    end = _operations(function.regions[0].blocks[0])[-1]
    values = [constant_array(value.owner) for value in end.operands]
    function.erase()
    return values


def _take_checks(main: Any) -> list[tuple[str, int]]:
    """Lets main return what it checks; for each result the kind of the check and the argument that is expected."""
    from torch_mlir import ir
    from torch_mlir.dialects import func

    block = main.regions[0].blocks[0]
    found, checked = [], []
    for op in _operations(block):
        target = str(op.attributes["call_target_name"]).strip('"') if op.name == "stablehlo.custom_call" else ""
        if target.startswith(CHECK):
            got, wanted = op.operands
            checked.append(got)
            found.append((target.removeprefix(CHECK), list(block.arguments).index(wanted)))
            op.erase()
    end = _operations(block)[-1]
    with ir.InsertionPoint(end):
        func.ReturnOp(checked)
    end.erase()
    return found


def _set_type(main: Any) -> None:
    from torch_mlir import ir

    block = main.regions[0].blocks[0]
    results = [value.type for value in _operations(block)[-1].operands]
    kind = ir.FunctionType.get([a.type for a in block.arguments], results)
    main.attributes["function_type"] = ir.TypeAttr.get(kind)
    for key in ("arg_attrs", "res_attrs"):
        if key in main.attributes:
            del main.attributes[key]


def _operations(block: Any) -> list[Any]:
    return [op.operation for op in block.operations]


def constant_array(op: Any) -> Array:
    """The elements of a `stablehlo.constant`, in the numpy dtype of its element type."""
    from torch_mlir import ir

    from stratagem.compiler.dense import complex_array, dense_array
    from stratagem.runtime.signature import NUMPY_TYPES

    element = ir.RankedTensorType(op.results[0].type).element_type
    if isinstance(element, ir.ComplexType):
        return complex_array(op)
    return dense_array(op.attributes["value"], NUMPY_TYPES[str(element).replace("ui", "u")])
