"""A library of plain matrix products, built here, hardware files that offer it, and programs that multiply."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from stratagem.api.compiling import compile
from stratagem.compiler.backends.cpu.linker import find_c_compiler
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.parameters import ParameterStore

Array = np.ndarray[Any, Any]
SYMBOLS = {"row-major-gemm": "gemm", "cblas": "cblas", "cblas-ilp64": "cblas64"}
"""Convention -> how the functions of `gemm.c` that have it are called, before the element type."""
QUICK, SLOW = "4096 op/cy", "1 op/cy"
"""Rates at which an estimate gives every product, or none, to the library."""

DEVICE = """\
hw: 1
device: with-library
extends: cpu
source: {{kind: assumed}}
units:
  - name: plain
    at: vreg
    emulated: true
    functions: [matmul]
    rate: {{f32: {rate}, f64: {rate}}}
    latency: 1 ps
    calls:
      matmul:
        library: {library}
        symbols: {{f32: {symbol}_f32, f64: {symbol}_f64}}
        convention: {convention}
        threads: {{set: gemm_set_threads, get: gemm_get_threads}}
        install: make it
"""


def build_library(folder: Path) -> Path:
    """The library of `gemm.c`."""
    file = folder / "libgemm.so"
    source = Path(__file__).parent / "gemm.c"
    command = [*find_c_compiler(), "-O1", "-shared", "-fPIC", f"-Wl,-soname,{file.name}", "-o", str(file), str(source)]
    subprocess.run(command, check=True)
    return file


def offering(library: Path, rate: str = QUICK, convention: str = "row-major-gemm", symbol: str = "") -> Path:
    """A description of this machine that offers the library for f32 and f64."""
    text = DEVICE.format(library=library, rate=rate, convention=convention, symbol=symbol or SYMBOLS[convention])
    path = library.parent / "with-library.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def calls(library: Path) -> int:
    """How often products of the library were called so far in this process."""
    return ctypes.c_int.in_dll(ctypes.CDLL(str(library)), "gemm_calls").value


def product(
    m: int, n: int, k: int, maps: str = "mk,kn,mn", element: str = "f32", weight: bool = False, follow: bool = False
) -> str:
    """C = A B with operands as `maps` says, `B` a parameter if `weight`; if `follow`, C + 1 where that is above 0."""
    sizes = {"m": m, "n": n, "k": k}
    kinds = [f"tensor<{sizes[one[0]]}x{sizes[one[1]]}x{element}>" for one in maps.split(",")]
    access = ", ".join(f"affine_map<(m, n, k) -> ({one[0]}, {one[1]})>" for one in maps.split(","))
    a, b, c = kinds
    relu = f"""
  %h = tensor.empty() : {c}
  %q = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%r : {c}) outs(%h : {c}) {{
  ^bb0(%x: {element}, %y: {element}):
    %s = arith.addf %x, %one : {element}
    %t = arith.maximumf %s, %z : {element}
    linalg.yield %t : {element}
  }} -> {c}"""
    return f"""#id = affine_map<(i, j) -> (i, j)>
module attributes {{stratagem.level = "tensor"}} {{
func.func @main(%a: {a} {{model.input = "a"}}, %b: {b} {{model.{"param" if weight else "input"} = "b"}})
    -> ({c} {{model.output = "y"}}) {{
  %z = arith.constant 0.0 : {element}
  %one = arith.constant 1.0 : {element}
  %e = tensor.empty() : {c}
  %f = linalg.fill ins(%z : {element}) outs(%e : {c}) -> {c}
  %r = linalg.generic {{indexing_maps = [{access}], iterator_types = ["parallel", "parallel", "reduction"]}}
      ins(%a, %b : {a}, {b}) outs(%f : {c}) {{
  ^bb0(%x: {element}, %y: {element}, %s: {element}):
    %p = arith.mulf %x, %y : {element}
    %t = arith.addf %s, %p : {element}
    linalg.yield %t : {element}
  }} -> {c}{relu if follow else ""}
  return {"%q" if follow else "%r"} : {c}
}}
}}"""


def compiled(text: str, target: Path | str, weight: Array | None = None, tune: int = 0) -> Any:
    """A program for a target."""
    store = ParameterStore({} if weight is None else {"b": weight})
    return compile(Program(parse_module(text), store), target=target, tune=tune)
