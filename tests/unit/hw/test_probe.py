"""The probe, on this machine and on imitated ones: other architectures, missing files, odd readings."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stratagem.hwmodels import check_file, load_device, load_machine
from stratagem.hwmodels.probe import Cache, Facts, probe_text, read_facts

V3 = "avx2 fma bmi1 bmi2 f16c movbe sse4_1 sse4_2 ssse3 cx16 popcnt"
V4 = V3 + " avx512f avx512bw avx512cd avx512dq avx512vl avx512_bf16"


def machine(
    root: Path,
    *,
    cpus: int = 2,
    flags: str = V4,
    clock: str = "cpu MHz\t\t: 2600.5",
    caches: dict[int, tuple[str, str]] | None = None,
    siblings: int = 1,
) -> Path:
    """Imitates /proc and /sys: `caches` maps level -> (size text, CPUs that share it)."""
    (root / "proc").mkdir(parents=True)
    key = "Features" if flags.startswith("fp ") else "flags"
    (root / "proc/cpuinfo").write_text(f"processor\t: 0\n{clock}\n{key}\t\t: {flags}\n")
    (root / "proc/meminfo").write_text("MemTotal:       16777216 kB\nMemFree: 1 kB\n")
    for cpu in range(cpus):
        here = root / f"sys/devices/system/cpu/cpu{cpu}"
        (here / "topology").mkdir(parents=True)
        first = cpu - cpu % siblings
        (here / "topology/thread_siblings_list").write_text(f"{first}-{first + siblings - 1}\n")
        for position, (level, (size, shared)) in enumerate((caches or {}).items()):
            entry = here / f"cache/index{position}"
            entry.mkdir(parents=True)
            (entry / "level").write_text(f"{level}\n")
            (entry / "size").write_text(f"{size}\n")
            (entry / "type").write_text("Unified\n")
            (entry / "coherency_line_size").write_text("64\n")
            (entry / "shared_cpu_list").write_text(shared.replace("CPU", str(cpu)) + "\n")
    return root


def checked(text: str, folder: Path) -> Path:
    """The text as a file, which has no problems."""
    path = folder / "probed.yaml"
    path.write_text(text, encoding="utf-8")
    assert check_file(path) == []
    return path


def test_this_machine() -> None:
    start = time.perf_counter()
    text = probe_text()
    assert time.perf_counter() - start < 0.2
    system = load_machine("cpu")
    device = system.host_device
    assert (system.name, device.kind, device.backend) == ("cpu", "cpu", "cpu")
    assert device.level("core").count >= 1
    assert device.target["triple"] in text
    assert device.peak_rate("f32") > 0
    assert load_machine("cpu") == system


def test_probed_text_passes_the_check(tmp_path: Path) -> None:
    checked(probe_text(), tmp_path)


def test_caches_cores_clock_and_memory(tmp_path: Path) -> None:
    caches = {1: ("48K", "CPU"), 2: ("1024K", "CPU"), 3: ("32768K", "0-1")}
    root = machine(tmp_path / "m", cpus=4, siblings=2, caches=caches)
    facts = read_facts(root, "x86_64", frozenset({0, 1, 2, 3}))
    assert (facts.cores, facts.threads, facts.clock, facts.memory) == (2, 4, 2600.5e6, 2**34)
    assert facts.caches == (Cache(1, 49152, 64, 4), Cache(2, 2**20, 64, 4), Cache(3, 2**25, 64, 1))
    device = load_device(checked(probe_text(facts), tmp_path))
    assert device.level("core").count == 2
    assert (device.level("l1").size, device.level("l2").size, device.level("l3").size) == (
        49152,
        2**20,
        2**25,
    )
    assert device.clock == 2600.5e6
    assert device.target["cpu"] == "x86-64-v4"
    assert "+avx512bf16" in device.target["features"]
    assert device.trust("levels.l1.size").kind == "measured"
    assert device.trust("levels.dram.bandwidth").kind == "assumed"


@pytest.mark.parametrize(
    ("flags", "cpu", "bits"),
    [
        (V4, "x86-64-v4", 512),
        (V3, "x86-64-v3", 256),
        ("ssse3 sse4_1 sse4_2 cx16 popcnt", "x86-64-v2", 128),
        ("fpu", "x86-64", 128),
    ],
)
def test_x86_levels(tmp_path: Path, flags: str, cpu: str, bits: int) -> None:
    root = machine(tmp_path / "m", flags=flags)
    device = load_device(checked(probe_text(read_facts(root, "x86_64", frozenset({0}))), tmp_path))
    assert (device.target["cpu"], device.target["vector-bits"]) == (cpu, bits)


@pytest.mark.parametrize(
    ("flags", "arch", "tile"),
    [
        (V4, "x86_64", {"bf16": (1, 16, 2)}),
        (f"{V4} avx512_vnni", "x86_64", {"bf16": (1, 16, 2), "i8": (1, 16, 4)}),
        (f"{V3} avx_vnni", "x86_64", {"i8": (1, 8, 4)}),
        (V3, "x86_64", {}),
        ("fp asimd asimddp", "aarch64", {"i8": (1, 4, 4)}),
        ("fp asimd", "aarch64", {}),
    ],
)
def test_units_for_dot_products(tmp_path: Path, flags: str, arch: str, tile: dict[str, tuple[int, ...]]) -> None:
    """One row of as many sums as a vector holds, as deep as a group; twice or four times the sums' rate."""
    root = machine(tmp_path / "m", flags=flags)
    device = load_device(checked(probe_text(read_facts(root, arch, frozenset({0}))), tmp_path))
    units = [unit for unit in device.units if unit.name == "dot"]
    assert [unit.tile for unit in units] == ([tile] if tile else [])
    for dtype, (_, sums, group) in tile.items():
        assert units[0].lanes[dtype] == sums * group
        assert device.unit_rate(units[0], dtype) == group * device.peak_rate("f32")
        assert device.unit_for("matmul", dtype) == units[0]


def test_arm_without_a_clock(tmp_path: Path) -> None:
    caches = {1: ("64K", "CPU"), 2: ("512K", "CPU"), 3: ("2048K", "0-3")}
    root = machine(tmp_path / "m", cpus=4, flags="fp asimd asimdhp asimddp", clock="", caches=caches)
    facts = read_facts(root, "aarch64", frozenset(range(4)))
    assert facts.clock is None
    device = load_device(checked(probe_text(facts), tmp_path))
    assert device.target["triple"] == "aarch64-unknown-linux-gnu"
    assert device.target["features"] == "+fullfp16,+dotprod"
    assert device.level("core").count == 4
    assert device.clock == load_device("generic-aarch64").clock


def test_riscv(tmp_path: Path) -> None:
    caches = {1: ("32K", "CPU"), 2: ("2M", "0-3")}
    root = machine(tmp_path / "m", cpus=4, flags="none", caches=caches)
    device = load_device(checked(probe_text(read_facts(root, "riscv64", frozenset(range(4)))), tmp_path))
    assert device.target["triple"] == "riscv64-unknown-linux-gnu"


def test_nothing_can_be_read(tmp_path: Path) -> None:
    facts = read_facts(tmp_path / "empty", "x86_64", frozenset({0, 5}))
    assert facts == Facts("x86_64", 2, 2, None, None, (), frozenset())
    device = load_device(checked(probe_text(facts), tmp_path))
    assert device.level("core").count == 2


def test_no_last_level_cache(tmp_path: Path) -> None:
    root = machine(tmp_path / "m", caches={1: ("32K", "CPU"), 2: ("4096K", "0-1")})
    device = load_device(checked(probe_text(read_facts(root, "x86_64", frozenset({0, 1}))), tmp_path))
    assert [level.name for level in device.memories()] == ["dram", "l2", "l1"]


def test_a_last_level_cache_smaller_than_the_one_inside(tmp_path: Path) -> None:
    root = machine(tmp_path / "m", caches={1: ("32K", "CPU"), 2: ("4096K", "CPU"), 3: ("1024K", "0-1")})
    device = load_device(checked(probe_text(read_facts(root, "x86_64", frozenset({0, 1}))), tmp_path))
    assert [level.name for level in device.memories()] == ["dram", "l2", "l1"]


@pytest.mark.parametrize(("cores", "pieces"), [(1, 1), (3, 1), (8, 2), (128, 16), (12, 5)])
@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "riscv64"])
def test_any_number_of_cores_and_caches_is_consistent(tmp_path: Path, cores: int, pieces: int, arch: str) -> None:
    caches = (Cache(1, 32768, 64, cores), Cache(2, 2**19, 64, cores), Cache(3, 2**23, 64, pieces))
    for clock in (0.8e9, 2.5e9, 5.7e9):
        facts = Facts(arch, cores, 2 * cores, clock, 2**33, caches, frozenset(V3.split()))
        device = load_device(checked(probe_text(facts), tmp_path))
        assert device.instances("l3") == pieces


def test_idle_clocks_are_not_believed(tmp_path: Path) -> None:
    root = machine(tmp_path / "m", clock="cpu MHz : 400.0")
    assert read_facts(root, "x86_64", frozenset({0})).clock is None


def test_the_frequency_driver_knows_better(tmp_path: Path) -> None:
    root = machine(tmp_path / "m")
    (root / "sys/devices/system/cpu/cpu0/cpufreq").mkdir()
    (root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").write_text("4100000\n")
    assert read_facts(root, "x86_64", frozenset({0, 1})).clock == 4.1e9


def test_control_groups_limit_memory(tmp_path: Path) -> None:
    root = machine(tmp_path / "m")
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/memory.max").write_text("1073741824\n")
    assert read_facts(root, "x86_64", frozenset({0})).memory == 2**30
    (root / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert read_facts(root, "x86_64", frozenset({0})).memory == 2**34


def test_garbage_is_ignored(tmp_path: Path) -> None:
    root = machine(tmp_path / "m", clock="cpu MHz : fast", caches={1: ("big", "CPU"), 2: ("0K", "CPU")})
    facts = read_facts(root, "x86_64", frozenset({0}))
    assert (facts.clock, facts.caches) == (None, ())
    checked(probe_text(facts), tmp_path)
