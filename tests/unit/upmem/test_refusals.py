"""What cannot be emitted is refused with the kernel, the reason and the numbers."""

from __future__ import annotations

import json

import pytest

from stratagem.compiler.backends.base import load_backend
from stratagem.compiler.ir import parse_module
from stratagem.runtime.errors import HardwareError, UnsupportedError
from tests.unit.upmem import kernels
from tests.unit.upmem.support import changed_device, device, emit


def test_no_forall_over_units() -> None:
    text = f"""func.func private @k(%out: tensor<4xi32> {{device.dest}}) -> tensor<4xi32> {kernels.HEAD} {{
      %z = arith.constant 0 : i32
      %f = linalg.fill ins(%z : i32) outs(%out : tensor<4xi32>) -> tensor<4xi32>
      return %f : tensor<4xi32>
    }}"""
    with pytest.raises(UnsupportedError, match="kernel k: it has no forall of tier 'dpu'"):
        emit(text)


def test_the_wrong_tier_outside() -> None:
    text = kernels.vector_add(64, 32, 8, 4).replace('device.tier = "dpu"', 'device.tier = "core"')
    with pytest.raises(UnsupportedError, match="outermost forall is of tier 'core'; kernels start with tier 'dpu'"):
        emit(text)


def test_the_wrong_tier_inside() -> None:
    text = kernels.vector_add(64, 32, 8, 4).replace('device.tier = "tasklet"', 'device.tier = "lane"')
    with pytest.raises(UnsupportedError, match="a forall of tier 'lane' inside a unit"):
        emit(text)


def test_tiles_too_large_for_one_tasklet() -> None:
    with pytest.raises(HardwareError, match=r"needs \d+ B of wram \(stack 1024 B, buffers \d+ B\).*there are 65536 B"):
        emit(kernels.matvec(64, 20000, 32, 2))


def test_fewer_tasklets_where_buffers_are_large() -> None:
    report = json.loads(emit(kernels.matvec(64, 1031, 16, 2))["kernels.json"])["matvec"]["usage"]
    assert 1 <= report["tasklets"] < report["tasklet_limit"] == 24
    assert report["wram_total"] <= report["wram_limit"] == 65536
    one_more = report["wram_total"] + 1024 + report["wram_buffers_per_tasklet"]
    assert one_more > report["wram_limit"]


def test_parts_too_large_for_the_memory_of_a_unit() -> None:
    small = changed_device("mram", size=4096)
    with pytest.raises(HardwareError, match="the parts of one DPU take 17472 B of mram, which has 4096 B"):
        emit(kernels.matvec(64, 256, 16, 2), small)


def test_a_size_without_bound() -> None:
    text = kernels.vector_add(64, 32, 8, 4)
    text = text.replace("affine_map<(d0) -> (64 - d0, 32)>(%p)", "affine_map<(d0) -> (64 - d0)>(%q0)")
    text = text.replace("{ \n", "{\n").replace("%a: tensor<64xi32>", "%q0: index, %a: tensor<64xi32>")
    with pytest.raises(HardwareError, match="has no upper bound, so no buffer can be reserved"):
        emit(text)


def test_operations_without_a_form_name_what_there_is() -> None:
    made = "%g = tensor.generate { ^bb0(%k: index):\n tensor.yield %zero : i32 } : tensor<7xi32>\n"
    text = kernels.matvec(13, 7, 4, 2).replace(
        "%v = linalg.matvec ins(%at, %x", f"{made} %v = linalg.matvec ins(%at, %g"
    )
    with pytest.raises(UnsupportedError, match=r"tensor.generate has no form in a DPU program[\s\S]*linalg.generic"):
        emit(text)


def test_the_seam_answers_without_raising() -> None:
    backend = load_backend("upmem")
    assert backend.refusal(parse_module(kernels.matvec(13, 7, 4, 2)), device()) is None
    reason = backend.refusal(parse_module(kernels.matvec(64, 20000, 32, 2)), device())
    assert "kernel matvec: one tasklet needs" in str(reason)


def test_other_limits_change_the_program_without_code() -> None:
    wide = emit(kernels.matvec(64, 514, 16, 2))
    narrow = emit(kernels.matvec(64, 514, 16, 2), changed_device("wram", size=16384))
    of = "kernels.json"
    assert wide["matvec.dpu.c"] == narrow["matvec.dpu.c"]
    tasklets = [json.loads(files[of])["matvec"]["tasklets"] for files in (wide, narrow)]
    assert tasklets[0] > tasklets[1] >= 1
