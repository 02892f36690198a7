"""Compilation ahead of time, without a GPU: kernels become cubins that fit the device, as the cubins say."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stratagem.compiler import knobs
from stratagem.compiler.backends.base import KernelCode, load_backend
from stratagem.compiler.backends.gpu import aot
from stratagem.compiler.backends.gpu.aot import AheadOfTimeCompiler
from stratagem.compiler.backends.gpu.compile import INDEX, compile_launch
from stratagem.compiler.backends.gpu.cubin import read_kernels
from stratagem.compiler.backends.gpu.limits import checked_facts, limits_of
from stratagem.compiler.backends.gpu.plan import Parameter
from stratagem.compiler.ir import parse_module
from stratagem.runtime.errors import ArtifactError, HardwareError, UnsupportedError
from tests.unit.gpu import kernels
from tests.unit.gpu.support import device, needs_triton, printed

pytestmark = needs_triton

KERNELS: dict[str, Callable[[], str]] = {
    "matmul_gelu": lambda: kernels.matmul_gelu("?", 256, 384, "bf16", tile=(64, 128, 32)),
    "scale_add": lambda: kernels.scale_add("?", 1000, "f16", tile=4, columns=256),
    "softmax": lambda: kernels.softmax("?", 1000, "bf16"),
    "layer_norm": lambda: kernels.layer_norm("?", 1024, "f32"),
}


def compiled(text: str, arch: str, cache: Path) -> KernelCode:
    with knobs.scope(cache=str(cache)):
        return load_backend("gpu").compile_kernels(parse_module(text), device(arch))


@pytest.mark.parametrize("arch", ["sm_90", "sm_80"])
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_compile_and_fit(name: str, arch: str, compile_cache: Path) -> None:
    code = compiled(KERNELS[name](), arch, compile_cache)
    assert code.kernels == (name,)
    entry = json.loads(code.files[INDEX])["kernels"][name]
    facts = read_kernels(code.files[f"{name}_0.cubin"])[f"{name}_0"]
    limits = limits_of(device(arch))
    launch = entry["functions"][f"{name}_0"]
    assert launch["spills"] == 0 and facts.frame == 0
    assert 0 < facts.registers <= limits.registers
    assert launch["shared"] <= limits.shared
    assert facts.threads == (launch["threads"], 1, 1)
    assert launch["capability"] == int(arch.removeprefix("sm_"))
    sizes = [size for _, size in facts.parameters]
    assert sizes[: len(entry["plan"]["launches"][0]["parameters"])].count(8) == len(entry["plan"]["arguments"])


def test_bf16_matmul_uses_tensor_cores(compile_cache: Path) -> None:
    for name, expected in (("matmul_gelu", True), ("softmax", False)):
        functions = compiled(KERNELS[name](), "sm_90", compile_cache).report["kernels"][name]["functions"]
        assert (functions[f"{name}_0"]["matrix_instructions"] > 0) is expected


def test_the_second_compile_is_read_from_the_cache(compile_cache: Path) -> None:
    first = compiled(KERNELS["softmax"](), "sm_90", compile_cache)
    stamps = {p: p.stat().st_mtime_ns for p in (compile_cache / "gpu").iterdir()}
    aot._COMPILED.clear()
    second = compiled(KERNELS["softmax"](), "sm_90", compile_cache)
    assert second.files == first.files
    assert {p: p.stat().st_mtime_ns for p in (compile_cache / "gpu").iterdir()} == stamps


def test_a_damaged_cache_is_compiled_again(tmp_path: Path) -> None:
    aot._COMPILED.clear()
    first = compiled(KERNELS["softmax"](), "sm_90", tmp_path)
    for path in (tmp_path / "gpu").glob("*.json"):
        path.write_text("{")
    aot._COMPILED.clear()
    assert compiled(KERNELS["softmax"](), "sm_90", tmp_path).files == first.files


def test_cubins_hold_no_paths(compile_cache: Path) -> None:
    code = compiled(KERNELS["softmax"](), "sm_90", compile_cache)
    folder = str(Path(__file__).parents[3]).encode()
    assert all(folder not in content for content in code.files.values())


def test_a_kernel_too_large_for_the_registers_is_refused_with_numbers() -> None:
    limits = limits_of(device())
    kernel = printed(kernels.softmax("?", 60_000, tile=1).replace("math.exp", "math.erf"))
    compiler = AheadOfTimeCompiler(limits.arch, limits.warp_size)
    spills = r"bytes of register spills at \d+ registers a thread \(with \d+ warps"
    with pytest.raises(HardwareError, match=spills):
        compile_launch(compiler, kernel.source, kernel.plan.launches[0], limits)


def test_source_triton_refuses_and_a_crash_are_reported() -> None:
    kernel = printed(kernels.softmax("?", 8))
    launch = kernel.plan.launches[0]
    compiler = AheadOfTimeCompiler("sm_90", 32)
    with pytest.raises(UnsupportedError, match="Triton cannot compile 'softmax_0': "):
        compiler.compile(kernel.source.replace("tl.exp", "tl.no_such"), launch, 1, 1)
    crash = kernel.source + "\nimport os\nos.abort()\n"
    with pytest.raises(UnsupportedError, match=r"Triton crashed on .*ended with signal SIGABRT"):
        compiler.compile(crash, launch, 1, 1)
    assert compiler.compile(kernel.source, launch, 1, 1).threads == 32


def test_a_plan_that_packs_other_parameters_is_refused() -> None:
    kernel = printed(kernels.softmax("?", 8))
    launch = kernel.plan.launches[0]
    code = AheadOfTimeCompiler("sm_90", 32).compile(kernel.source, launch, 1, 1)
    wrong = type(launch)(launch.function, 1, (*launch.parameters[:-1], Parameter("n", "i64", value=1)), 1, 1)
    with pytest.raises(ArtifactError, match=r"takes parameters of .* bytes, the plan packs"):
        checked_facts(code, wrong)


def test_this_process_stays_clean() -> None:
    """Triton is imported in workers only (torch, which other tests may have loaded, brings it along)."""
    assert "triton" not in sys.modules or "torch" in sys.modules
