"""The tensor contract: what a program at level `tensor` may contain. `docs/tensor-contract.md` explains it.

Front ends end here and everything below starts here: an operation in `OPERATIONS` is one that fusion,
tiling, the interpreter and the backends have to know; anything else is refused at once, by name and place.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import (
    argument_attributes,
    argument_flags,
    functions,
    location_text,
    result_attributes,
    result_flags,
    symbol_name,
    walk,
)
from stratagem.compiler.levels.structured import check_iterators
from stratagem.compiler.signatures import COMPLEX, STORED, UNSIGNED
from stratagem.runtime.errors import UnsupportedError
from stratagem.runtime.signature import SMALL_TYPES

CONSTANT_LIMIT = 64
"""Largest number of elements of a constant inside the program; above it is a parameter."""

ELEMENT_TYPES = frozenset(["f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "i1", "index"])
"""Element types of tensors and types of scalars; integers have no sign of their own."""

# fmt: off
_LINALG = frozenset({
    "generic", "fill", "index", "yield", "transpose", "broadcast", "reduce", "map", "copy",
    "matmul", "batch_matmul", "batch_reduce_matmul", "matvec", "vecmat", "batch_matvec",
    "batch_vecmat", "dot", "contract", "add", "sub", "mul", "div", "div_unsigned", "max", "min",
    "exp", "log", "abs", "ceil", "floor", "negf", "reciprocal", "round", "sqrt", "rsqrt", "square",
    "tanh", "powf", "erf", "select", "elementwise",
})
# fmt: on
# fmt: off
_TENSOR = frozenset({
    "empty", "extract_slice", "insert_slice", "collapse_shape", "expand_shape", "pad", "concat",
    "cast", "dim", "extract", "from_elements", "splat", "reshape", "generate", "yield",
})
# fmt: on

OPERATIONS: dict[str, frozenset[str]] = {
    "func": frozenset({"func", "return"}),
    "linalg": _LINALG,
    "tensor": _TENSOR,
    "scf": frozenset({"if", "for", "while", "yield", "condition"}),
    "cf": frozenset({"assert"}),
    "tm_tensor": frozenset({"scan", "scatter", "sort", "topk", "yield"}),
}
"""Dialect -> operations on tensors and control flow."""

LINALG_FAMILIES = ("conv_", "depthwise_conv_", "pooling_")
"""Named linalg operations whose many layouts are all legal."""

SCALAR_DIALECTS = frozenset(["arith", "math", "affine", "index"])
"""Legal on scalars anywhere; on tensors only `arith.constant`, and `arith.select` by one condition for all."""

NEAREST: dict[str, str] = {
    "tensor.insert": "tensor.insert_slice of a slice of one element",
    "tensor.gather": "linalg.generic with tensor.extract in its body",
    "tensor.scatter": "tm_tensor.scatter",
    "tensor.rank": "the rank is static: write the number",
    "linalg.softmax": "four linalg.generic: maximum, exponential, sum, quotient",
    "linalg.quantized_matmul": "linalg.generic on integers, or dequantize first",
    "tm_tensor.attention": "two linalg.batch_matmul around a softmax",
    "scf.forall": "scf.for, or linalg.generic: tiles come at level device",
    "scf.parallel": "linalg.generic",
    "cf.br": "scf.if",
    "cf.cond_br": "scf.if or scf.while",
    "func.call": "inline the callee",
    "ml_program": "a parameter, or an argument and a result for state",
    "complex": "two real tensors",
    "memref": "tensors: buffers come at level physical",
    "vector": "linalg.generic: vectors come with code generation",
    "sparse_tensor": "dense tensors with gathers and scatters",
    "torch": "a front end lowers it; it is not done yet for this operation",
    "stablehlo": "a front end lowers it; it is not done yet for this operation",
}
"""Operation or dialect -> the supported form that comes closest."""


def check_tensor_level(module: Any) -> None:
    """Raises UnsupportedError for the first thing outside the contract, with its location and the nearest form;
    PassError for an operation that contradicts itself.
    """
    main = _only_function(module)
    _check_interface(main)
    for op in walk(main):
        _check_operation(op)
        check_iterators(op)
        for value in op.results:
            _check_type(value.type, op)
        for region in op.regions:
            for argument in (a for block in region.blocks for a in block.arguments):
                _check_type(argument.type, op)


def nearest_form(name: str) -> str:
    """What to write instead of operation `name`; empty when nothing comes close."""
    dialect, _, short = name.partition(".")
    text = NEAREST.get(name) or NEAREST.get(dialect)
    if text:
        return text
    near = difflib.get_close_matches(short, OPERATIONS.get(dialect, ()), n=1, cutoff=0.5)
    return f"{dialect}.{near[0]}" if near else ""


def _refuse(problem: str, op: Any, hint: str = "") -> UnsupportedError:
    return UnsupportedError(problem, hint=hint, location=location_text(op))


def _only_function(module: Any) -> Any:
    for op in module.body.operations:
        if op.operation.name != "func.func":
            raise _refuse(f"{op.operation.name} stands beside @main", op.operation, _instead(op.operation.name))
    found = functions(module)
    names = [symbol_name(f) for f in found]
    if names != ["main"]:
        listed = ", ".join(f"@{n}" for n in names) or "none"
        raise UnsupportedError(f"a program has one function @main, this module has: {listed}", hint="inline the others")
    if "sym_visibility" in found[0].attributes:
        raise _refuse("@main is not public", found[0], "drop its visibility")
    return found[0]


def _check_interface(main: Any) -> None:
    inputs, parameters = argument_attributes(main, "model.input"), argument_attributes(main, "model.param")
    arguments = main.regions[0].blocks[0].arguments
    for i, (given, parameter) in enumerate(zip(inputs, parameters, strict=True)):
        if (given is None) == (parameter is None):
            raise _refuse(f"argument {i} of @main must have one of model.input and model.param", main)
        if given is not None and any(parameters[:i]):
            raise _refuse(f"input '{given}' of @main comes after a parameter", main, "inputs come first")
        if parameter is not None and not _has_static_shape(arguments[i].type):
            raise _refuse(
                f"parameter '{parameter}' has type {arguments[i].type}", main, "parameters have static shapes"
            )
        _check_type(arguments[i].type, main)
    outputs = result_attributes(main, "model.output")
    if None in outputs:
        raise _refuse(f"result {outputs.index(None)} of @main has no model.output", main)
    _check_marks(main)
    _check_stored(main)
    for kind, names in (("input", inputs), ("parameter", parameters), ("output", outputs)):
        twice = [n for n, count in Counter(n for n in names if n is not None).items() if count > 1]
        if twice:
            raise _refuse(f"two {kind}s of @main are called '{twice[0]}'", main)


MARKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    UNSIGNED: (lambda kind: str(kind.element_type) in ("i8", "i16", "i32", "i64"), "of i8 to i64"),
    COMPLEX: (
        lambda kind: str(kind.element_type) in ("f32", "f64") and kind.rank > 0 and list(kind.shape)[-1] == 2,
        "of f32 or f64 whose last dimension holds two parts",
    ),
}
"""Marks on inputs and outputs that are more outside than their type says: which types may bear them, in words, too."""


def _check_marks(main: Any) -> None:
    """A mark stands on inputs and outputs of the types it is for only."""
    kinds = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    for mark, (fits, types) in MARKS.items():
        inputs = zip(kinds.inputs, argument_attributes(main, "model.input"), argument_flags(main, mark), strict=True)
        outputs = zip(kinds.results, result_attributes(main, "model.output"), result_flags(main, mark), strict=True)
        for what, triples in (("input", inputs), ("output", outputs)):
            for kind, name, marked in triples:
                if marked and (name is None or not fits(ir.ShapedType(kind))):
                    problem = f"{what} '{name}' of type {kind}" if name else "a parameter"
                    raise _refuse(f"{problem} of @main is marked {mark}", main, f"mark inputs and outputs {types} only")


def _check_stored(main: Any) -> None:
    """Inputs and outputs that hold small numbers are of `i8`, and the numbers of a type that is known."""
    kinds = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    inputs = zip(kinds.inputs, argument_attributes(main, "model.input"), argument_attributes(main, STORED), strict=True)
    outputs = zip(kinds.results, result_attributes(main, "model.output"), result_attributes(main, STORED), strict=True)
    for kind, name, stored in (*inputs, *outputs):
        if stored is None:
            continue
        if name is None or str(ir.ShapedType(kind).element_type) != "i8":
            raise _refuse(f"'{name}' of type {kind} of @main is marked {STORED}", main, "mark inputs and outputs of i8")
        if stored not in SMALL_TYPES:
            known = ", ".join(SMALL_TYPES)
            raise _refuse(f"{STORED} of '{name}' is '{stored}', no type of small numbers", main, f"one of {known}")


def _has_static_shape(kind: Any) -> bool:
    return isinstance(kind, ir.RankedTensorType) and bool(kind.has_static_shape)


def _check_operation(op: Any) -> None:
    dialect, _, name = op.name.partition(".")
    if op.name == "arith.constant":
        _check_constant(op)
    elif op.name == "tm_tensor.topk":
        _check_positions(op)
    elif dialect in SCALAR_DIALECTS:
        if not picks_a_tensor(op) and any(isinstance(v.type, ir.ShapedType) for v in [*op.operands, *op.results]):
            raise _refuse(
                f"{op.name} on tensors is not in the tensor contract",
                op,
                f"linalg.generic with {op.name} inside",
            )
    elif name not in OPERATIONS.get(dialect, ()) and not (dialect == "linalg" and name.startswith(LINALG_FAMILIES)):
        raise _refuse(f"operation {op.name} is not in the tensor contract", op, _instead(op.name))


def picks_a_tensor(op: Any) -> bool:
    """A selection between two tensors by one condition, as canonicalization makes of branches that only choose: no
    element is touched, and the sizes may differ."""
    if op.name != "arith.select" or str(op.operands[0].type) != "i1":
        return False
    return isinstance(op.results[0].type, ir.RankedTensorType)


def _instead(name: str) -> str:
    form = nearest_form(name)
    return f"nearest supported form: {form}" if form else ""


def _check_positions(op: Any) -> None:
    """Upstream's loops count the positions of a topk in i32."""
    kind = op.results[1].type
    if str(ir.RankedTensorType(kind).element_type) != "i32":
        raise _refuse(f"tm_tensor.topk gives positions of type {kind}", op, "positions are i32: convert them behind it")


def _check_constant(op: Any) -> None:
    kind = op.results[0].type
    if not isinstance(kind, ir.RankedTensorType):
        return
    count = 1
    for i in range(kind.rank):
        count *= kind.get_dim_size(i)
    if count > CONSTANT_LIMIT:
        raise _refuse(
            f"a constant has {count} elements, the tensor level allows {CONSTANT_LIMIT}",
            op,
            "make it a parameter (model.param), or linalg.fill if all elements are equal",
        )


def _check_type(kind: Any, op: Any) -> None:
    if isinstance(kind, ir.RankedTensorType):
        if kind.encoding is not None:
            raise _refuse(f"{op.name} has type {kind}: layouts are not decided at this level", op, "drop the encoding")
        kind = kind.element_type
    elif isinstance(kind, ir.ShapedType):
        raise _refuse(f"{op.name} has type {kind}", op, "tensors of known rank only")
    if str(kind) not in ELEMENT_TYPES:
        near = "two real tensors" if str(kind).startswith("complex") else ", ".join(sorted(ELEMENT_TYPES))
        raise _refuse(
            f"{op.name} has element type {kind}, which is not in the tensor contract",
            op,
            f"supported: {near}",
        )
