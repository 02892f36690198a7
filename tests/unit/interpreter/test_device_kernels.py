"""Kernels in the device form against the plain linalg they implement, in every domain; and planted bugs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratagem.compiler.interpreter.api import (
    Violation,
    bound_per_call,
    compare,
    emulate,
    equal_in_field,
    reference,
    reference_with_bound,
)
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.errors import RuntimeInputError
from stratagem.runtime.parameters import ParameterStore
from tests.unit.interpreter import programs

Array = np.ndarray[Any, Any]
Shapes = dict[str, tuple[int, ...]]
KERNELS: dict[str, tuple[str, str, Shapes]] = {
    "matmul_gelu": (
        programs.MATMUL_GELU_TENSOR,
        programs.MATMUL_GELU_DEVICE,
        {"a": (11, 19), "w": (19, 23), "b": (23,)},
    ),
    "softmax": (programs.SOFTMAX_TENSOR, programs.SOFTMAX_DEVICE, {"x": (7, 37)}),
    "layer_norm": (programs.LAYER_NORM_TENSOR, programs.LAYER_NORM_DEVICE, {"x": (5, 21), "g": (21,)}),
    "conv": (programs.CONV_TENSOR, programs.CONV_DEVICE, {"x": (1, 3, 15, 17), "k": (5, 3, 3, 3)}),
    "two_phase_sum": (programs.REDUCTION_TENSOR, programs.REDUCTION_DEVICE, {"x": (53,)}),
    "nested_matvec": (programs.MATVEC_TENSOR, programs.MATVEC_DEVICE, {"a": (37, 24), "x": (24,)}),
}


def data(shapes: Shapes, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("rows", [1, 2, 17, None])
def test_kernel_equals_its_plain_form_in_the_field(name: str, rows: int | None) -> None:
    plain, kernel, shapes = KERNELS[name]
    if rows is not None and name != "conv":  # the first dimension of the first argument is dynamic
        first, *rest = shapes
        shapes = {first: (rows, *shapes[first][1:]), **{k: shapes[k] for k in rest}}
    assert equal_in_field(parse_module(plain), parse_module(kernel), shapes=shapes, seeds=(0, 1)) is None


@pytest.mark.parametrize("name", KERNELS)
def test_float64_values_agree(name: str) -> None:
    plain, kernel, shapes = KERNELS[name]
    inputs = data(shapes)
    (a,), (b,) = (reference(parse_module(text), inputs) for text in (plain, kernel))
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 30.0])
def test_emulated_kernel_is_within_the_bound_of_the_plain_form(name: str, scale: float) -> None:
    plain, kernel, shapes = KERNELS[name]
    inputs = {k: (v * np.float32(scale)).astype(np.float32) for k, v in data(shapes).items()}
    (wanted,) = reference_with_bound(parse_module(plain), inputs)
    (actual,) = emulate(parse_module(kernel), inputs)
    verdict = compare(actual, *wanted)
    assert verdict.outcome != "outside bound", str(verdict)
    assert verdict or scale == 30.0, str(verdict)


@pytest.mark.parametrize("name", KERNELS)
def test_bound_per_call_accepts_the_emulated_kernel(name: str) -> None:
    _, kernel, shapes = KERNELS[name]
    _, checks = bound_per_call(parse_module(kernel), data(shapes))
    assert len(checks) == 1 and checks[0], [str(v) for v in checks[0].verdicts]


BUGS = [
    ("matmul_gelu", "last column tile dropped", "(%m, 23) step", "(%m, 16) step"),
    ("matmul_gelu", "last k tile dropped", "%c19 = arith.constant 19", "%c19 = arith.constant 16"),
    ("matmul_gelu", "tiles overlap", "step (4, 16)", "step (3, 16)"),
    ("matmul_gelu", "gap between tiles", "step (4, 16)", "step (5, 16)"),
    ("matmul_gelu", "no remainder", "(s0 - d0, 4)", "(4)"),
    ("matmul_gelu", "accumulator never initialised", "iter_args(%acc1 = %acc0)", "iter_args(%acc1 = %e)"),
    ("matmul_gelu", "sum not carried on", "outs(%acc1 :", "outs(%acc0 :"),
    ("matmul_gelu", "wrong initial value", "%acc0 = linalg.fill ins(%zero", "%acc0 = linalg.fill ins(%one"),
    ("softmax", "largest element from zero instead of -inf: no bug over the reals", "", ""),
    ("softmax", "sum starts at -inf", "%s0 = linalg.fill ins(%zero", "%s0 = linalg.fill ins(%low"),
    ("softmax", "maximum not subtracted by row", "ins(%ex, %sm :", "ins(%ex, %mx :"),
    ("layer_norm", "last chunk of the sum dropped", "%c21 = arith.constant 21", "%c21 = arith.constant 16"),
    ("layer_norm", "epsilon forgotten", "math.rsqrt %shifted", "math.rsqrt %var"),
    ("conv", "halo too small", "(d0 * 2 + 1)", "(d0 * 2)"),
    (
        "conv",
        "stride forgotten in the offset",
        "affine_map<(d0) -> (d0 * 2)>",
        "affine_map<(d0) -> (d0 + 1)>",
    ),
    ("conv", "wrong dimension of the kernel tile", "%k[%c, 0, 0, 0]", "%k[0, 0, 0, 0]"),
    ("two_phase_sum", "last part dropped", "s0 ceildiv 16", "s0 floordiv 16"),
    ("two_phase_sum", "parts overlap", "(d0 * 16)", "(d0 * 15)"),
    ("nested_matvec", "x tile not advanced", "%x[%k] [8]", "%x[0] [8]"),
    ("nested_matvec", "inner tiles overlap", "step (3)", "step (2)"),
    ("nested_matvec", "inner rows dropped", "(0) to (%rows) step (3)", "(1) to (%rows) step (3)"),
]


@pytest.mark.parametrize(("name", "bug", "old", "new"), [b for b in BUGS if b[2]], ids=[b[1] for b in BUGS if b[2]])
def test_planted_bug_is_caught_exactly(name: str, bug: str, old: str, new: str) -> None:
    plain, kernel, shapes = KERNELS[name]
    assert kernel.count(old) >= 1
    broken = parse_module(kernel.replace(old, new, 1))
    try:
        difference = equal_in_field(parse_module(plain), broken, shapes=shapes)
    except Violation as violation:
        assert violation.operation in str(violation) and violation.location
    else:
        assert difference is not None, bug


def test_harmless_change_is_not_a_bug() -> None:
    """Softmax does not depend on what is subtracted, so a maximum that starts at 0 is right over the
    reals.
    """
    plain, kernel, shapes = KERNELS["softmax"]
    changed = kernel.replace("%m0 = linalg.fill ins(%low", "%m0 = linalg.fill ins(%zero", 1)
    assert changed != kernel
    assert equal_in_field(parse_module(plain), parse_module(changed), shapes=shapes) is None


@pytest.mark.parametrize("bug", ["accumulator never initialised", "last k tile dropped", "wrong initial value"])
def test_planted_bug_is_caught_in_floats(bug: str) -> None:
    name, _, old, new = next(b for b in BUGS if b[1] == bug)
    plain, kernel, shapes = KERNELS[name]
    inputs = data(shapes)
    (wanted,) = reference_with_bound(parse_module(plain), inputs)
    try:
        (actual,) = emulate(parse_module(kernel.replace(old, new, 1)), inputs)
    except Violation as violation:
        assert "nobody wrote" in str(violation)
    else:
        assert compare(actual, *wanted).outcome == "outside bound"


def test_messages_name_units_element_and_place() -> None:
    overlap = parse_module(programs.MATMUL_GELU_DEVICE.replace("step (4, 16)", "step (3, 16)"))
    with pytest.raises(Violation, match=r"element \[3, 0\] is written by unit \[0, 0\] and by unit \[3, 0\]"):
        reference(overlap, data(KERNELS["matmul_gelu"][2]))
    unread = programs.MATMUL_GELU_DEVICE.replace("iter_args(%acc1 = %acc0)", "iter_args(%acc1 = %e)")
    with pytest.raises(Violation, match=r"nobody wrote; linalg.matmul at .* computes with it first"):
        reference(parse_module(unread), data(KERNELS["matmul_gelu"][2]))


def test_reading_what_another_unit_writes_is_a_race() -> None:
    text = """
    func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {
      %r = scf.forall (%i) = (0) to (8) step (4) shared_outs(%o = %x) -> (tensor<8xf32>) {
        %j = affine.apply affine_map<(d0) -> (4 - d0)>(%i)
        %t = tensor.extract_slice %o[%j] [4] [1] : tensor<8xf32> to tensor<4xf32>
        scf.forall.in_parallel {
          tensor.parallel_insert_slice %t into %o[%i] [4] [1] : tensor<4xf32> into tensor<8xf32>
        }
      }
      return %r : tensor<8xf32>
    }"""
    with pytest.raises(Violation, match=r"is read by unit \[0\], written by unit \[4\]"):
        reference(parse_module(text), [np.zeros(8, np.float32)])


def test_partial_writes_into_defined_memory_are_fine() -> None:
    text = """
    func.func @main(%x: tensor<8xf32>, %y: tensor<4xf32>) -> tensor<8xf32> {
      %r = scf.forall (%i) = (0) to (4) step (2) shared_outs(%o = %x) -> (tensor<8xf32>) {
        %t = tensor.extract_slice %y[%i] [2] [1] : tensor<4xf32> to tensor<2xf32>
        scf.forall.in_parallel {
          tensor.parallel_insert_slice %t into %o[%i] [2] [1] : tensor<2xf32> into tensor<8xf32>
        }
      }
      return %r : tensor<8xf32>
    }"""
    x, y = np.arange(8, dtype=np.float32), -np.ones(4, np.float32)
    (result,) = reference(parse_module(text), [x, y])
    np.testing.assert_array_equal(result, [-1, -1, -1, -1, 4, 5, 6, 7])


PACKED = """
func.func @main(%a: tensor<?x24xf32> {model.param = "a"}, %x: tensor<24xf32> {model.input = "x"})
    -> (tensor<?xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %c1 = arith.constant 1 : index
  %m = tensor.dim %t, %c1 : tensor<24x?xf32>
  %e = tensor.empty(%m) : tensor<?xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %y = linalg.vecmat ins(%x, %t : tensor<24xf32>, tensor<24x?xf32>) outs(%z : tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
""".replace('%a: tensor<?x24xf32> {model.param = "a"}', '%t: tensor<24x?xf32> {model.param = "a.transposed"}')


def test_repacked_parameters_take_the_programs_own_data() -> None:
    a = data({"a": (37, 24)})["a"]
    plain = Program(parse_module(programs.MATVEC_TENSOR), ParameterStore({"a": a}))
    packed = Program(parse_module(PACKED), ParameterStore({"a.transposed": np.ascontiguousarray(a.T)}))
    assert equal_in_field(plain, packed) is None
    wrong = Program(packed.module, ParameterStore({"a.transposed": np.roll(a.T, 1, axis=0)}))
    assert equal_in_field(plain, wrong) is not None
    fewer = parse_module(
        'func.func @main(%x: tensor<24xf32> {model.input = "z"}) -> tensor<24xf32> {\n return %x : tensor<24xf32>\n}'
    )
    with pytest.raises(RuntimeInputError, match="there is no data for them"):
        equal_in_field(plain.module, fewer)


PHASES = """
func.func @main(%x: tensor<4xf32>) -> tensor<7xf32> {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<7xf32>
  %ends = scf.forall (%i) = (0) to (7) step (6) shared_outs(%o = %e) -> (tensor<7xf32>) {{
    %t = tensor.splat %zero : tensor<1xf32>
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %t into %o[%i] [1] [1] : tensor<1xf32> into tensor<7xf32>
    }}
  }}
  %r = scf.forall (%i) in ({units}) shared_outs(%o = %ends) -> (tensor<7xf32>) {{
    %t = tensor.extract_slice %x[%i] [1] [1] : tensor<4xf32> to tensor<1xf32>
    %j = affine.apply affine_map<(d0) -> (d0 + 1)>(%i)
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %t into %o[%j] [1] [1] : tensor<1xf32> into tensor<7xf32>
    }}
  }}
  %done = scf.forall (%i) in (1) shared_outs(%o = %r) -> (tensor<7xf32>) {{
    %t = tensor.extract_slice %x[3] [1] [1] : tensor<4xf32> to tensor<1xf32>
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %t into %o[5] [1] [1] : tensor<1xf32> into tensor<7xf32>
    }}
  }}
  return %{returned} : tensor<7xf32>
}}"""


def test_phases_complete_a_result_together() -> None:
    (found,) = reference(parse_module(PHASES.format(units=4, returned="done")), [np.arange(1.0, 5.0, dtype=np.float32)])
    np.testing.assert_array_equal(found, [0, 1, 2, 3, 4, 4, 0])


@pytest.mark.parametrize(("units", "returned", "element"), [(3, "done", 4), (4, "r", 5), (4, "ends", 1)])
def test_what_no_phase_writes_is_named(units: int, returned: str, element: int) -> None:
    text = PHASES.format(units=units, returned=returned)
    with pytest.raises(Violation, match=rf"element \[{element}\] of result 0 is never written"):
        reference(parse_module(text), [np.ones(4, np.float32)])
