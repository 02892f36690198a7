"""The library: everything loads, survives a dump, keeps the names others rely on, and is light to import."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from stratagem.hwmodels import check_file, dump_machine, list_models, load_device, load_machine, load_variants
from stratagem.hwmodels.locate import LIBRARY, library_names
from stratagem.hwmodels.trust import KINDS, Provenance, least_trusted

NAMES = sorted(library_names())


@pytest.mark.parametrize("name", NAMES)
def test_every_description_is_sound(name: str) -> None:
    assert check_file(library_names()[name]) == []
    machine = load_machine(name)
    assert machine.host_device.backend == "cpu"
    for member in machine.members.values():
        device = member.device
        assert "triple" in device.target or device.backend not in ("cpu", "gpu")
        assert all(origin.kind in KINDS for origin in device.provenance.values())
        assert any(device.peak_rate(dtype) > 0 for unit in device.units for dtype in unit.rate)


@pytest.mark.parametrize("name", NAMES)
def test_every_description_survives_a_dump(name: str, tmp_path: Path) -> None:
    machine = load_machine(name)
    path = tmp_path / "saved.yaml"
    path.write_text(dump_machine(machine), encoding="utf-8")
    again = load_machine(path)
    assert again.digest == machine.digest
    assert {n: m.device.provenance for n, m in again.members.items()} == {
        n: m.device.provenance for n, m in machine.members.items()
    }


def test_every_file_is_listed() -> None:
    models = list_models()
    assert sorted(model.name for model in models) == NAMES
    assert {model.type for model in models} == {"device", "system"}
    assert all(model.source in KINDS for model in models)
    assert all(model.note for model in models)


@pytest.mark.parametrize(
    ("name", "memories", "groups"),
    [
        ("generic-avx512", ["dram", "l3", "l2", "l1"], ["core"]),
        ("generic-aarch64", ["dram", "l3", "l2", "l1"], ["core"]),
        ("epyc-zen5", ["dram", "l3", "l2", "l1"], ["core"]),
        ("h100", ["hbm", "l2", "smem"], ["sm"]),
        ("upmem-rank", ["mram", "wram"], ["dpu", "tasklet"]),
    ],
)
def test_level_names_by_convention(name: str, memories: list[str], groups: list[str]) -> None:
    device = load_device(name)
    assert [level.name for level in device.memories()] == memories
    assert [level.name for level in device.groups()] == groups


def test_short_names_are_the_same_device() -> None:
    assert load_device("h100").digest == load_device("h100-sxm").digest


def test_declared_and_derived_peaks_agree() -> None:
    device = load_device("h100-sxm")
    assert device.peak_rate("bf16") == pytest.approx(989.4e12, rel=1e-3)
    assert device.unit_for("matmul", "bf16") is not None
    assert device.unit_for("matmul", "bf16").tile["bf16"] == (64, 256, 16)  # type: ignore[union-attr]
    assert load_device("epyc-zen5").peak_rate("f32") == pytest.approx(22.1e12, rel=1e-2)
    assert load_device("epyc-zen5").instances("l3") == 16


@pytest.mark.parametrize(
    ("name", "dtype", "times"), [("epyc-zen4", "bf16", 2), ("epyc-zen4", "i8", 4), ("grace", "i8", 4)]
)
def test_dot_products_have_a_unit_of_their_own(name: str, dtype: str, times: int) -> None:
    """Elsewhere narrow types are widened first, at a rate below that of f32."""
    device = load_device(name)
    unit = device.unit_for("matmul", dtype)
    assert unit is not None and unit.name == "dot"
    assert device.unit_rate(unit, dtype) == times * device.peak_rate("f32")
    plain = load_device("generic-avx512" if name.startswith("epyc") else "generic-aarch64")
    widened = plain.unit_for("matmul", dtype)
    assert widened is not None and widened.emulated and widened.rate[dtype] < plain.peak_rate("f32")
    assert all(d.unit_for("add", dtype) not in (None, unit) for d in (device, plain))


def test_near_memory_has_slow_floats_and_no_direct_exchange() -> None:
    device = load_device("upmem-rank")
    multiply = device.unit_for("mul", "f32")
    assert multiply is not None
    assert multiply.emulated
    assert "send_recv" in device.collectives.forbids
    assert device.level("mram").access == "dma"
    assert device.level("host").bandwidths["broadcast"] > device.level("host").bandwidths["in"]
    assert device.level("tasklet").threads_for_peak == 11


def test_moving_data_is_no_peak() -> None:
    device = load_device("upmem-rank")
    copy = device.unit_for("copy", "f32")
    assert copy is not None
    assert device.unit_rate(copy, "f32") > 10 * device.peak_rate("f32")


def test_systems_have_counts_and_meshes() -> None:
    node = load_machine("h100-node")
    assert {name: member.count for name, member in node.members.items()} == {"gpu": 8, "host": 2}
    assert node.mesh == (("nvl", 8),)
    assert node.primitives["all_reduce"].in_network_tiers == ("nvl",)
    pair = load_machine("two-hosts", {"hosts": 3, "device": "generic-avx2"})
    assert pair.member("host").count == 3
    assert pair.host_device.name == "generic-avx2"
    assert "send_recv" not in load_machine("cpu-upmem").primitives


def test_what_if_sweeps() -> None:
    variants = list(load_variants("memory-side-2030"))
    peaks = [system.host_device.peak_rate("f32") for _, system in variants]
    cores = [values["cores"] for values, _ in variants]
    assert [peak / 16e9 for peak in peaks] == pytest.approx(cores)


def test_no_number_without_a_source() -> None:
    for path in LIBRARY.rglob("*/*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert "\nsource: {kind: " in text or path.name == "h100.yaml", path.name


def test_what_the_library_covers() -> None:
    devices = {model.name: model for model in list_models() if model.type == "device"}
    systems = {model.name for model in list_models() if model.type == "system"}
    assert len(devices) >= 26
    assert len(systems) >= 13
    cpus = {"epyc-zen5", "epyc-zen4", "xeon-8480", "grace", "raspberry-pi-5", "apple-m4"}
    gpus = {"a100-sxm", "h100-sxm", "h200-sxm", "l4", "mi300x", "jetson-agx-orin"}
    others = {"tpu-v4", "tpu-v5e", "upmem-rank", "hbm-pim", "isaac", "analog-cam", "wse-3"}
    assert cpus | gpus | others | {"memory-side-2030", "crossbar-2030"} <= set(devices)
    assert {name for name, model in devices.items() if model.source == "projected"} == {
        "memory-side-2030",
        "crossbar-2030",
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_an_origin(name: str) -> None:
    machine = load_machine(name)
    holders = [machine.provenance, *(member.device.provenance for member in machine.members.values())]
    for path, origin in ((path, origin) for holder in holders for path, origin in holder.items()):
        if origin.kind in ("assumed", "projected", "simulated"):
            assert origin.spread, f"{path} is {origin.kind} without a spread"
        else:
            assert origin.id, f"{path} is {origin.kind} and does not say from where"
        assert origin.kind != "datasheet" or origin.retrieved, f"{path} is from a datasheet without a date"


def test_one_device_has_one_file() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in LIBRARY.rglob("devices/*.yaml")}
    pins = [path.name for path, text in texts.items() if "5.238 Gbit/s" in text]
    assert pins == ["h100-sxm.yaml"]  # others inherit it
    assert load_device("h100").level("hbm").bandwidth == pytest.approx(3.352e12, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "dtype", "dense", "sparse"),
    [
        ("a100-sxm", "bf16", 312e12, 624e12),
        ("h200-sxm", "f8e4m3", 1979e12, 3958e12),
        ("l4", "i8", 242e12, 485e12),
        ("jetson-agx-orin", "i8", 85e12, 170e12),
        ("mi300x", "f16", 1307e12, 2615e12),
        ("wse-3", "f16", 15.8e15, 125e15),
        ("tpu-v5e", "bf16", 197e12, 0),
        ("xeon-8480", "bf16", 114.7e12, 0),
    ],
)
def test_dense_and_sparse_peaks_stand_apart(name: str, dtype: str, dense: float, sparse: float) -> None:
    device = load_device(name)
    assert device.peak_rate(dtype) == pytest.approx(dense, rel=0.01)
    assert device.sparse_rate(dtype) == pytest.approx(sparse, rel=0.01)


def test_a_thousand_devices_without_a_code_generator() -> None:
    pod = load_machine("tpu-v4-pod")
    assert {name: member.count for name, member in pod.members.items()} == {"tpu": 4096, "host": 1024}
    assert pod.member("tpu").device.backend == "null"
    assert load_machine("a100-cluster", {"nodes": 384}).member("gpu").count == 3072


def test_sources_that_disagree_stay_a_range() -> None:
    device = load_device("tpu-v5e")
    low, high = device.trust("levels.hbm.bandwidth").interval(device.level("hbm").bandwidth or 0)
    assert low == pytest.approx(819e9)
    assert high == pytest.approx(800 * 2**30)


def test_least_trusted() -> None:
    measured, paper, vague = Provenance("measured"), Provenance("paper", 0.1), Provenance("paper", 0.5)
    assert least_trusted([measured, vague, paper]) is vague
    assert least_trusted([measured]) is measured


def run_python(code: str) -> str:
    """Output of a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_loads_no_parser() -> None:
    heavy = "'pydantic', 'lark', 'ruamel.yaml', 'numpy', 'llvmlite', 'torch', 'torch_mlir', 'pint'"
    loaded = f"print([m for m in ({heavy}) if m in sys.modules])"
    assert run_python(f"import sys, stratagem.hwmodels; {loaded}").strip() == "[]"
    machine = "import sys, stratagem.hwmodels as h; h.load_machine('cpu')"
    assert run_python(f"{machine}; {loaded}").strip() == "['pydantic', 'ruamel.yaml']"


def test_loading_again_is_quick() -> None:
    load_device("h100")
    start = time.perf_counter()
    for _ in range(5):
        load_device("h100")
    assert (time.perf_counter() - start) / 5 < 0.1


@pytest.mark.parametrize(
    ("name", "registers", "width"),
    [
        ("generic-avx512", 32, 64),
        ("generic-avx2", 16, 32),
        ("generic-sse", 16, 16),
        ("generic-aarch64", 32, 16),
        ("generic-rv64gcv", 32, 32),
        ("epyc-zen5", 32, 64),
        ("raspberry-pi-5", 32, 16),
    ],
)
def test_register_files(name: str, registers: int, width: int) -> None:
    device = load_device(name)
    file = device.level("vreg")
    assert file.size == registers * width
    assert file.granule == width
    assert device.target["vector-bits"] == 8 * width
