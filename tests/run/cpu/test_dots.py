"""Dot-product instructions: products of bf16 within the rounding bound, of bytes exactly, for odd sizes and layouts."""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.backends.cpu.loops.dot import dot_of
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.interpreter.api import reference_with_bound
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import Device, Unit, load_device
from tests.run.cpu.harness import Array, Kernels, this_machine
from tests.run.cpu.kernels import shape_text, structured

BF16 = np.dtype(ml_dtypes.bfloat16)
SIZES = [
    (1, 1, 1),
    (6, 1, 2),
    (7, 5, 3),
    (8, 16, 64),
    (13, 33, 17),
    (19, 31, 127),
    (12, 32, 8),
    (37, 65, 129),
    (9, 521, 7),
]
SIGNS = [("s", "s"), ("s", "u"), ("u", "s"), ("u", "u")]


def machine(element: str, vector_bytes: int = 64) -> Device:
    """This machine with a unit for dot products; a skip where it has no instruction for them."""
    device, found = this_machine(vector_bytes), load_device("cpu").target
    sums, group = vector_bytes // 4, 4 if element == "i8" else 2
    tile, lanes = {element: (1, sums, group)}, {element: sums * group}
    unit = Unit("dot", "vreg", functions=("matmul",), tile=tile, lanes=lanes, rate={element: 1e9})
    short = ",+avx512vl" if "avx512" in str(found["features"]) else ""
    facts = {"triple": found["triple"], "cpu": "native", "features": f"{found['features']}{short}"}
    described = replace(device, units=(*device.units, unit), target=facts)
    if dot_of(CpuTarget.of(described), element) is None:
        pytest.skip(f"this processor has no dot products of {element} in vectors of {vector_bytes} bytes")
    return described


def product(
    element: str, m: int | None, n: int | None, k: int | None, turned: str = "", signs: tuple[str, str] = ("s", "s")
) -> str:
    """C[m,n] = sum A[m,k] B[k,n] in f32 or i32; `turned` names the operands that are stored transposed."""
    if element == "bf16":
        body = "%u = arith.extf %x0 : bf16 to f32\n%v = arith.extf %x1 : bf16 to f32\n"
        body += "%p = arith.mulf %u, %v : f32\n%q = arith.addf %s, %p : f32\nlinalg.yield %q : f32"
    else:
        body = f"%u = arith.ext{signs[0]}i %x0 : i8 to i32\n%v = arith.ext{signs[1]}i %x1 : i8 to i32\n"
        body += "%p = arith.muli %v, %u : i32\n%q = arith.addi %p, %s : i32\nlinalg.yield %q : i32"
    shapes = [shape_text((k, m) if "a" in turned else (m, k), element)]
    shapes.append(shape_text((n, k) if "b" in turned else (k, n), element))
    maps = ["(i,j,k)->(k,i)" if "a" in turned else "(i,j,k)->(i,k)"]
    maps += ["(i,j,k)->(j,k)" if "b" in turned else "(i,j,k)->(k,j)", "(i,j,k)->(i,j)"]
    wide, zero = ("f32", "0.0") if element == "bf16" else ("i32", "0")
    return structured(shapes, shape_text((m, n), wide), maps, "ppr", body, zero)


def run(kernels: Kernels, a: Array, b: Array, turned: str, wide: type) -> Array:
    stored = [np.ascontiguousarray(x.T) if name in turned else x for name, x in (("a", a), ("b", b))]
    return kernels.guarded("k", *stored, np.full((a.shape[0], b.shape[1]), 77, wide))[0]


def narrow(m: int, n: int, k: int) -> tuple[Array, Array]:
    random = np.random.default_rng(m * 10000 + n * 100 + k)
    return random.standard_normal((m, k)).astype(BF16), random.standard_normal((k, n)).astype(BF16)


def check_narrow(got: Array, a: Array, b: Array) -> None:
    """|got - exact| <= (K + 2) u sum |a||b|, for any order of summation in f32."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    assert (np.abs(got - a @ b) <= (a.shape[1] + 2) * 2.0**-24 * (np.abs(a) @ np.abs(b)) + 1e-37).all()


def bytes_of(m: int, n: int, k: int) -> tuple[Array, Array]:
    """All values of a byte, the extremes more often."""
    random = np.random.default_rng(m * 10000 + n * 100 + k)
    draws = [random.integers(0, 256, shape) for shape in ((m, k), (k, n))]
    a, b = (np.where(random.random(x.shape) < 0.3, random.choice([0, 127, 128, 255], x.shape), x) for x in draws)
    return a.astype(np.uint8).view(np.int8), b.astype(np.uint8).view(np.int8)


def check_bytes(got: Array, a: Array, b: Array, signs: tuple[str, str]) -> None:
    a, b = (x.view(np.int8 if s == "s" else np.uint8).astype(np.int64) for x, s in zip((a, b), signs, strict=True))
    assert (got == a @ b).all()


@pytest.mark.parametrize("vector_bytes", [64, 32, 16])
@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
def test_bf16_of_any_size(vector_bytes: int, turned: str) -> None:
    kernels = Kernels(product("bf16", None, None, None, turned), machine("bf16", vector_bytes))
    assert "dots of 2 bf16" in str(kernels.code.report)
    for size in SIZES:
        a, b = narrow(*size)
        check_narrow(run(kernels, a, b, turned, np.float32), a, b)


@pytest.mark.parametrize("signs", SIGNS)
@pytest.mark.parametrize(
    ("vector_bytes", "turned"), [(64, ""), (64, "a"), (64, "b"), (64, "ab"), (32, ""), (32, "ab"), (16, "a"), (16, "b")]
)
def test_bytes_of_any_size(vector_bytes: int, turned: str, signs: tuple[str, str]) -> None:
    kernels = Kernels(product("i8", None, None, None, turned, signs), machine("i8", vector_bytes))
    assert "dots of 4 i8" in str(kernels.code.report)
    for size in SIZES:
        a, b = bytes_of(*size)
        check_bytes(run(kernels, a, b, turned, np.int32), a, b, signs)


@pytest.mark.parametrize("turned", ["", "a", "b"])
@pytest.mark.parametrize("size", [(6, 1, 2), (13, 33, 17), (12, 32, 8), (37, 65, 129)])
def test_sizes_known_when_compiled(size: tuple[int, int, int], turned: str) -> None:
    a, b = narrow(*size)
    check_narrow(run(Kernels(product("bf16", *size, turned), machine("bf16")), a, b, turned, np.float32), a, b)
    c, d = bytes_of(*size)
    for signs in SIGNS[:2]:
        kernels = Kernels(product("i8", *size, turned, signs), machine("i8"))
        check_bytes(run(kernels, c, d, turned, np.int32), c, d, signs)


@pytest.mark.parametrize("element", ["bf16", "i8"])
@pytest.mark.parametrize("turned", ["", "a", "b"])
def test_nothing_beyond_the_operands_is_read(element: str, turned: str) -> None:
    """Each operand ends where memory that must not be touched begins."""
    kernels = Kernels(product(element, None, None, None, turned), machine(element))
    for size in ((13, 33, 17), (7, 5, 3), (8, 16, 64)):
        a, b = narrow(*size) if element == "bf16" else bytes_of(*size)
        ended = [_at_the_end(x.T if name in turned else x) for name, x in (("a", a), ("b", b))]
        out = np.zeros((size[0], size[1]), np.float32 if element == "bf16" else np.int32)
        kernels.call("k", *ended, out)
        check_narrow(out, a, b) if element == "bf16" else check_bytes(out, a, b, ("s", "s"))


def _at_the_end(array: Array) -> Array:
    """A copy whose last byte is the last one of a page, before a page that cannot be read."""
    room = -(-array.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, room + mmap.PAGESIZE)
    bytes_ = np.frombuffer(memory, np.uint8)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    assert protect(ctypes.c_void_p(bytes_.ctypes.data + room), ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    copy = bytes_[room - array.nbytes : room].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@pytest.mark.parametrize("element", ["bf16", "i8"])
def test_sums_go_on_from_what_is_there(element: str) -> None:
    """Without a fill, the output holds what the sums start from; bytes wrap."""
    text = product(element, 7, 33, 13).replace("outs(%f :", "outs(%o :")
    kernels = Kernels(text, machine(element))
    a, b = narrow(7, 33, 13) if element == "bf16" else bytes_of(7, 33, 13)
    start = np.full((7, 33), 3.5, np.float32) if element == "bf16" else np.full((7, 33), 2**31 - 1, np.int32)
    got = kernels.guarded("k", a, b, start)[0]
    if element == "bf16":
        check_narrow(got, np.c_[a, np.full(7, 3.5, BF16)], np.r_[b, np.ones((1, 33), BF16)])
    else:
        assert (got == (start.astype(np.int64) + a.astype(np.int64) @ b.astype(np.int64)).astype(np.int32)).all()


@pytest.mark.parametrize("depth", [16, 5])
def test_batches_and_windows(depth: int) -> None:
    """A batch moves both operands; a convolution reads each row at several places and groups its channels."""
    random = np.random.default_rng(depth)
    a, b = (random.standard_normal(shape).astype(BF16) for shape in ((3, 9, depth), (3, depth, 21)))
    body = product("bf16", 1, 1, 1).partition("%s: f32):")[2].partition("}")[0]
    loops = "(b,i,j,k)"
    maps = [f"{loops}->(b,i,k)", f"{loops}->(b,k,j)", f"{loops}->(b,i,j)"]
    shapes = [shape_text(a.shape, "bf16"), shape_text(b.shape, "bf16")]
    kernels = Kernels(structured(shapes, "3x9x21xf32", maps, "pppr", body, "0.0"), machine("bf16"))
    got = kernels.guarded("k", a, b, np.zeros((3, 9, 21), np.float32))[0]
    for one, x, y in zip(got, a, b, strict=True):
        check_narrow(one, x, y)
    image, taps = (random.standard_normal(shape).astype(BF16) for shape in ((5, 12, depth), (3, 3, depth, 18)))
    loops = "(h,w,f,p,q,c)"
    maps = [f"{loops}->(h+p,w+q,c)", f"{loops}->(p,q,c,f)", f"{loops}->(h,w,f)"]
    shapes = [shape_text(image.shape, "bf16"), shape_text(taps.shape, "bf16")]
    kernels = Kernels(structured(shapes, "3x10x18xf32", maps, "ppprrr", body, "0.0"), machine("bf16"))
    assert "dots of 2 bf16" in str(kernels.code.report)
    got = kernels.guarded("k", image, taps, np.zeros((3, 10, 18), np.float32))[0]
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(np.float32), (3, 3), (0, 1)).astype(BF16)
    rows = windows.transpose(0, 1, 3, 4, 2).reshape(30, -1)
    check_narrow(got.reshape(30, 18), rows, taps.reshape(-1, 18))


def test_denormal_factors_are_within_the_derived_bound() -> None:
    """The instruction takes them for zero; times a large number that is a difference the bound must allow."""
    a, b = narrow(8, 16, 6)
    a[:, 2], b[2] = np.float32(2.0**-130), np.float32(2.0**127)
    text = product("bf16", 8, 16, 6)
    got = run(Kernels(text, machine("bf16")), a, b, "", np.float32)
    main = text.replace("func private @k", "func @main").replace(" {device.dest}", "")
    ((value, bound),) = reference_with_bound(parse_module(main), [a, b, np.zeros((8, 16), np.float32)])
    assert (np.abs(got - value) <= bound).all()
    assert np.abs(got - value).min() > 0.1  # what a bound of rounding alone does not hold


def program(element: str) -> Program:
    """A product at the tensor level."""
    wide, zero = ("f32", "0.0") if element == "bf16" else ("i32", "0")
    return Program(
        parse_module(f"""module attributes {{stratagem.level = "tensor"}} {{
    func.func @main(%a: tensor<37x101x{element}> {{model.input = "a"}},
                    %b: tensor<101x77x{element}> {{model.input = "b"}})
        -> (tensor<37x77x{wide}> {{model.output = "y"}}) {{
      %z = arith.constant {zero} : {wide}
      %e = tensor.empty() : tensor<37x77x{wide}>
      %f = linalg.fill ins(%z : {wide}) outs(%e : tensor<37x77x{wide}>) -> tensor<37x77x{wide}>
      %r = linalg.matmul ins(%a, %b : tensor<37x101x{element}>, tensor<101x77x{element}>)
        outs(%f : tensor<37x77x{wide}>) -> tensor<37x77x{wide}>
      return %r : tensor<37x77x{wide}>
    }}}}""")
    )


@pytest.mark.parametrize("element", ["bf16", "i8"])
def test_a_program_for_this_machine(element: str) -> None:
    """From the tensor level to a run: the unit is the one for dot products, and so is the code."""
    machine(element)
    compiled = sg.compile(program(element), target="cpu")
    assert 'unit = "dot"' in compiled.ir("device")
    a, b = narrow(37, 77, 101) if element == "bf16" else bytes_of(37, 77, 101)
    got = np.asarray(compiled(a, b))
    check_narrow(got, a, b) if element == "bf16" else check_bytes(got, a, b, ("s", "s"))
