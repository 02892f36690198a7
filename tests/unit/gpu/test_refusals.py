"""What has no Triton form is refused, and the message names it."""

from __future__ import annotations

import pytest

from stratagem.compiler.backends.gpu.aot import capability_of
from stratagem.compiler.backends.gpu.limits import limits_of
from stratagem.hwmodels import load_device
from stratagem.runtime.errors import HardwareError, UnsupportedError
from tests.unit.gpu import kernels
from tests.unit.gpu.support import printed


def kernel(body: str, result: str = "%r", out: str = "tensor<8xf32>", arguments: str = "%x: tensor<8xf32>, ") -> str:
    return f"""
    func.func private @k({arguments}%out: {out} {{device.dest}}) -> {out} {{
      {body}
      return {result} : {out}
    }}"""


def elementwise(lines: str, dtype: str = "f32") -> str:
    t = f"tensor<4x{dtype}>"
    return kernel(
        f"""%r = scf.forall (%i) = (0) to (8) step (4) shared_outs(%o = %out) -> (tensor<8x{dtype}>) {{
          %a = tensor.extract_slice %x[%i] [4] [1] : tensor<8x{dtype}> to {t}
          %e = linalg.generic {{indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
              iterator_types = ["parallel"]}} ins(%a : {t}) outs(%a : {t}) {{
          ^bb0(%v: {dtype}, %w: {dtype}):
            {lines}
            linalg.yield %z : {dtype}
          }} -> {t}
          scf.forall.in_parallel {{
            tensor.parallel_insert_slice %e into %o[%i] [4] [1] : {t} into tensor<8x{dtype}>
          }}
        }}""",
        out=f"tensor<8x{dtype}>",
        arguments=f"%x: tensor<8x{dtype}>, ",
    )


def refusal(text: str) -> str:
    with pytest.raises(UnsupportedError) as error:
        printed(text)
    return str(error.value)


def test_a_kernel_without_a_phase() -> None:
    assert "kernel 'k' has no phase (a top-level scf.forall)" in refusal(kernel("", "%out"))


def test_an_operation_between_phases() -> None:
    body = """%z = arith.constant 0.0 : f32
      %r = linalg.fill ins(%z : f32) outs(%out : tensor<8xf32>) -> tensor<8xf32>"""
    assert "`linalg.generic` between the phases" in refusal(kernel(body))


def test_a_scalar_operation_without_a_triton_form() -> None:
    message = refusal(elementwise("%z = math.cbrt %v : f32"))
    assert "math.cbrt" in message and "host member" in message


def test_an_unsigned_comparison() -> None:
    lines = """%c = arith.cmpi ult, %v, %w : i32
            %z = arith.select %c, %v, %w : i32"""
    assert "arith.cmpi ult" in refusal(elementwise(lines, "i32"))


def test_an_element_type() -> None:
    assert "no element type i4" in refusal(elementwise("%z = arith.addi %v, %v : i4", "i4"))


def test_an_integer_power_that_is_no_constant() -> None:
    lines = """%n = arith.fptosi %w : f32 to i32
            %z = math.fpowi %v, %n : f32, i32"""
    assert "math.fpowi" in refusal(elementwise(lines))


def test_an_untiled_dynamic_row() -> None:
    text = kernels.softmax("?", 37).replace("37", "?").replace("[%mt, ?]", "[%mt, %m]")
    text = text.replace("tensor.empty(%mt) : tensor<?x?xf32>", "tensor.empty(%mt, %m) : tensor<?x?xf32>")
    assert "bounded by 1048576 elements, this one has no static bound" in refusal(text)


def test_an_access_that_is_no_window() -> None:
    text = elementwise("%z = arith.addf %v, %w : f32").replace(
        "affine_map<(d0) -> (d0)>, affine_map", "affine_map<(d0) -> (3 - d0)>, affine_map", 1
    )
    assert "cannot read an operand at -d0 + 3" in refusal(text)


def test_a_slice_of_registers() -> None:
    text = kernels.softmax(6, 8, tile=3).replace(
        "%y into %o[%i, 0] [%mt, 8] [1, 1] : tensor<?x8xf32>",
        "%part into %o[%i, 0] [%mt, 4] [1, 1] : tensor<?x4xf32>",
    )
    text = text.replace(
        "scf.forall.in_parallel",
        "%part = tensor.extract_slice %y[0, 4] [%mt, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>\n"
        "      scf.forall.in_parallel",
    )
    assert "slice of a value held in registers" in refusal(text)


def test_a_reduction_with_an_unknown_combiner() -> None:
    assert "cannot reduce with this body" in refusal(kernels.row_sum(4, 8, operation="arith.mulf"))


def test_a_result_that_is_not_its_destination() -> None:
    text = elementwise("%z = arith.addf %v, %v : f32").replace("return %r", "return %x")
    assert "must return its destinations in order" in refusal(text)


def test_storing_to_an_input() -> None:
    text = elementwise("%z = arith.addf %v, %v : f32").replace("shared_outs(%o = %out)", "shared_outs(%o = %x)")
    assert "updates in0, which is no destination" in refusal(text)


def test_architectures_of_other_makers() -> None:
    assert capability_of("sm_90") == capability_of("sm_90a") == 90
    with pytest.raises(HardwareError, match="cannot compile for architecture 'gfx942'"):
        capability_of("gfx942")


def test_a_device_without_gpu_facts() -> None:
    with pytest.raises(HardwareError, match=r"lacks target\.arch, .*a scratchpad level"):
        limits_of(load_device("generic-avx2"))
