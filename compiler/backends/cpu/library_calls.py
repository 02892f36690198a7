"""Products on tiles become calls of a library, in kernels that claim a unit which is one.

The IR says what the call computes; that the library does is tested by running, never proved. A library works on one
thread: the tiles are shared among the threads of the pool already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, cf, func

from stratagem.compiler.backends.cpu.build import Size, i64, parse_type
from stratagem.compiler.backends.cpu.loops.access import Access
from stratagem.compiler.backends.cpu.loops.initial import fill_before, value_of
from stratagem.compiler.backends.cpu.loops.nest import Nest, read_nest
from stratagem.compiler.ir import functions, symbol_name, walk
from stratagem.compiler.schedule.kernel import claim
from stratagem.compiler.schedule.library import claimed_library
from stratagem.hwmodels import Device, LibraryCall
from stratagem.runtime.errors import PassError

ROW_MAJOR, AS_IT_LIES, TRANSPOSED = 101, 111, 112
"""CBLAS_ORDER and CBLAS_TRANSPOSE."""


@dataclass(frozen=True)
class Matrix:
    """An operand: its first element, elements between neighbouring rows (columns, where it is transposed)."""

    pointer: Any
    leading: Size
    transposed: bool


@dataclass(frozen=True)
class Product:
    """`C[m,n] = A[m,k] * B[k,n]`, added to what `C` holds or in place of it; rows of `C` are dense."""

    sizes: tuple[Size, Size, Size]
    left: Matrix
    right: Matrix
    out: Matrix
    adds: bool
    element: Any


def calls_of(module: Any, device: Device) -> dict[str, LibraryCall]:
    """Kernel -> the call that does its product, for those that a library does."""
    units = {function: claimed_library(function, device) for function in functions(module)}
    return {symbol_name(f): unit.calls[claim(f)["function"]] for f, unit in units.items() if unit is not None}


def call_libraries(module: Any, calls: Mapping[str, LibraryCall], suffix: str) -> list[tuple[str, str]]:
    """Replaces the products of kernels in `calls`, whose functions are called `<kernel><suffix>...`; returns function
    and what it calls of each, in program order. Raises PassError for a kernel without such a product."""
    made = []
    with module.context, ir.Location.unknown():
        for function in functions(module):
            call = calls.get(symbol_name(function).partition(suffix)[0])
            if call is not None:
                products = [op for op in walk(function) if _is_product(op)]
                made += [(symbol_name(function), _replace(module, op, call)) for op in products]
    for kernel in set(calls) - {name.partition(suffix)[0] for name, _ in made}:
        claimed = f"kernel '{kernel}' claims to be done by {calls[kernel].library}"
        raise PassError(f"{claimed}, and has no product that a library does", hint="let it claim another unit")
    return made


def _is_product(op: Any) -> bool:
    """Whether an operation on buffers sums products of two of them."""
    if op.name != "linalg.generic" or len(op.operands) != 3 or "reduction" not in str(op.attributes["iterator_types"]):
        return False
    return {inner.operation.name for inner in op.regions[0].blocks[0].operations} == {
        "arith.mulf",
        "arith.addf",
        "linalg.yield",
    }


def _replace(module: Any, op: Any, call: LibraryCall) -> str:
    fill = fill_before(op, op)
    fill = fill if fill is not None and _is_zero(value_of(fill)) else None
    with ir.InsertionPoint(op):
        product = _read(read_nest(op), adds=fill is None)
        symbol = call.symbols[str(product.element)]
        before = _call(module, call.get_threads, [], [parse_type("i32")]) if call.get_threads else None
        if call.set_threads:
            _call(module, call.set_threads, [_i32(1)])
        CONVENTIONS[call.convention](module, symbol, product)
        if before is not None and call.set_threads:
            _call(module, call.set_threads, [before])
    op.erase()
    if fill is not None:
        fill.erase()
    return f"call of {symbol} in {call.library}"


def _is_zero(value: Any) -> bool:
    made_by = value.owner
    if isinstance(made_by, ir.Block) or made_by.operation.name != "arith.constant":
        return False
    return bool(ir.FloatAttr(made_by.operation.attributes["value"]).value == 0.0)


def _read(nest: Nest, adds: bool) -> Product:
    """The product that three loops make. Raises PassError where they make none whose operands lie as libraries ask."""
    (left, right), out = nest.inputs, nest.outputs[0]
    rows = [d for d in nest.loops(parallel=True) if not right.moves_with(d)]
    columns = [d for d in nest.loops(parallel=True) if not left.moves_with(d)]
    depth = nest.loops(parallel=False)
    if len(nest.sizes) != 3 or not len(rows) == len(columns) == len(depth) == 1:
        raise PassError(f"a library multiplies two matrices, this product has {len(nest.sizes)} loops")
    m, n, k = rows[0], columns[0], depth[0]
    if not out.is_unit(n):  # the transposed product has dense rows
        m, n, left, right = n, m, right, left
    sizes = (nest.sizes[m], nest.sizes[n], nest.sizes[k])
    return Product(sizes, _matrix(left, m, k), _matrix(right, k, n), _matrix(out, m, n), adds, out.element)


def _matrix(access: Access, rows: int, columns: int) -> Matrix:
    if access.is_unit(columns):
        return Matrix(access.pointer, access.coefficients[rows], False)
    if access.is_unit(rows):
        return Matrix(access.pointer, access.coefficients[columns], True)
    raise PassError("a library reads matrices whose rows or columns are dense, this product has another operand")


def _cblas(module: Any, symbol: str, product: Product, size: Any) -> None:
    codes = [_i32(TRANSPOSED if one.transposed else AS_IT_LIES) for one in (product.left, product.right)]
    _call(module, symbol, [_i32(ROW_MAJOR), *codes, *_operands(product, size)])


def _row_major_gemm(module: Any, symbol: str, product: Product) -> None:
    letters = [_i32(ord("T" if one.transposed else "N")) for one in (product.left, product.right)]
    status = _call(module, symbol, [*letters, *_operands(product, i64)], [parse_type("i32")])
    cf.AssertOp(arith.cmpi(arith.CmpIPredicate.eq, status, _i32(0)), f"{symbol} failed")


CONVENTIONS: Mapping[str, Any] = {
    "cblas": lambda module, symbol, product: _cblas(module, symbol, product, _narrow),
    "cblas-ilp64": lambda module, symbol, product: _cblas(module, symbol, product, i64),
    "row-major-gemm": _row_major_gemm,
}
"""How each convention of `hwmodels.conventions` is called."""


def _operands(product: Product, size: Any) -> list[Any]:
    """m, n, k, alpha, a, lda, b, ldb, beta, c, ldc."""
    one, kept = (arith.constant(product.element, x) for x in (1.0, 1.0 if product.adds else 0.0))
    left, right, out = ([m.pointer, size(m.leading)] for m in (product.left, product.right, product.out))
    return [*map(size, product.sizes), one, *left, *right, kept, *out]


def _i32(value: int) -> Any:
    return arith.constant(parse_type("i32"), value)


def _narrow(size: Size) -> Any:
    return _i32(size) if isinstance(size, int) else arith.trunci(parse_type("i32"), size)


def _call(module: Any, symbol: str, operands: list[Any], results: Any = ()) -> Any:
    """Calls a function of the library, declared on first use; its result, if there is one."""
    if symbol not in {symbol_name(function) for function in functions(module)}:
        with ir.InsertionPoint.at_block_begin(module.body):
            kind = ir.FunctionType.get([value.type for value in operands], list(results))
            func.FuncOp(symbol, kind, visibility="private")
    made = func.CallOp(list(results), symbol, operands)
    return made.operation.results[0] if results else None
