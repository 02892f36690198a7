"""Chains that models are made of, which the compiler fuses and gives special forms: softmax, normalisation, attention,
a layer with bias and activation.
"""

from __future__ import annotations

from typing import Any

from tests.fuzz.body import BodyMaker
from tests.fuzz.description import FLOATS, Dim, Type, Value
from tests.fuzz.families.structured import Nest, plain
from tests.fuzz.scope import Scope


def _float_element(scope: Scope) -> str:
    found = [e for e in scope.elements if e in FLOATS]
    return scope.rng.choice(found) if found else "f32"


def _row_reduction(scope: Scope, value: Value, axis: int, op: str, start: Any, *, square: bool = False) -> Value:
    dims = value.type.dims
    nest = Nest(scope, dims)
    nest.read(value, [plain(i) for i in range(len(dims))])
    body = BodyMaker(scope.rng, [])
    element = value.type.element
    term = body.add("plain", "arith.mulf", element, ["a0", "a0"]) if square else "a0"
    total = body.add("plain", op, element, [term, "a1"])
    kept = [i for i in range(len(dims)) if i != axis]
    kinds = "".join("r" if i == axis else "p" for i in range(len(dims)))
    (result,) = nest.finish(body, [(element, kept)], kinds, [{"fill": start}], [total])
    return result


def _per_row(scope: Scope, value: Value, row: Value, axis: int, ops: list[tuple[str, list[str]]]) -> Value:
    """`ops` on an element (a0) and its row's number (a1)."""
    dims = value.type.dims
    nest = Nest(scope, dims)
    nest.read(value, [plain(i) for i in range(len(dims))])
    nest.read(row, [plain(i) for i in range(len(dims)) if i != axis])
    body = BodyMaker(scope.rng, [])
    last = "a0"
    for op, args in ops:
        last = body.add("plain", op, value.type.element, args)
    order = list(range(len(dims)))
    (result,) = nest.finish(body, [(value.type.element, order)], "p" * len(dims), ["empty"], [last])
    return result


def _softmax(scope: Scope, value: Value, axis: int) -> Value:
    largest = _row_reduction(scope, value, axis, "arith.maximumf", "-inf")
    power = _per_row(scope, value, largest, axis, [("arith.subf", ["a0", "a1"]), ("math.exp", ["t0"])])
    total = _row_reduction(scope, power, axis, "arith.addf", 0.0)
    return _per_row(scope, power, total, axis, [("arith.divf", ["a0", "a1"])])


def _some_float(scope: Scope, least: int, most: int) -> Value:
    found = scope.value(lambda t: t.element in FLOATS and least <= len(t.dims) <= most)
    if found is not None and scope.rng.random() < 0.7:
        return found
    return scope.input(Type(_float_element(scope), scope.shape(least, most)))


def softmax(scope: Scope) -> None:
    value = _some_float(scope, 1, 4)
    axis = scope.rng.choice([len(value.type.dims) - 1, scope.rng.randrange(len(value.type.dims))])
    if scope.size(value.type.dims[axis]):
        _softmax(scope, value, axis)


def normalisation(scope: Scope) -> None:
    """x / sqrt(sum of squares + 0.5) along one dimension, perhaps scaled."""
    value = _some_float(scope, 1, 4)
    axis, element = len(value.type.dims) - 1, value.type.element
    total = _row_reduction(scope, value, axis, "arith.addf", 0.0, square=True)
    ops = [("arith.addf", ["a1", f"c:{element}:0.5"]), ("math.rsqrt", ["t0"]), ("arith.mulf", ["a0", "t1"])]
    result = _per_row(scope, value, total, axis, ops)
    if scope.rng.random() < 0.5:
        dims = value.type.dims
        nest = Nest(scope, dims)
        nest.read(result, [plain(i) for i in range(len(dims))])
        nest.read(scope.of_type(Type(element, (dims[-1],))), [plain(axis)])
        body = BodyMaker(scope.rng, [])
        scaled = body.add("plain", "arith.mulf", element, ["a0", "a1"])
        nest.finish(body, [(element, range(len(dims)))], "p" * len(dims), ["empty"], [scaled])


def layer(scope: Scope) -> None:
    """Product, bias, activation."""
    rng, x = scope.rng, _some_float(scope, 2, 2)
    element, (rows, depth) = x.type.element, x.type.dims
    columns: Dim = scope.dim()
    if not scope.fits((depth, columns), (rows, depth, columns)) or not scope.fits((rows, columns)):
        return
    weight = scope.of_type(Type(element, (depth, columns)))
    kind = Type(element, (rows, columns))
    (y,) = scope.add("named", [x, weight], [kind], op="matmul", text="", init={"fill": 0}, ins=2)
    nest = Nest(scope, kind.dims)
    nest.read(y, [plain(0), plain(1)])
    nest.read(scope.of_type(Type(element, (columns,))), [plain(1)])
    body = nest.maker()
    total = body.add("plain", "arith.addf", element, ["a0", "a1"])
    body.arguments = [(total, element)]
    nest.finish(body, [(element, [0, 1])], "pp", ["empty"], [body.expression(element, rng.randint(1, 3))])


def attention(scope: Scope) -> None:
    """softmax(q k^T * scale [+ mask]) v with one batch dimension."""
    rng, element = scope.rng, _float_element(scope)
    batch, rows, columns, depth = (scope.dim() for _ in range(4))
    if not all(scope.fits(s) for s in ((batch, rows, columns), (batch, columns, depth), (batch, rows, depth))):
        return
    if not scope.fits((), (batch, rows, columns, depth)) or not scope.size(columns):
        return
    q, v = scope.of_type(Type(element, (batch, rows, depth))), scope.of_type(Type(element, (batch, columns, depth)))
    k = scope.of_type(Type(element, (batch, depth, columns)))
    scores = Type(element, (batch, rows, columns))
    (s,) = scope.add("named", [q, k], [scores], op="batch_matmul", text="", init={"fill": 0}, ins=2)
    nest = Nest(scope, scores.dims)
    nest.read(s, [plain(i) for i in range(3)])
    body = BodyMaker(rng, [])
    last = body.add("plain", "arith.mulf", element, ["a0", f"c:{element}:0.5"])
    if rng.random() < 0.5:
        nest.read(scope.of_type(Type(element, (rows, columns))), [plain(1), plain(2)])
        last = body.add("plain", "arith.addf", element, [last, "a1"])
    (scaled,) = nest.finish(body, [(element, [0, 1, 2])], "ppp", ["empty"], [last])
    weights = _softmax(scope, scaled, 2)
    kind = Type(element, (batch, rows, depth))
    scope.add("named", [weights, v], [kind], op="batch_matmul", text="", init={"fill": 0}, ins=2)
