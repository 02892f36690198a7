"""Where dot-product instructions are used: what a description must say, and which nests are made for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stratagem.compiler.backends.cpu.bufferize import bufferize_kernels
from stratagem.compiler.backends.cpu.compile import emit_assembly, emit_object, kernels_to_llvm
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.dot import Dot, dot_of
from stratagem.compiler.backends.cpu.loops.dots import LEAST_ROWS
from stratagem.compiler.backends.cpu.loops.lower_linalg import lower_linalg
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.ir import parse_module
from stratagem.hwmodels import load_device
from stratagem.hwmodels.instructions import needed_flags
from tests.run.cpu.kernels import structured
from tests.run.cpu.test_dots import product

ZEN = CpuTarget.of(load_device("epyc-zen4"))
PI = CpuTarget.of(load_device("raspberry-pi-5"))


def plan(text: str, target: CpuTarget = ZEN) -> Plan:
    """The plan of a kernel's last operation."""
    module = parse_module(text)
    bufferize_kernels(module)
    return lower_linalg(module, target)[-1][1]


@pytest.mark.parametrize(
    ("name", "dots"),
    [
        ("epyc-zen4", ("bf16", "i8")),
        ("epyc-zen5", ("bf16", "i8")),
        ("xeon-8480", ("bf16", "i8")),
        ("grace", ("i8",)),
        ("raspberry-pi-5", ("i8",)),
        ("apple-m4", ("i8",)),
        ("generic-avx512", ()),
        ("generic-aarch64", ()),
        ("generic-rv64gcv", ()),
    ],
)
def test_descriptions_of_the_library(name: str, dots: tuple[str, ...]) -> None:
    """What code makes use of, it also says that it needs."""
    device = load_device(name)
    target = CpuTarget.of(device)
    assert target.dots == dots
    assert all(dot_of(target, element) for element in dots)
    needs = {"bf16": "avx512_bf16", "i8": "avx512_vnni" if "x86" in target.triple else "asimddp"}
    assert {needs[element] for element in dots} <= set(needed_flags(device.target))


@pytest.mark.parametrize(
    ("element", "signs", "instructions"),
    [("bf16", ("s", "s"), ["vdpbf16ps"]), ("i8", ("s", "s"), ["vpdpbusd"]), ("i8", ("u", "s"), ["vpdpbusd"])],
)
def test_instructions_are_those_of_the_description(
    element: str, signs: tuple[str, str], instructions: list[str]
) -> None:
    text = product(element, 24, 40, 33, signs=signs)
    described = emit_assembly(kernels_to_llvm(parse_module(text), ZEN)[0], ZEN)
    assert all(name in described for name in instructions)
    for bare in (replace(ZEN, dots=()), replace(ZEN, features=""), CpuTarget.of(load_device("generic-avx512"))):
        code, plans = kernels_to_llvm(parse_module(text), bare)
        assert "dots" not in str(plans) and not any(name in emit_assembly(code, bare) for name in instructions)


@pytest.mark.parametrize(("signs", "instruction"), [("ss", "sdot"), ("uu", "udot"), ("us", "sdot"), ("su", "udot")])
def test_objects_for_aarch64_hold_its_dot_products(signs: str, instruction: str) -> None:
    text = product("i8", 24, 40, 33, signs=(signs[0], signs[1]))
    code = kernels_to_llvm(parse_module(text), PI)[0]
    assert instruction in emit_assembly(code, PI)
    assert int.from_bytes(emit_object(code, PI)[18:20], "little") == 183


def test_which_instruction_takes_which_signs() -> None:
    """Rows are made to fit the columns: of the other sign for one architecture, of the same for the other."""
    vnni = "llvm.x86.avx512.vpdpbusd.512"
    assert dot_of(ZEN, "i8", (True, False)) == Dot("i8", vnni, columns_first=False)
    assert dot_of(ZEN, "i8", (False, True)) == Dot("i8", vnni, columns_first=True)
    assert dot_of(ZEN, "i8", (True, True)) == Dot("i8", vnni, columns_first=False, flipped=True)
    assert dot_of(ZEN, "i8", (False, False)) == Dot("i8", vnni, columns_first=True, flipped=True)
    assert dot_of(PI, "i8", (True, True)) == Dot("i8", "llvm.aarch64.neon.sdot.v4i32.v16i8")
    assert dot_of(PI, "i8", (False, True)) == Dot("i8", "llvm.aarch64.neon.udot.v4i32.v16i8", flipped=True)


def test_short_vectors_need_instructions_of_their_own() -> None:
    short = replace(ZEN, vector_bytes=32)
    assert dot_of(short, "bf16") is None and dot_of(short, "i8") is None
    long = replace(short, features=f"{ZEN.features},+avx512vl")
    assert dot_of(long, "bf16") == Dot("bf16", "llvm.x86.avx512bf16.dpbf16ps.256")
    vex = replace(short, features="+avxvnni", cpu="x86-64-v3")
    assert dot_of(vex, "bf16") is None and dot_of(vex, "i8") is not None
    code = kernels_to_llvm(parse_module(product("i8", 24, 40, 33)), vex)[0]
    assert "vpdpbusd" in emit_assembly(code, vex)


def test_few_rows_do_without() -> None:
    assert plan(product("bf16", LEAST_ROWS, 64, 64)).dot is not None
    assert plan(product("bf16", LEAST_ROWS - 1, 64, 64)).dot is None
    free = plan(product("i8", None, 64, 64))
    assert free.dot is not None and free.few is not None and free.few.dot is None


def extended(operation: str, element: str, wide: str) -> str:
    """Both factors, widened."""
    return "".join(f"%{v} = arith.{operation} %x{i} : {element} to {wide}\n" for i, v in enumerate("uv"))


BYTES, ADDED = extended("extsi", "i8", "i32"), "%q = arith.addi %s, %p : i32\nlinalg.yield %q : i32"
FLOATS = "%p = arith.mulf %u, %v : f32\n%q = arith.addf %s, %p : f32\nlinalg.yield %q : f32"
SHIFTED = "%c = arith.constant 3 : i32\n%w = arith.subi %v, %c : i32\n%p = arith.muli %u, %w : i32\n"
OTHERS = {
    "a zero point is taken off": ("i8", "i32", BYTES + SHIFTED + ADDED),
    "bytes are squared": ("i8", "i32", f"{BYTES}%p = arith.muli %u, %u : i32\n{ADDED}"),
    "sums of 64 bits": (
        "i8",
        "i64",
        extended("extsi", "i8", "i64") + "%p = arith.muli %u, %v : i64\n" + ADDED.replace("i32", "i64"),
    ),
    "sums of bytes": ("i8", "i8", "%p = arith.muli %x0, %x1 : i8\n" + ADDED.replace("i32", "i8")),
    "another narrow float": ("f16", "f32", extended("extf", "f16", "f32") + FLOATS),
    "a difference": ("bf16", "f32", extended("extf", "bf16", "f32") + FLOATS.replace("addf", "subf")),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_bodies_do_without(name: str) -> None:
    element, wide, body = OTHERS[name]
    maps = ["(i,j,k)->(i,k)", "(i,j,k)->(k,j)", "(i,j,k)->(i,j)"]
    zero = "0.0" if wide == "f32" else "0"
    assert (
        plan(structured([f"24x33x{element}", f"33x40x{element}"], f"24x40x{wide}", maps, "ppr", body, zero)).dot is None
    )


def test_operands_that_are_dense_nowhere_do_without() -> None:
    body = product("bf16", 1, 1, 1).partition("%s: f32):")[2].partition("}")[0]
    maps = ["(i,j,k)->(i,k,0)", "(i,j,k)->(k,j)", "(i,j,k)->(i,j)"]
    assert plan(structured(["24x33x2xbf16", "33x40xbf16"], "24x40xf32", maps, "ppr", body, "0.0")).dot is None


def test_sums_of_bf16_are_kept_in_f32() -> None:
    """Also where the program sums in bf16: the present path does so, too."""
    body = "%p = arith.mulf %x0, %x1 : bf16\n%q = arith.addf %s, %p : bf16\nlinalg.yield %q : bf16"
    maps = ["(i,j,k)->(i,k)", "(i,j,k)->(k,j)", "(i,j,k)->(i,j)"]
    found = plan(structured(["24x33xbf16", "33x40xbf16"], "24x40xbf16", maps, "ppr", body, "0.0"))
    assert str(found) == f"block {found.height}x{found.vectors} of 16 lanes, dots of 2 bf16"
