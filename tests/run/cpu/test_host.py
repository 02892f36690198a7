"""Host programs on buffers: entry, results that the caller owns, kernels behind drivers, failures, the C loader."""

from __future__ import annotations

import ctypes
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.backends.cpu.compile import compile_host, compile_kernels, emit_text, link
from stratagem.compiler.entry import RUNTIME_DECLARATIONS, entry_text, stub_text
from stratagem.compiler.ir import find_function, parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.bindings import ExecutionError, load_runtime
from stratagem.runtime.descriptors import fill
from stratagem.runtime.shared_object import open_shared_object
from tests.run.cpu.harness import Array, runtime, this_machine

MAIN = """
func.func private @double(memref<?xf32>, memref<?xf32>) attributes {llvm.emit_c_interface}
func.func private @away(memref<?xf32>, index) attributes {llvm.emit_c_interface}
func.func @main(%a: memref<?xf32>, %p: memref<1xf32>, %arena: memref<64xi8>) -> memref<?xf32> {
  %c0 = arith.constant 0 : index
  %c7 = arith.constant 7 : index
  %d = memref.dim %a, %c0 : memref<?xf32>
  %enough = arith.cmpi sge, %d, %c7 : index
  cf.assert %enough, "the input needs 7 elements"
  %b = memref.alloc(%d) : memref<?xf32>
  func.call @double(%a, %b) : (memref<?xf32>, memref<?xf32>) -> ()
  func.call @away(%b, %d) : (memref<?xf32>, index) -> ()
  %v = memref.load %p[%c0] : memref<1xf32>
  memref.store %v, %b[%c0] : memref<?xf32>
  return %b : memref<?xf32>
}"""
DOUBLE = """
func.func private @double(%x: tensor<?xf32>, %out: tensor<?xf32> {device.dest}) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %r = scf.forall (%i) = (0) to (%n) step (4) shared_outs(%o = %out) -> (tensor<?xf32>) {
    %c40 = arith.constant 40 : index
    %fine = arith.cmpi slt, %i, %c40 : index
    cf.assert %fine, "unit 10 must not run"
    %s = affine.min affine_map<(d0)[s0] -> (s0 - d0, 4)>(%i)[%n]
    %xs = tensor.extract_slice %x[%i] [%s] [1] : tensor<?xf32> to tensor<?xf32>
    %os = tensor.extract_slice %o[%i] [%s] [1] : tensor<?xf32> to tensor<?xf32>
    %y = linalg.add ins(%xs, %xs : tensor<?xf32>, tensor<?xf32>) outs(%os : tensor<?xf32>) -> tensor<?xf32>
    scf.forall.in_parallel { tensor.parallel_insert_slice %y into %o[%i] [%s] [1] : tensor<?xf32> into tensor<?xf32> }
  } {device.tier = "core"}
  return %r : tensor<?xf32>
}"""
AWAY = "func.func private @away(%x: tensor<?xf32>, %n: index)"


@pytest.fixture(scope="module")
def code() -> bytes:
    device, host = this_machine(), parse_module(MAIN)
    away = parse_module(AWAY).body.operations[0].operation
    texts = [RUNTIME_DECLARATIONS, entry_text(find_function(host, "main")), stub_text(away, 0)]
    glue = emit_text("\n".join(texts), device)
    return link([compile_host(host, device), compile_kernels(parse_module(DOUBLE), device), glue])


class Compiled:
    """The program above, called with arrays."""

    def __init__(self, code: bytes) -> None:
        self.runtime = runtime()
        self.entry = ctypes.cast(open_shared_object(code).sg_entry, ctypes.c_void_p).value

    def __call__(self, a: Array, serve: Callable[[int, Any, int], bool]) -> Array:
        """Raises ExecutionError when the program fails."""
        arrays = [a, np.array([99], np.float32), np.zeros(64, np.int8)]
        blocks = [np.zeros(5, np.int64) for _ in range(4)]
        for block, array in zip(blocks[1:], arrays, strict=True):
            fill(block, array)
        pointers = np.array([b.ctypes.data for b in blocks])
        with self.runtime.driver(serve):
            self.runtime.call(self.entry or 0, pointers.ctypes.data)
        address, size = int(blocks[0][1]), int(blocks[0][3])
        result = np.ctypeslib.as_array((ctypes.c_float * size).from_address(address)).copy()
        self.runtime.free(int(blocks[0][0]))
        return result


def test_a_run_calls_its_kernels_and_drivers(code: bytes) -> None:
    launches = []

    def serve(kernel: int, pointers: Any, count: int) -> bool:
        launches.append((kernel, count, ctypes.c_int64.from_address(pointers[1]).value))
        return True

    a = np.arange(11, dtype=np.float32)
    got = Compiled(code)(a, serve)
    assert got.tolist() == [99.0, *(2 * a[1:]).tolist()]
    assert launches == [(0, 2, 11)]


@pytest.mark.parametrize("size, message", [(5, "the input needs 7 elements"), (400, "unit 10 must not run")])
def test_failed_assertions_name_their_reason(code: bytes, size: int, message: str) -> None:
    program = Compiled(code)
    with pytest.raises(Exception, match=message):
        program(np.ones(size, np.float32), lambda *_: True)
    assert program(np.ones(9, np.float32), lambda *_: True)[1] == 2.0


@pytest.mark.parametrize("fault", ["an assertion of a kernel", "a driver"])
def test_failing_runs_keep_no_memory(code: bytes, fault: str) -> None:
    """Each of these runs has allocated its result when it fails."""
    program = Compiled(code)
    program.runtime.functions.sg_held_bytes.restype = ctypes.c_size_t
    held = []
    for _ in range(20):
        with pytest.raises(ExecutionError):
            program(np.ones(100_000 if fault != "a driver" else 40, np.float32), lambda *_: fault != "a driver")
        held.append(program.runtime.functions.sg_held_bytes())
    assert len(set(held)) == 1
    assert program(np.ones(9, np.float32), lambda *_: True)[1] == 2.0


def test_a_failing_driver_stops_the_program(code: bytes) -> None:
    with pytest.raises(Exception, match="driver failed on kernel 0 with status 1"):
        Compiled(code)(np.ones(9, np.float32), lambda *_: False)


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("rank", ctypes.c_int64), ("shape", ctypes.c_int64 * 16)]


def artifact(path: Path, code: bytes, lines: list[str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("values", np.array([42], np.float32).tobytes())
        offset = archive.getinfo("values").header_offset + 30 + len("values")
        archive.writestr("code/model.so", code)
        archive.writestr("code/entry.tsv", "\n".join(lines).format(offset=offset) + "\n")
    return path


LINES = ["output\ty\tf32\t1\t?", "input\tx\tf32\t1\t?", "param\tp\tf32\t{offset}\t4\t1\t1", "arena\t64"]


def loader() -> Any:
    functions = runtime().functions
    functions.sg_program_load.restype = ctypes.c_void_p
    functions.sg_program_load.argtypes = [ctypes.c_char_p]
    functions.sg_program_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    functions.sg_program_free.argtypes = [ctypes.c_void_p]
    return functions


def test_the_c_loader_runs_an_artifact(tmp_path: Path, code: bytes) -> None:
    functions = loader()
    program = functions.sg_program_load(str(artifact(tmp_path / "m.sgm", code, LINES)).encode())
    assert program, functions.sg_error()
    x = np.arange(10, dtype=np.float32)
    given, taken = Tensor(x.ctypes.data, 1), Tensor()
    given.shape[0] = 10
    with runtime().driver(lambda *_: True):
        assert functions.sg_program_run(program, ctypes.byref(given), ctypes.byref(taken)) == 0, functions.sg_error()
    got = np.ctypeslib.as_array((ctypes.c_float * taken.shape[0]).from_address(taken.data)).tolist()
    assert got == [42.0, *(2 * x[1:]).tolist()]
    functions.sg_free(taken.data)
    given.rank = 2
    assert functions.sg_program_run(program, ctypes.byref(given), ctypes.byref(taken)) == 1
    assert b"input 'x' has rank 2, the program takes rank 1" in functions.sg_error()
    functions.sg_program_free(program)


@pytest.mark.parametrize(
    "lines, message",
    [
        (["input\tx\tf32\t1"], b"line 1 cannot be used"),
        (["arena\t64", "param\tp\tf32\t999999999\t4\t1\t1"], b"line 2 cannot be used"),
        (["input\tx\tf99x\t99\t?"], b"line 1 cannot be used"),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, code: bytes, lines: list[str], message: bytes) -> None:
    functions = loader()
    assert not functions.sg_program_load(str(artifact(tmp_path / "m.sgm", code, lines)).encode())
    assert message in functions.sg_error()


def test_files_that_are_no_artifacts_are_refused(tmp_path: Path, code: bytes) -> None:
    functions = loader()
    assert not functions.sg_program_load(str(tmp_path / "none.sgm").encode())
    assert b"cannot open" in functions.sg_error()
    whole = artifact(tmp_path / "m.sgm", code, LINES).read_bytes()
    (tmp_path / "short.sgm").write_bytes(whole[:-30])
    assert not functions.sg_program_load(str(tmp_path / "short.sgm").encode())
    assert b"not an artifact" in functions.sg_error()
    (tmp_path / "text.sgm").write_bytes(b"hello")
    assert not functions.sg_program_load(str(tmp_path / "text.sgm").encode())
    with zipfile.ZipFile(tmp_path / "packed.sgm", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("code/model.so", code)
        archive.writestr("code/entry.tsv", "arena\t0\n")
    assert not functions.sg_program_load(str(tmp_path / "packed.sgm").encode())
    assert b"is compressed" in functions.sg_error()


LEAKING = """
func.func @main(%x: tensor<?xf32> {model.input = "x"}, %c: tensor<i1> {model.input = "c"})
    -> (tensor<?xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %p = tensor.extract %c[] : tensor<i1>
  %a = scf.if %p -> (tensor<?xf32>) {
    %e = tensor.empty(%n) : tensor<?xf32>
    %r = linalg.exp ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) -> tensor<?xf32>
    scf.yield %r : tensor<?xf32>
  } else {
    scf.yield %x : tensor<?xf32>
  }
  %e = tensor.empty(%n) : tensor<?xf32>
  %y = linalg.negf ins(%a : tensor<?xf32>) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
"""


@pytest.mark.parametrize("condition", [True, False])
def test_what_branches_hand_on_is_given_back(condition: bool) -> None:
    """A buffer of a branch that is no output of the program: its run ends, and so does its memory."""
    program = sg.compile(Program(parse_module(LEAKING)))
    x = np.linspace(-1, 1, 10007, dtype=np.float32)
    wanted = -np.exp(x) if condition else -x
    held = []
    for _ in range(8):
        np.testing.assert_allclose(program(x, np.array(condition)), wanted, rtol=1e-6)
        held.append(load_runtime().held_bytes())
    assert held[-1] == held[1]
