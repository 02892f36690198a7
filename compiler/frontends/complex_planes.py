"""Complex numbers as pairs of real ones: a tensor of complex elements becomes two, its real and its imaginary plane.

Before: `linalg.generic` on tensor<5xcomplex<f32>> with `complex.mul` in its body. After: the same operation on twice as
many tensor<5xf32>, its body in `arith` and `math`. Only the border keeps one tensor per number (`complex_border.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

from stratagem.compiler.dense import complex_array
from stratagem.compiler.frontends.complex_border import join_parts, parts_type, split_parts
from stratagem.compiler.ir import find_function, location_text, run_pipeline, walk
from stratagem.runtime.errors import UnsupportedError

TO_PARTS = "builtin.module(convert-complex-to-standard)"
"""Complex arithmetic on scalars as arithmetic on their parts; what is left makes, takes apart and moves numbers."""

# fmt: off
_TWICE = frozenset({
    "tensor.empty", "tensor.extract_slice", "tensor.insert_slice", "tensor.collapse_shape", "tensor.expand_shape",
    "tensor.cast", "tensor.concat", "tensor.reshape", "tensor.extract", "tensor.from_elements", "tensor.splat",
    "arith.select", "linalg.fill", "linalg.transpose", "linalg.broadcast", "linalg.copy", "tensor.pad",
})
"""Operations that only move elements: one for each plane."""

_SIDE_BY_SIDE = frozenset({
    "linalg.generic", "linalg.reduce", "linalg.yield", "scf.for", "scf.if", "scf.while", "scf.condition", "scf.yield",
})
"""Operations that take any number of values: both planes travel through one."""
# fmt: on

Pair = tuple[Any, Any]


@dataclass(frozen=True)
class ComplexBorder:
    """Positions of the arguments and results of a function that were complex."""

    arguments: frozenset[int] = frozenset()
    results: frozenset[int] = frozenset()


def split_complex(module: Any, name: str) -> ComplexBorder:
    """Rewrites function `name` of a linalg-on-tensors module without complex numbers; changes `module`.

    Raises UnsupportedError for an operation on complex tensors that has no form on planes.
    """
    function = find_function(module, name)
    if not _speaks_of_complex(function):
        return ComplexBorder()
    run_pipeline(module, TO_PARTS)
    with module.context, ir.Location.unknown():
        return _Splitter().function(find_function(module, name))


def _speaks_of_complex(function: Any) -> bool:
    arguments = [a.type for a in function.regions[0].blocks[0].arguments]
    return any(is_complex(kind) for kind in [*arguments, *(r.type for op in walk(function) for r in op.results)])


def is_complex(kind: Any) -> bool:
    """Whether a type is a complex number or a tensor of such."""
    return isinstance(kind.element_type if isinstance(kind, ir.RankedTensorType) else kind, ir.ComplexType)


def plane_type(kind: Any) -> Any:
    """The type of one plane of a complex type; other types as they are."""
    if not is_complex(kind):
        return kind
    if isinstance(kind, ir.RankedTensorType):
        return ir.RankedTensorType.get(list(kind.shape), ir.ComplexType(kind.element_type).element_type)
    return ir.ComplexType(kind).element_type


@dataclass
class _Splitter:
    """Goes through a function in program order. What is replaced stays until the end: later operations name it."""

    planes: dict[Any, Pair] = field(default_factory=dict)
    dead: list[Any] = field(default_factory=list)
    dead_arguments: list[tuple[Any, int]] = field(default_factory=list)

    def function(self, function: Any) -> ComplexBorder:
        """Splits a whole func.func, whose type changes."""
        kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
        places = (frozenset(i for i, t in enumerate(types) if is_complex(t)) for types in (kind.inputs, kind.results))
        block = function.regions[0].blocks[0]
        operations = [op.operation for op in block.operations]
        self._take_border(block, operations[0])
        for op in operations[:-1]:
            self._operation(op)
        self._return(operations[-1])
        self._bury()
        results = [v.type for v in list(block.operations)[-1].operation.operands]
        types = ir.FunctionType.get([a.type for a in block.arguments], results)
        function.attributes["function_type"] = ir.TypeAttr.get(types)
        return ComplexBorder(*places)

    def _take_border(self, block: Any, first: Any) -> None:
        old = list(block.arguments)
        for before in old:
            kind = parts_type(before.type) if is_complex(before.type) else before.type
            after = block.add_argument(kind, before.location)
            if is_complex(before.type):
                with ir.InsertionPoint(first):
                    self.planes[before] = split_parts(after)
            else:
                before.replace_all_uses_with(after)
        self.dead_arguments.append((block, len(old)))

    def _return(self, end: Any) -> None:
        with ir.InsertionPoint(end), end.location:
            results = [join_parts(*self.planes[v]) if is_complex(v.type) else v for v in end.operands]
            ir.Operation.create("func.return", operands=results)
        self.dead.append(end)

    def _bury(self) -> None:
        for op in reversed(self.dead):
            op.erase()
        for block, count in self.dead_arguments:
            for _ in range(count):
                block.erase_argument(0)

    # ---- operations

    def _operation(self, op: Any) -> None:
        types = [v.type for v in [*op.operands, *op.results]]
        types += [a.type for region in op.regions for block in region.blocks for a in block.arguments]
        with ir.InsertionPoint(op), op.location:
            if not any(map(is_complex, types)):
                self._inside(op)
            elif op.name in _RULES:
                _RULES[op.name](self, op)
                self.dead.append(op)
            elif op.name in _TWICE:
                self._twice(op)
            elif op.name in _SIDE_BY_SIDE:
                self._side_by_side(op)
            else:
                raise UnsupportedError(
                    f"{op.name} on complex numbers is not supported",
                    hint="keep real and imaginary parts as two real tensors",
                    location=location_text(op),
                )

    def _inside(self, op: Any) -> None:
        for region in op.regions:
            for block in region.blocks:
                for child in list(block.operations):
                    self._operation(child.operation)

    def _twice(self, op: Any) -> None:
        if op.name == "tensor.pad":
            self._hoist(op)
        self.planes[op.results[0]] = (self._plane_of(op, 0), self._plane_of(op, 1))
        self.dead.append(op)

    def _plane_of(self, op: Any, number: int) -> Any:
        operands = [self.planes[v][number] if is_complex(v.type) else v for v in op.operands]
        kinds, attributes = (
            [plane_type(r.type) for r in op.results],
            {name: op.attributes[name] for name in op.attributes},
        )
        new = ir.Operation.create(op.name, kinds, operands, attributes, regions=len(op.regions))
        for old, region in zip(op.regions, new.regions, strict=True):
            arguments = [plane_type(a.type) for a in old.blocks[0].arguments]
            block = region.blocks.append(*arguments, arg_locs=[ir.Location.current] * len(arguments))
            end = list(old.blocks[0].operations)[-1].operation
            handed = end.operands[0]
            with ir.InsertionPoint(block):  # a region of these hands on one value: an argument, or one from outside
                at = list(old.blocks[0].arguments).index(handed) if handed in list(old.blocks[0].arguments) else None
                value = self.planes[handed][number] if at is None else block.arguments[at]
                ir.Operation.create(end.name, operands=[value])
        return new.results[0]

    def _hoist(self, pad: Any) -> None:
        """Moves what computes the value of a padding in front of it."""
        for child in list(pad.regions[0].blocks[0].operations)[:-1]:
            child.operation.move_before(pad)
            self._operation(child.operation)

    def _side_by_side(self, op: Any) -> None:
        kinds = [kind for r in op.results for kind in ([plane_type(r.type)] * (2 if is_complex(r.type) else 1))]
        new = ir.Operation.create(op.name, kinds, self._spread(op.operands), _attributes(op), regions=len(op.regions))
        rest = iter(new.results)
        for result in op.results:
            if is_complex(result.type):
                self.planes[result] = (next(rest), next(rest))
            else:
                result.replace_all_uses_with(next(rest))
        self.dead.append(op)
        for old, region in zip(op.regions, new.regions, strict=True):
            if len(old.blocks):
                old.blocks[0].append_to(region)
                self._spread_arguments(region.blocks[0])
        self._inside(new)

    def _spread(self, values: Sequence[Any]) -> list[Any]:
        return [part for v in values for part in (self.planes[v] if is_complex(v.type) else (v,))]

    def _spread_arguments(self, block: Any) -> None:
        old = list(block.arguments)
        for before in old:
            if is_complex(before.type):
                real, imaginary = (block.add_argument(plane_type(before.type), before.location) for _ in range(2))
                self.planes[before] = (real, imaginary)
            else:
                before.replace_all_uses_with(block.add_argument(before.type, before.location))
        self.dead_arguments.append((block, len(old)))

    # ---- single numbers, constants, sizes

    def create(self, op: Any) -> None:
        """complex.create: the parts are at hand."""
        self.planes[op.results[0]] = (op.operands[0], op.operands[1])

    def real(self, op: Any) -> None:
        """complex.re."""
        op.results[0].replace_all_uses_with(self.planes[op.operands[0]][0])

    def imaginary(self, op: Any) -> None:
        """complex.im."""
        op.results[0].replace_all_uses_with(self.planes[op.operands[0]][1])

    def number(self, op: Any) -> None:
        """complex.constant."""
        element = ir.ComplexType(op.results[0].type).element_type
        parts = [arith.ConstantOp(element, part).result for part in ir.ArrayAttr(op.attributes["value"])]
        self.planes[op.results[0]] = (parts[0], parts[1])

    def extent(self, op: Any) -> None:
        """tensor.dim: both planes have it."""
        size = tensor.DimOp(self.planes[op.operands[0]][0], op.operands[1]).result
        op.results[0].replace_all_uses_with(size)

    def constant(self, op: Any) -> None:
        """arith.constant of a tensor."""
        kind, array = plane_type(op.results[0].type), complex_array(op)
        values = (ir.DenseElementsAttr.get(part.copy(), type=kind) for part in (array.real, array.imag))
        real, imaginary = (arith.ConstantOp(kind, value).result for value in values)
        self.planes[op.results[0]] = (real, imaginary)


_RULES: dict[str, Callable[[_Splitter, Any], None]] = {
    "complex.create": _Splitter.create,
    "complex.re": _Splitter.real,
    "complex.im": _Splitter.imaginary,
    "complex.constant": _Splitter.number,
    "arith.constant": _Splitter.constant,
    "tensor.dim": _Splitter.extent,
}


def _attributes(op: Any) -> dict[str, Any]:
    """The attributes of an operation whose complex operands come twice."""
    attributes = {name: op.attributes[name] for name in op.attributes}
    times = [2 if is_complex(v.type) else 1 for v in op.operands]
    if "indexing_maps" in attributes:
        maps = list(ir.ArrayAttr(attributes["indexing_maps"]))
        attributes["indexing_maps"] = ir.ArrayAttr.get([m for m, n in zip(maps, times, strict=True) for _ in range(n)])
    if "operandSegmentSizes" in attributes:
        sizes, at = [], 0
        for size in ir.DenseI32ArrayAttr(attributes["operandSegmentSizes"]):
            sizes.append(sum(times[at : at + size]))
            at += size
        attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get(sizes)
    return attributes
