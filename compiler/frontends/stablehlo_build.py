"""A small builder of StableHLO, which has no Python bindings of its own: values know their types, results follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch_mlir import ir

Array = np.ndarray[Any, Any]
State = list[Any]


def operation(name: str, kind: Any, operands: Sequence[Any], **attributes: str) -> Any:
    """stablehlo.`name` with one result of type `kind`; attributes as MLIR text."""
    parsed = {key: ir.Attribute.parse(text) for key, text in attributes.items()}
    return ir.Operation.create(f"stablehlo.{name}", [kind], list(operands), parsed).result


def tensor_type(shape: Sequence[int], element: Any) -> Any:
    return ir.RankedTensorType.get(list(shape), element)


def shape_of(value: Any) -> list[int]:
    return list(value.type.shape)


def element_of(value: Any) -> Any:
    return value.type.element_type


def is_complex(value: Any) -> bool:
    return isinstance(element_of(value), ir.ComplexType)


def real_element(value: Any) -> Any:
    """The element type, of the parts where elements are complex."""
    return ir.ComplexType(element_of(value)).element_type if is_complex(value) else element_of(value)


def same(name: str, *operands: Any) -> Any:
    """An elementwise operation whose result has its last operand's type: arithmetic, and `select`."""
    return operation(name, operands[-1].type, operands)


def compare(direction: str, left: Any, right: Any) -> Any:
    """EQ, NE, LT, LE, GT or GE of equal types, elementwise."""
    kind = tensor_type(shape_of(left), ir.IntegerType.get_signless(1))
    return operation(
        "compare", kind, [left, right], comparison_direction=f"#stablehlo<comparison_direction {direction}>"
    )


def array(values: Array) -> Any:
    """A constant of f32, f64, i32 or i64."""
    attribute = ir.DenseElementsAttr.get(np.ascontiguousarray(values))
    return ir.Operation.create("stablehlo.constant", [attribute.type], [], {"value": attribute}).result


def full(number: float, shape: Sequence[int], element: Any) -> Any:
    """A constant of equal real numbers of any element type."""
    if isinstance(element, ir.ComplexType):
        real = full(number, shape, ir.ComplexType(element).element_type)
        return convert(real, element)
    literal = str(int(number)) if isinstance(element, ir.IntegerType) else repr(float(number))
    kind = tensor_type(shape, element)
    return operation("constant", kind, [], value=f"dense<{literal}> : {kind}")


def like(number: float, value: Any) -> Any:
    """A constant of equal numbers, of another value's type."""
    return full(number, shape_of(value), element_of(value))


def convert(value: Any, element: Any) -> Any:
    return operation("convert", tensor_type(shape_of(value), element), [value])


def iota(shape: Sequence[int], dimension: int) -> Any:
    """Along a dimension 0, 1, 2 ... as i32."""
    kind = tensor_type(shape, ir.IntegerType.get_signless(32))
    return operation("iota", kind, [], iota_dimension=f"{dimension} : i64")


def reshape(value: Any, shape: Sequence[int]) -> Any:
    return operation("reshape", tensor_type(shape, element_of(value)), [value])


def broadcast(value: Any, shape: Sequence[int], dimensions: Sequence[int]) -> Any:
    """`dimensions`: for each dimension of the value its place in the result."""
    kind = tensor_type(shape, element_of(value))
    return operation("broadcast_in_dim", kind, [value], broadcast_dimensions=integers(dimensions))


def transpose(value: Any, order: Sequence[int]) -> Any:
    kind = tensor_type([shape_of(value)[d] for d in order], element_of(value))
    return operation("transpose", kind, [value], permutation=integers(order))


def swap_last(value: Any) -> Any:
    """The last two dimensions exchanged: matrices transposed."""
    rank = value.type.rank
    return transpose(value, [*range(rank - 2), rank - 1, rank - 2])


def slice_last(value: Any, start: int, stop: int) -> Any:
    """Elements `start` to `stop` of the last dimension."""
    shape = shape_of(value)
    kind = tensor_type([*shape[:-1], stop - start], element_of(value))
    starts, stops = [0] * (len(shape) - 1) + [start], [*shape[:-1], stop]
    ones = integers([1] * len(shape))
    return operation(
        "slice", kind, [value], start_indices=integers(starts), limit_indices=integers(stops), strides=ones
    )


def join_last(values: Sequence[Any]) -> Any:
    """Concatenated along the last dimension."""
    shape = shape_of(values[0])
    kind = tensor_type([*shape[:-1], sum(shape_of(v)[-1] for v in values)], element_of(values[0]))
    return operation("concatenate", kind, values, dimension=f"{len(shape) - 1} : i64")


def product(left: Any, right: Any) -> Any:
    """Matrix products of [batch..., m, k] and [batch..., k, n]."""
    rank = left.type.rank
    batch = list(range(rank - 2))
    kind = tensor_type([*shape_of(left)[:-1], shape_of(right)[-1]], element_of(left))
    numbers = (
        f"#stablehlo.dot<lhs_batching_dimensions = {batch}, rhs_batching_dimensions = {batch}, "
        f"lhs_contracting_dimensions = [{rank - 1}], rhs_contracting_dimensions = [{rank - 2}]>"
    )
    return operation("dot_general", kind, [left, right], dot_dimension_numbers=numbers)


def take(value: Any, dimension: int, at: Any) -> Any:
    """The slice of size 1 at index `at` (i32, no dimensions) of one dimension."""
    sizes = [1 if d == dimension else n for d, n in enumerate(shape_of(value))]
    kind = tensor_type(sizes, element_of(value))
    return operation("dynamic_slice", kind, [value, *_starts(value, dimension, at)], slice_sizes=integers(sizes))


def put(value: Any, part: Any, dimension: int, at: Any) -> Any:
    """The value with the slice of size 1 at `at` replaced by `part`."""
    return operation("dynamic_update_slice", value.type, [value, part, *_starts(value, dimension, at)])


def fold(name: str, value: Any, dimension: int, start: float) -> Any:
    """A reduction by `add`, `maximum`, `minimum` along one dimension, which stays with size 1."""
    shape, element = shape_of(value), element_of(value)
    kept = [n for d, n in enumerate(shape) if d != dimension]
    reduction = ir.Operation.create(
        "stablehlo.reduce",
        [tensor_type(kept, element)],
        [value, full(start, [], element)],
        {"dimensions": ir.Attribute.parse(integers([dimension]))},
        regions=1,
    )
    single, here = tensor_type([], element), ir.Location.current
    block = reduction.regions[0].blocks.append(single, single, arg_locs=[here, here])
    with ir.InsertionPoint(block):
        ir.Operation.create("stablehlo.return", operands=[same(name, *block.arguments)])
    return reshape(reduction.result, [1 if d == dimension else n for d, n in enumerate(shape)])


def repeat(count: int, state: State, body: Callable[[Any, State], State]) -> State:
    """`body(i, state)` for i = 0 to `count` - 1 (i32, no dimensions) as a while loop; the last state."""
    counter = full(0, [], ir.IntegerType.get_signless(32))
    values, here = [counter, *state], ir.Location.current
    kinds = [v.type for v in values]
    loop = ir.Operation.create("stablehlo.while", kinds, values, regions=2)
    condition, work = (r.blocks.append(*kinds, arg_locs=[here] * len(kinds)) for r in loop.regions)
    with ir.InsertionPoint(condition):
        goes_on = compare("LT", condition.arguments[0], like(count, counter))
        ir.Operation.create("stablehlo.return", operands=[goes_on])
    with ir.InsertionPoint(work):
        at, *carried = work.arguments
        following = body(at, carried)
        ir.Operation.create("stablehlo.return", operands=[same("add", at, like(1, at)), *following])
    return list(loop.results)[1:]


def real(value: Any) -> Any:
    """The real part, elementwise; real numbers as they are."""
    if not is_complex(value):
        return value
    return operation("real", tensor_type(shape_of(value), real_element(value)), [value])


def imaginary(value: Any) -> Any:
    """The imaginary part of complex numbers, elementwise."""
    return operation("imag", tensor_type(shape_of(value), real_element(value)), [value])


def complex_number(real_part: Any, imaginary_part: Any) -> Any:
    element = ir.ComplexType.get(element_of(real_part))
    return operation("complex", tensor_type(shape_of(real_part), element), [real_part, imaginary_part])


def conjugate(value: Any) -> Any:
    """Complex conjugates; real numbers as they are."""
    return complex_number(real(value), same("negate", imaginary(value))) if is_complex(value) else value


def _starts(value: Any, dimension: int, at: Any) -> list[Any]:
    return [at if d == dimension else like(0, at) for d in range(value.type.rank)]


def integers(values: Sequence[int]) -> str:
    """The text of an attribute of several integers."""
    return f"array<i64: {', '.join(map(str, values))}>" if values else "array<i64>"
