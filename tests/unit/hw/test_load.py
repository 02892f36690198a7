"""Loading: what a file means in base units, inheritance, parameters, several documents, caches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stratagem.hwmodels import (
    HardwareFileError,
    Level,
    dump_machine,
    load_device,
    load_machine,
    load_variants,
)

Write = Callable[..., Path]


def test_values_are_in_base_units(write: Write) -> None:
    device = load_device(write())
    assert device.clock == 2e9
    dram, l1 = device.level("dram"), device.level("l1")
    assert (dram.size, dram.granule, dram.bandwidth, dram.latency) == (2**30, 64, 10e9, 80e-9)
    assert (l1.bandwidth, l1.latency) == (128e9, 2e-9)
    assert device.power.max == 20.0
    assert device.launch is None
    assert device.units[0].energy == {"f32": 4e-12}


def test_derived_numbers(write: Write) -> None:
    device = load_device(write())
    fma = device.units[0]
    assert fma.rate == {"f32": 8 * 2 * 2e9}  # lanes x multiply-add x clock
    assert device.units_in_device(fma) == 4
    assert device.peak_rate("f32") == 128e9
    assert device.peak_rate("f64") == 0
    assert device.balance("dram") == pytest.approx(12.8)
    assert device.balance("l1") == pytest.approx(0.5)  # both pieces together
    assert device.balance("vreg") == float("inf")
    assert device.unit_for("matmul", "f32") is fma
    assert device.unit_for("matmul", "f64") is None
    assert device.unit_for("sub", "f32") is None


def test_level_queries(write: Write) -> None:
    device = load_device(write())
    assert [level.name for level in device.groups()] == ["core"]
    assert [level.name for level in device.memories()] == ["dram", "l1"]
    assert device.instances("l1") == 2
    assert device.level_bandwidth("l1") == 256e9
    with pytest.raises(KeyError, match="has no level 'l7'; it has dram, core, l1, vreg"):
        device.level("l7")
    with pytest.raises(KeyError, match="has no level 'l7'"):
        device.instances("l7")


def test_provenance_of_values(write: Write) -> None:
    path = write(("10 GB/s", "{value: 12 GB/s, kind: measured, spread: 5%}"), ("80 ns", "{value: 80 ns, spread: 50%}"))
    device = load_device(path)
    assert (device.trust("levels.dram.bandwidth").kind, device.trust("levels.dram.bandwidth").spread) == (
        "measured",
        0.05,
    )
    assert device.trust("levels.dram.bandwidth").id == ""  # not the file's document: it states its own kind
    latency = device.trust("levels.dram.latency")
    assert (latency.kind, latency.spread, latency.id) == ("datasheet", 0.5, "the tests")
    assert device.trust("levels.l1.bandwidth").spread == 0.1
    assert device.trust("levels.l1.bandwidth").interval(100) == pytest.approx((90, 110))
    assert device.trust("no.such.path") == device.source


def test_the_most_trusted_of_several_numbers_counts(write: Write) -> None:
    device = load_device(write(("10 GB/s", "{datasheet: 12 GB/s, measured: 10 GB/s}")))
    assert device.level("dram").bandwidth == 10e9
    assert device.trust("levels.dram.bandwidth").kind == "measured"


def test_directions(write: Write) -> None:
    device = load_device(write(("10 GB/s", "{out: 8 GB/s, in: 10 GB/s, broadcast: 20 GB/s}")))
    dram = device.level("dram")
    assert dram.bandwidth == 10e9
    assert dram.bandwidths == {"in": 10e9, "out": 8e9, "broadcast": 20e9}


def child(text: str) -> str:
    return f"hw: 1\ndevice: child\nextends: tiny\nsource: {{kind: measured}}\n{text}"


def test_extends_merges_deep(write: Write) -> None:
    write()
    text = child("clock: 1 GHz\nlevels:\n  - {name: core, count: 4}\n  - {name: l1, size: 64 KiB}\n")
    device = load_device(write(text=text, name="child.yaml"))
    assert [level.name for level in device.levels] == ["dram", "core", "l1", "vreg"]
    assert device.level("core").count == 4
    assert (device.level("l1").size, device.level("l1").bandwidth) == (65536, 64e9)
    assert device.trust("levels.l1.size").kind == "measured"
    assert device.trust("levels.l1.bandwidth").kind == "datasheet"  # written by the parent
    assert device.trust("levels.l1.bandwidth").id == "the tests"


def test_replace_and_remove(write: Write) -> None:
    write()
    unit = "{name: v, at: vreg, functions: [add], rate: {f32: 1 op/cy}}"
    levels = "levels:\n  - {name: l1, remove: true}\n"
    text = child(f"{levels}units: !replace\n  - {unit}\npeak: !replace {{}}\n")
    device = load_device(write(text=text, name="child.yaml"))
    assert [level.name for level in device.levels] == ["dram", "core", "vreg"]
    assert [unit.name for unit in device.units] == ["v"]
    assert device.peak == {}


def test_parameters_and_variants(write: Write) -> None:
    path = write(
        ("count: 2}", "count: $cores}"),
        ("clock: 2 GHz", "params: {ghz: 2}\nvary: {cores: [2, 1, 4]}\nclock: ${ghz} GHz"),
        ("peak: {f32: 128 GFLOP/s}\n", ""),
    )
    assert load_device(path).level("core").count == 2
    assert load_device(path, {"cores": 8}).level("core").count == 8
    assert load_device(path, {"ghz": 3}).clock == 3e9
    variants = list(load_variants(path))
    assert [values for values, _ in variants] == [{"cores": 2}, {"cores": 1}, {"cores": 4}]
    assert [system.host_device.level("core").count for _, system in variants] == [2, 1, 4]
    assert len({system.digest for _, system in variants}) == 3


def test_several_documents_in_a_file(write: Write, system_text: str) -> None:
    path = write()
    both = write(text=path.read_text() + "---\n" + system_text, name="both.yaml")
    system = load_machine(both)
    assert (system.name, system.member("host").count, system.mesh) == ("pair", 2, (("node", 2),))
    assert load_device(both).name == "tiny"


def test_a_device_beside_the_system_is_found(write: Write, system_text: str) -> None:
    write()
    system = load_machine(write(text=system_text, name="pair.yaml"))
    assert system.host_device.name == "tiny"
    assert system.primitives["all_reduce"].algorithms == ("ring",)
    assert system.tiers[0].link.bandwidth == 1e9
    with pytest.raises(KeyError, match="no member 'gpu'; it has host"):
        system.member("gpu")


def test_a_bare_device_becomes_a_system(write: Write) -> None:
    cpu = load_machine(write())
    assert (list(cpu.members), cpu.host) == (["host"], "host")
    other = load_machine(write(("backend: cpu", "backend: null-device")))
    assert list(other.members) == ["host", "device"]
    assert other.host_device.backend == "cpu"
    assert other.member("device").device.name == "tiny"


def test_equal_meaning_has_equal_digest(write: Write) -> None:
    first = load_device(write())
    same = load_device(write(("80 ns", "0.08 us"), ("kind: datasheet", "kind: assumed")))
    other = load_device(write(("80 ns", "81 ns")))
    assert first == same
    assert hash(first) == hash(same)
    assert first != other
    assert first != "tiny"


def test_dump_is_self_contained(write: Write, tmp_path: Path) -> None:
    write()
    machine = load_machine(write(text=child("clock: 1 GHz\npeak: {f32: 64 GFLOP/s}\n"), name="child.yaml"))
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    (alone / "saved.yaml").write_text(dump_machine(machine))
    again = load_machine(alone / "saved.yaml")
    assert again == machine
    assert again.host_device.provenance == machine.host_device.provenance


def test_own_functions(write: Write) -> None:
    path = write(
        ("[matmul, add, exp]", "[matmul, gelu]"),
        (
            "peak:",
            'functions:\n  gelu: {expression: "Y[i] = X[i] * sigmoid(1.702 * X[i])", dtypes: [f32]}\npeak:',
        ),
    )
    device = load_device(path)
    assert device.functions["gelu"].expression.inputs == ("X",)
    assert device.unit_for("gelu", "f32") is device.units[0]


def test_a_function_may_limit_dtypes(write: Write) -> None:
    path = write(
        ("[matmul, add, exp]", "[add, twice]"),
        ("lanes: {f32: 8}", "lanes: {f32: 8, f64: 4}"),
        ("peak: {f32: 128 GFLOP/s}", 'functions:\n  twice: {expression: "Y[i] = 2 * X[i]", dtypes: [f32]}'),
    )
    device = load_device(path)
    assert device.unit_for("add", "f64") is not None
    assert device.unit_for("twice", "f64") is None


def test_a_changed_file_is_read_again(write: Write) -> None:
    path = write()
    assert load_device(path).level("core").count == 2
    write(("count: 2}", "count: 3}"), ("128 GFLOP/s", "192 GFLOP/s"))
    assert load_device(path).level("core").count == 3


def test_records_have_sensible_defaults() -> None:
    level = Level("l1", "cache")
    assert (level.count, level.granule, level.access, level.size) == (1, 1, "load", None)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("h10", "nothing is called 'h10', neither here nor in the library; did you mean 'h100'?"),
        ("no-such-file.yaml", "cannot read the file: No such file"),
        ("../nothing/here", "'../nothing/here' is not a name"),
        ("h100-node", "a device is due, and this is system 'h100-node'"),
    ],
)
def test_targets_that_are_not_there(target: str, message: str) -> None:
    with pytest.raises(HardwareFileError) as caught:
        load_device(target)
    assert message in str(caught.value)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    other = tmp_path / "model.onnx"
    other.write_bytes(b"\0\1")
    with pytest.raises(HardwareFileError, match=r"not a hardware description; its name must end in \.yaml"):
        load_machine(str(other))
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HardwareFileError, match="not UTF-8 text"):
        load_machine(binary)


@pytest.mark.parametrize("text", ["backend: null", 'backend: "null"', "backend: ~"])
def test_no_backend_is_the_null_backend(write: Write, text: str) -> None:
    device = load_device(write(("backend: cpu", text)))
    assert device.backend == "null"
    assert load_device(write(text=dump_machine(device), name="again.yaml")) == device


def test_pins_give_the_bandwidth(write: Write) -> None:
    device = load_device(write(("bandwidth: 10 GB/s", "pins: {count: 64, rate: {measured: 1.25 Gbit/s, id: a scope}}")))
    assert device.level("dram").bandwidth == 10e9
    assert (device.trust("levels.dram.bandwidth").kind, device.trust("levels.dram.bandwidth").id) == (
        "measured",
        "a scope",
    )
    assert load_device(write(text=dump_machine(device), name="again.yaml")) == device


def test_a_stated_kind_that_is_the_file_s_own_keeps_its_source(write: Write) -> None:
    device = load_device(
        write(("80 ns", "{datasheet: 80 ns, spread: 3%}"), ("64 B/cy", "{assumed: 64 B/cy, spread: 9%}"))
    )
    assert (device.trust("levels.dram.latency").id, device.trust("levels.dram.latency").spread) == ("the tests", 0.03)
    assert device.trust("levels.l1.bandwidth").id == ""
