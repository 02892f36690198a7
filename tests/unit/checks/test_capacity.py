"""What a kernel stages is summed at its largest and compared with the memory of one unit."""

from __future__ import annotations

import pytest

from stratagem.api.compiling import load_target
from stratagem.compiler.checks.capacity import check_capacity
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, parse_module
from stratagem.compiler.schedule.footprint import room

KERNEL = """
func.func private @k(%x: tensor<?xf32>, %o: tensor<?xf32> {{device.dest}}) -> tensor<?xf32> {{
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %r = scf.forall (%i) = (0) to (%n) step ({step}) shared_outs(%s = %o) -> (tensor<?xf32>) {{
    %m = affine.min affine_map<(d0)[s0] -> ({bound})>(%i)[%n]
    %a = tensor.extract_slice %x[%i] [%m] [1] {{device.stage = "wram"}} : tensor<?xf32> to tensor<?xf32>
    {more}
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %a into %s[%i] [%m] [1] : tensor<?xf32> into tensor<?xf32>
    }}
  }} {{device.tier = "tasklet"}}
  return %r : tensor<?xf32>
}}
"""
DEVICE = next(iter(m.device for m in load_target("upmem-rank").members.values() if m.device.name == "upmem-rank"))
ROOM = room(DEVICE, "wram") or 0


def check(step: int, bound: str = "", more: str = "") -> list[Finding]:
    text = KERNEL.format(step=step, bound=bound or f"{step}, s0 - d0", more=more)
    module = parse_module(text)
    return check_capacity(find_function(module, "k"), DEVICE)


@pytest.mark.parametrize(
    ("elements", "verdict"),
    [(1, Verdict.PROVED), (ROOM // 4, Verdict.PROVED), (ROOM // 4 + 1, Verdict.REFUTED)],
)
def test_the_largest_tile_decides(elements: int, verdict: Verdict) -> None:
    (found,) = check(elements)
    assert found.verdict is verdict and found.obligation == "tiles fit wram"
    if verdict is Verdict.REFUTED:
        assert f"up to {4 * elements} bytes, wram of upmem-rank has {ROOM} for each unit" in found.detail


def test_tensors_made_beside_the_tiles_count() -> None:
    half = ROOM // 8
    assert check(half)[0].verdict is Verdict.PROVED
    (found,) = check(half, more=f"%e = tensor.empty() : tensor<{ROOM // 4 - half + 1}xf32>")
    assert found.verdict is Verdict.REFUTED


def staging_loop(name: str, elements: int, inner: str = "") -> str:
    return f"""scf.for %{name} = %c0 to %n step %m {{
      %t{name} = tensor.extract_slice %x[%{name}] [{elements}] [1] {{device.stage = "wram"}}
        : tensor<?xf32> to tensor<{elements}xf32>
      {inner}
    }}"""


def test_loops_one_after_the_other_hold_their_tiles_at_different_times() -> None:
    most = ROOM // 4 - 1  # beside one element outside of the loops
    assert check(1, more=staging_loop("p", most) + staging_loop("q", most))[0].verdict is Verdict.PROVED
    (found,) = check(1, more=staging_loop("p", most) + staging_loop("q", most + 1))
    assert found.verdict is Verdict.REFUTED
    (found,) = check(1, more=staging_loop("p", most, staging_loop("q", 1)))
    assert found.verdict is Verdict.REFUTED


def test_a_tile_without_a_bound_is_not_checked() -> None:
    (found,) = check(16, bound="s0 - d0")
    assert found.verdict is Verdict.NOT_CHECKED and "as large as the data says" in found.detail


def test_kernels_without_staged_tiles_owe_nothing() -> None:
    text = KERNEL.format(step=16, bound="16, s0 - d0", more="").replace(' {device.stage = "wram"}', "")
    module = parse_module(text)
    assert find_function(module, "k") and check_capacity(find_function(module, "k"), DEVICE) == []
