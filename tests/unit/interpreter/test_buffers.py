"""The physical level: buffers, views, the arena, kernels called in destination-passing style."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.interpreter.api import Violation, bound_per_call, equal_in_field, reference
from stratagem.compiler.ir import parse_module
from stratagem.runtime.errors import UnsupportedError
from tests.unit.interpreter.support import results

X = np.arange(24, dtype=np.float32).reshape(4, 6)


def test_views_share_memory() -> None:
    body = """
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %v = arith.constant 7.0 : f32
    %a = memref.alloc() : memref<4x6xf32>
    memref.copy %x, %a : memref<4x6xf32> to memref<4x6xf32>
    %s = memref.subview %a[1, 2] [2, 2] [1, 2]
        : memref<4x6xf32> to memref<2x2xf32, strided<[6, 2], offset: 8>>
    memref.store %v, %s[%c1, %c1] : memref<2x2xf32, strided<[6, 2], offset: 8>>
    %f = memref.collapse_shape %a [[0, 1]] : memref<4x6xf32> into memref<24xf32>
    memref.store %v, %f[%c0] : memref<24xf32>
    %e = memref.expand_shape %f [[0, 1]] output_shape [8, 3] : memref<24xf32> into memref<8x3xf32>
    memref.store %v, %e[%c0, %c1] : memref<8x3xf32>
    %r = memref.reinterpret_cast %a
        to offset: [18], sizes: [2], strides: [1] : memref<4x6xf32> to memref<2xf32, strided<[1], offset: 18>>
    memref.store %v, %r[%c1] : memref<2xf32, strided<[1], offset: 18>>
    %l = memref.load %a[%c0, %c1] : memref<4x6xf32>
    return %a, %l : memref<4x6xf32>, f32"""
    a, loaded = results("(%x: memref<4x6xf32>) -> (memref<4x6xf32>, f32)", body, X)
    wanted = X.copy()
    wanted[2, 4] = wanted[0, 0] = wanted[0, 1] = wanted[3, 1] = 7
    np.testing.assert_array_equal(a, wanted)
    assert loaded == 7


def test_structured_operations_write_their_buffers() -> None:
    body = """
    %z = arith.constant 0.0 : f32
    %a = memref.alloc() : memref<4x4xf32>
    linalg.fill ins(%z : f32) outs(%a : memref<4x4xf32>)
    %t = memref.alloc() : memref<6x4xf32>
    linalg.transpose ins(%x : memref<4x6xf32>) outs(%t : memref<6x4xf32>) permutation = [1, 0]
    linalg.matmul ins(%x, %t : memref<4x6xf32>, memref<6x4xf32>) outs(%a : memref<4x4xf32>)
    return %a : memref<4x4xf32>"""
    (a,) = results("(%x: memref<4x6xf32>) -> memref<4x4xf32>", body, X)
    np.testing.assert_array_equal(a, X @ X.T)


ARENA = """
func.func @main(%x: memref<4xf32> {{model.input = "x"}}, %arena: memref<64xi8> {{physical.arena = 64 : i64}})
    -> memref<4xf32> {{
  %first = arith.constant {first} : index
  %second = arith.constant {second} : index
  %v = arith.constant 1{zero} : {element}
  %a = memref.view %arena[%first][] : memref<64xi8> to memref<4xf32>
  %b = memref.view %arena[%second][] : memref<64xi8> to memref<2x{element}>
  linalg.add ins(%x, %x : memref<4xf32>, memref<4xf32>) outs(%a : memref<4xf32>)
  linalg.fill ins(%v : {element}) outs(%b : memref<2x{element}>)
  %r = memref.alloc() : memref<4xf32>
  linalg.add ins(%a, %x : memref<4xf32>, memref<4xf32>) outs(%r : memref<4xf32>)
  return %r : memref<4xf32>
}}
"""


def arena(first: int, second: int, element: str = "f32") -> str:
    return ARENA.format(first=first, second=second, element=element, zero=".0" if element[0] == "f" else "")


@pytest.mark.parametrize("element", ["f32", "f64", "i64"])
def test_arena_views(element: str) -> None:
    (r,) = reference(parse_module(arena(0, 16, element)), [X[0, :4]])
    np.testing.assert_array_equal(r, 3 * X[0, :4])


def test_live_buffers_of_one_type_that_overlap_overwrite_each_other() -> None:
    (r,) = reference(parse_module(arena(0, 8)), [X[0, :4]])
    np.testing.assert_array_equal(r, [0, 3, 3, 4])
    assert equal_in_field(parse_module(arena(0, 16)), parse_module(arena(0, 8))) is not None


@pytest.mark.parametrize("element", ["f64", "i64", "f16"])
def test_live_buffers_of_two_types_that_overlap_are_found(element: str) -> None:
    with pytest.raises(Violation, match=r"element \[2\] of 'result 0' .* nobody wrote; linalg\.add"):
        reference(parse_module(arena(0, 8, element)), [X[0, :4]])


def test_a_buffer_may_take_the_bytes_of_one_that_is_read_no_more() -> None:
    """Views may be taken long before they are written."""
    text = arena(0, 0).replace("linalg.add ins(%a, %x", "linalg.add ins(%x, %x")
    (r,) = reference(parse_module(text), [X[0, :4]])
    np.testing.assert_array_equal(r, 2 * X[0, :4])


def test_arena_bounds_and_alignment() -> None:
    with pytest.raises(Violation, match=r"bytes 60..68 are outside the arena of 64 bytes"):
        reference(parse_module(arena(0, 60)), [X[0, :4]])
    with pytest.raises(Violation, match="byte offset 18 is no multiple of 4"):
        reference(parse_module(arena(0, 18)), [X[0, :4]])
    plain = "func.func @main(%x: memref<16xi8>) -> memref<4xf32> {\n%c = arith.constant 0 : index\n"
    plain += "%v = memref.view %x[%c][] : memref<16xi8> to memref<4xf32>\nreturn %v : memref<4xf32>\n}"
    with pytest.raises(UnsupportedError, match="is not the arena argument"):
        reference(parse_module(plain), [np.zeros(16, np.int8)])


HOST = """
module {
  func.func @main(%x: memref<5xf32> {model.input = "x"}) -> (memref<5xf32> {model.output = "y"}) {
    %r = memref.alloc() : memref<5xf32>
    call @double(%x, %r) : (memref<5xf32>, memref<5xf32>) -> ()
    return %r : memref<5xf32>
  }
  func.func private @double(memref<5xf32>, memref<5xf32>) attributes {llvm.emit_c_interface}
  module @host {
    func.func private @double(%x: tensor<5xf32>, %out: tensor<5xf32> {device.dest}) -> tensor<5xf32> {
      %y = linalg.add ins(%x, %x : tensor<5xf32>, tensor<5xf32>) outs(%out : tensor<5xf32>) -> tensor<5xf32>
      return %y : tensor<5xf32>
    }
  }
}
"""

TENSOR = """
func.func @main(%x: tensor<5xf32> {model.input = "x"}) -> (tensor<5xf32> {model.output = "y"}) {
  %e = tensor.empty() : tensor<5xf32>
  %y = linalg.add ins(%x, %x : tensor<5xf32>, tensor<5xf32>) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  return %y : tensor<5xf32>
}
"""


def test_kernels_of_nested_modules_write_their_destinations() -> None:
    host = parse_module(HOST)
    x = np.arange(5, dtype=np.float32)
    (y,) = reference(host, {"x": x})
    np.testing.assert_array_equal(y, 2 * x)
    assert equal_in_field(parse_module(TENSOR), host) is None
    broken = parse_module(HOST.replace("linalg.add ins(%x, %x", "linalg.mul ins(%x, %x"))
    assert equal_in_field(parse_module(TENSOR), broken) is not None


def test_calls_are_judged_one_by_one() -> None:
    x = np.arange(5, dtype=np.float32)
    (y,), (check,) = bound_per_call(parse_module(HOST), {"x": x})
    assert check and check.kernel == "double"
    np.testing.assert_array_equal(y, 2 * x)
    (y,), (check,) = bound_per_call(
        parse_module(HOST), {"x": x}, execute=lambda name, arrays: [arrays[0] * np.float32(2.001)]
    )
    assert not check and check.verdicts[0].outcome == "outside bound" and check.verdicts[0].element == (4,)
    np.testing.assert_array_equal(y, x * np.float32(2.001))
