"""Every problem a hardware file can have, each with its place, its key path and what would be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stratagem.hwmodels import HardwareFileError, check_file, load_device, load_machine

Write = Callable[..., Path]
NO_UNIT = "levels.dram.latency: the number 80 has no unit; write a latency such as 90 ns or 14 cy"


def problems(path: Path) -> list[str]:
    """The problems of a file without its folder."""
    return [str(problem).replace(f"{path.parent}/", "") for problem in check_file(path)]


def test_a_good_file_has_none(write: Write) -> None:
    assert check_file(write()) == []


def test_all_problems_at_once_in_file_order(write: Write) -> None:
    path = write(("size: 32 KiB", "sise: 32 KiB"), ("80 ns", "80"), ("at: vreg", "at: vregs"), ("GFLOP/s", "Gb"))
    assert problems(path) == [
        f"tiny.yaml:8:89: {NO_UNIT}",
        "tiny.yaml:10:29: levels.l1.sise: unknown key 'sise'; did you mean 'size'?",
        "tiny.yaml:19:13: peak.f32: the unit 'Gb' is ambiguous; write Gbit",
    ]


SCHEMA = [
    ("clock: 2 GHz\n", "", "1:1: clock: the key 'clock' is missing"),
    ("hw: 1", "hw: 2", "hw: 2 is not one of 1"),
    ("kind: memory", "kind: memori", "levels.dram.kind: 'memori' is not one of memory, cache"),
    ("kind: memory", "kind: memori", "did you mean 'memory'?"),
    ("count: 2}", "count: 0}", "levels.core.count: must be at least 1, not 0"),
    ("count: 2}", "count: two}", "levels.core.count: expected a whole number, not 'two'"),
    ("count: 2}", "count: 2.5}", "levels.core.count: expected a whole number, not 2.5"),
    ("count: 2}", "count: 9999999999}", "levels.core.count: must be at most 1000000000"),
    (
        "name: dram,",
        "name: 'the dram',",
        "expected a name of letters, digits, '-', '_' or '.', not 'the dram'",
    ),
    ("{f32: 8}", "{f33: 8}", "units.fma.lanes.f33: unknown dtype 'f33'; did you mean 'f32'?"),
    ("{f32: 8}", "8", "units.fma.lanes: expected a map, not 8"),
    ("[matmul, add, exp]", "matmul", "units.fma.functions: expected a list, not 'matmul'"),
    ("levels:\n", "levels: []\nold:\n", "levels: must not be empty"),
    ("levels:\n", "levels: []\nold:\n", "old: unknown key 'old'; keys here are hw, device"),
    ("power: {idle: 1 W, max: 20 W}", "power: 20 W", "power: expected a map with 'idle', 'max'"),
    ("64 B/cy", "64 B", "'64 B' is in B, but a bandwidth (B/s or B/cy) is due"),
    ("10 GB/s", "0 GB/s", "a bandwidth must be above zero, not 0 GB/s"),
    ("10 GB/s", "-1 GB/s", "a bandwidth must be above zero, not -1 GB/s"),
    ("10 GB/s", "[1]", "expected a bandwidth such as 38.4 GB/s or 64 B/cy"),
    ("10 GB/s", "{valu: 1 GB/s}", "unknown key 'valu' beside a value; did you mean 'value'?"),
    ("10 GB/s", "{kind: measured}", "a map in place of a number needs 'value' (or one of measured"),
    ("10 GB/s", "{value: 1 GB/s, paper: 1 GB/s}", "give the number once: under 'value' or under paper"),
    ("10 GB/s", "{paper: 1 GB/s, kind: paper}", "'kind' goes with 'value'; paper already says the kind"),
    ("10 GB/s", "{value: 1 GB/s, kind: guessed}", "unknown kind 'guessed'"),
    ("10 GB/s", "{value: 1 GB/s, spread: 200%}", "a spread is at most 100%, not 200%"),
    ("10 GB/s", "{in: 1 GB/s, inn: 1 GB/s}", "unknown direction 'inn'; did you mean 'in'?"),
    ("kind: datasheet", "kind: hearsay", "source.kind: 'hearsay' is not one of measured"),
    (
        "target: {",
        "functions: {relu: 7}\ntarget: {",
        "functions.relu: expected a map with 'expression', 'dtypes'",
    ),
    ("target: {", "functions: {f: [X]}\ntarget: {", "functions.f: expected a map"),
    ("target: {", "functions: {f: {expression: 7}}\ntarget: {", "expected a tensor expression such as"),
    (
        "target: {",
        "functions: {f: 'Y[i] = mx(X[i])'}\ntarget: {",
        "unknown scalar function 'mx'; did you mean",
    ),
    ("device: tiny", "device: 'tiny device'", "device: a device needs a name of letters"),
    ("device: tiny", "devise: tiny", "did you mean 'device'?"),
    ("device: tiny", "thing: tiny", "start it with 'hw: 1' and 'device: NAME'"),
]


@pytest.mark.parametrize(("old", "new", "message"), SCHEMA)
def test_schema(write: Write, old: str, new: str, message: str) -> None:
    found = problems(write((old, new)))
    assert any(message in problem for problem in found), found


CONSISTENCY = [
    (
        "id: the tests, ",
        "",
        "source: the numbers are from a datasheet, and it is not said from which; add 'id'",
    ),
    ("at: vreg", "at: verg", "units.fma.at: no level is called 'verg'; did you mean 'vreg'?"),
    ("at: vreg", "at: nowhere", "levels are dram, core, l1, vreg"),
    ("name: l1", "name: dram", "two levels are called 'dram'"),
    ("[matmul, add, exp]", "[matmull]", "unknown function 'matmull'; did you mean 'matmul'?"),
    ("[matmul, add, exp]", "[zzz]", "unknown function 'zzz'; define it under 'functions'"),
    ("[matmul, add, exp]", "[]", "units.fma: the unit has no functions"),
    ("lanes: {f32: 8}", "tile: {f32: [4, 4]}", "the unit has no speed; give 'lanes' or 'rate' by dtype"),
    (
        "lanes: {f32: 8}",
        "lanes: {f32: 8}\n    rate: {f32: 1 op/cy}",
        "f32 has both lanes and a rate; give one",
    ),
    ("energy: {f32", "energy: {f64", "units.fma.energy.f64: the unit has no lanes and no rate for f64"),
    ("lanes: {f32: 8}", "lanes: {f32: 8}\n    tile: {i8: [4]}", "units.fma.tile.i8: the unit has no lanes"),
    ("128 GFLOP/s", "131 GFLOP/s", "declared 131 Gop/s, but the units give 128 Gop/s"),
    ("peak: {f32", "peak: {i8", "peak.i8: no unit has lanes or a rate for i8"),
    ("size: 32 KiB", "size: 2 GiB", "levels.l1.size: 2 GiB is larger than 'dram' around it (1 GiB)"),
    (
        "64 B/cy",
        "1 B/cy",
        "levels.l1.bandwidth: 4 GB/s for all of it is slower than 'dram' around it (10 GB/s)",
    ),
    ("4 cy", "400 cy", "levels.l1.latency: 200 ns is longer than 'dram' around it takes (80 ns)"),
    ("granule: 64 B", "granule: 48 B", "levels.dram.granule: 48 B is not a power of two"),
    (
        "granule: 64 B",
        "granule: 64 B, burst: 100 B",
        "a burst of 100 B is not a multiple of the granule of 64 B",
    ),
    ("granule: 64 B", "granule: 2 GiB", "levels.dram.granule: 2147483648 B is more than the level holds"),
    (
        "count: 2}",
        "count: 2, size: 1 KiB}",
        "levels.core.size: does not fit the kind 'group': a group holds no data",
    ),
    (
        "latency: 4 cy",
        "threads: 2",
        "levels.l1.threads: does not fit the kind 'cache': only a group has threads",
    ),
    ("latency: 4 cy", "write: {latency: 1 us}", "does not fit the kind 'cache': only a weights level has it"),
    ("size: 32 KiB, ", "", "levels.l1: a cache needs a size"),
    (
        "count: 2}",
        "count: 2, threads: 2, threads-for-peak: 4}",
        "4 threads are needed for the peak, and there are 2",
    ),
    ("idle: 1 W", "idle: 30 W", "power.idle: idle power 30 W is above the maximum 20 W"),
    ("max: 20 W", "max: 20 kW", "20000 W over the peak is 156.2 nJ/op, outside 0.01 to 1000 pJ/op"),
    (
        "size: 32 KiB",
        "size: 32 KiB, space: 0}\n  - {name: l0, kind: cache, size: 1 KiB, space: 0",
        "is that of 'l1' already",
    ),
    (
        "target: {",
        "links: [{from: l1, to: l3}]\ntarget: {",
        "links.0.to: no level is called 'l3'; levels are dram",
    ),
    (
        "target: {",
        "collectives: {supports: [all_redude]}\ntarget: {",
        "unknown collective 'all_redude'; did you mean 'all_reduce'?",
    ),
    (
        "target: {",
        "collectives: {supports: [gather], forbids: [gather]}\ntarget: {",
        "'gather' is both supported and forbidden",
    ),
    (
        "target: {",
        "functions: {matmul: 'Y[i] = X[i]'}\ntarget: {",
        "the function 'matmul' is built in and means C[m,n]",
    ),
    (
        "  - name: fma\n",
        "  - {name: fma, at: l1, functions: [copy], rate: {f32: 1 op/cy}}\n  - name: fma\n",
        "two units are called 'fma'",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), CONSISTENCY)
def test_consistency(write: Write, old: str, new: str, message: str) -> None:
    found = problems(write((old, new)))
    assert any(message in problem for problem in found), found


def test_clock_out_of_range(write: Write) -> None:
    changes = ("clock: 2 GHz", "clock: 2 THz"), ("peak: {f32: 128 GFLOP/s}", "peak: {}")
    assert any("a clock of 2 THz is outside" in problem for problem in problems(write(*changes)))


YAML = [
    ("", "the file is empty; it should start with 'hw: 1'"),
    ("hw: 1\nhw: 1\ndevice: x\n", "x.yaml:2:1: hw: the key 'hw' stands twice; first on line 1"),
    ("hw: [1\n", "not YAML:"),
    ("hw: 1\n\tdevice: x\n", "not YAML:"),
    (
        "a: &a [x, x]\nb: *a\n",
        "a: anchors and aliases are not read; use 'extends' or 'params' to share values",
    ),
    ("a: {<<: {b: 1}}\n", "keys are plain names; use 'extends' to share parts of a file"),
    ("? [a, b]\n: 1\n", "keys are plain names"),
    ("a: !!python/object:os.system x\n", "not read; only !replace is"),
    ("a: !foo x\n", "the tag !foo is not read; only !replace is"),
    ("a: " + "[" * 40 + "]" * 40 + "\n", "nested deeper than 32 levels"),
    ("a: [" + "1," * 10_100 + "1]\n", "more than 10000 values"),
    ("#" * 200_001, "the file is larger than 200000 bytes"),
    ("- 1\n", "the document says none of device:, system:, mapping:, calibration:"),
    ("word\n", "the document says none of device:"),
]


@pytest.mark.parametrize(("text", "message"), YAML)
def test_yaml(write: Write, text: str, message: str) -> None:
    found = problems(write(text=text, name="x.yaml"))
    assert any(message in problem for problem in found), found


def test_unfolding_texts_are_refused_quickly(write: Write) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    found = problems(write(text="\n".join(lines), name="x.yaml"))
    assert len(found) == 30
    assert all("anchors and aliases are not read" in problem for problem in found)


def test_deep_yaml_does_not_break_the_reader(write: Write) -> None:
    found = problems(write(text="a: " + "[" * 5000, name="x.yaml"))
    assert len(found) == 1
    assert "nested deeper" in found[0] or "not YAML" in found[0]


def test_extends_problems(write: Write) -> None:
    def child(parent: str) -> list[str]:
        return problems(write(text=f"hw: 1\ndevice: child\nextends: {parent}\n", name="child.yaml"))

    assert "did you mean 'generic-avx2'?" in child("generic-avx")[0]
    assert "see 'stratagem hw list'" in child("zzzzz")[0]
    assert "is not a name; names hold no '..'" in child("../secret")[0]
    assert "is not a name" in child("/etc/passwd")[0]
    assert "'two-hosts' is a system, and a device can extend only a device" in child("two-hosts")[0]
    assert "extends: expected one name" in child("[a, b]")[0]
    write(text="hw: 1\ndevice: other\n", name="wrong.yaml")
    assert "wrong.yaml describes other, not 'wrong'" in child("wrong")[0]


def test_extends_in_a_circle(write: Write) -> None:
    write(text="hw: 1\ndevice: a\nextends: b\n", name="a.yaml")
    path = write(text="hw: 1\ndevice: b\nextends: a\n", name="b.yaml")
    assert "extends: goes in a circle: b -> a -> b" in problems(path)[0]


def test_extends_far(write: Write) -> None:
    for n in range(20):
        path = write(text=f"hw: 1\ndevice: d{n}\nextends: d{n - 1}\n", name=f"d{n}.yaml")
    assert "is a chain of more than 16" in problems(path)[0]


def test_names_do_not_leave_the_folder(write: Write, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("hw: 1\ndevice: link\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.yaml").symlink_to(secret)
    (inside / "child.yaml").write_text("hw: 1\ndevice: child\nextends: link\n")
    assert "nothing is called 'link'" in problems(inside / "child.yaml")[0]


PARAMETERS = [
    ("count: 2}", "count: $coers}\nparams: {cores: 2}", "unknown parameter '$coers'; did you mean 'cores'?"),
    ("count: 2}", "count: $n}", "unknown parameter '$n'; give it under 'params' or 'vary'"),
    ("clock: 2 GHz", "clock: ${f} GHz", "clock: unknown parameter '$f'"),
    ("clock: 2 GHz", "clock: 2 GHz\nparams: 7", "params: expected a map of names to values"),
    ("clock: 2 GHz", "clock: 2 GHz\nparams: {a: [1]}", "params.a: a parameter is one number or text"),
    ("clock: 2 GHz", "clock: 2 GHz\nvary: 7", "vary: expected a map of names to lists"),
    ("clock: 2 GHz", "clock: 2 GHz\nvary: {a: 7}", "vary.a: expected a list of at least one number or text"),
    ("clock: 2 GHz", "clock: 2 GHz\nvary: {a: []}", "vary.a: expected a list of at least one number or text"),
]


@pytest.mark.parametrize(("old", "new", "message"), PARAMETERS)
def test_parameters(write: Write, old: str, new: str, message: str) -> None:
    if "}\nparams" in new:
        old, new = "clock: 2 GHz\nlevels:", "clock: 2 GHz\nparams: {cores: 2}\nnote: $coers\nlevels:"
    found = problems(write((old, new)))
    assert any(message in problem for problem in found), found


def test_unknown_override(write: Write) -> None:
    with pytest.raises(HardwareFileError, match="no parameter is called 'cores'; parameters here: none"):
        load_device(write(), {"cores": 3})


SYSTEM = [
    ("host: {device: tiny}", "host: {device: tyni}", "members.host.device: nothing is called 'tyni'"),
    ("mesh: {node: 2}", "host: hots", "host: no member is called 'hots'; did you mean 'host'?"),
    (
        "host: {device: tiny}",
        "host: {device: h100}",
        "members.host: the host 'host' is a gpu with the backend 'gpu'",
    ),
    (
        "of: host",
        "of: hots",
        "tiers.node.of: 'hots' is no member and no tier further in; did you mean 'host'?",
    ),
    (", of: host", "", "tiers.node: the innermost tier says no member; add 'of: host'"),
    ("of: host", "of: host, with: {gpu: 1}", "tiers.node.with.gpu: no member is called 'gpu'"),
    (
        "{device: tiny}",
        "{device: tiny, count: 3}",
        "members.host.count: 3 are stated, and the tiers hold 2 (node 2)",
    ),
    ("mesh: {node: 2}", "mesh: {x: 3}", "mesh: the mesh has 3 places (x 3), and there are 2 host"),
    ("[ring]", "[in-network]", "the algorithm 'in-network' needs the key 'in-network' with its tiers"),
    ("[ring]", "[in-network], in-network: {tiers: [nod]}", "no tier is called 'nod'; did you mean 'node'?"),
    ("0.9 GB/s", "1.2 GB/s", "1.2 GB/s is above the fastest link (1 GB/s)"),
    ("[ring]", "[rign]", "'rign' is not one of ring, tree"),
    ("all_reduce:", "all_redus:", "primitives.all_redus: 'all_redus' is not one of broadcast"),
    ("count: 2, of", "count: -2, of", "tiers.node.count: must be at least 1, not -2"),
    ("tiers:\n", "tiers:\n  - {name: node, count: 1, of: node}\n", "two tiers are called 'node'"),
]


@pytest.mark.parametrize(("old", "new", "message"), SYSTEM)
def test_systems(write: Write, system_text: str, old: str, new: str, message: str) -> None:
    write()
    found = problems(write((old, new), text=system_text, name="pair.yaml"))
    assert any(message in problem for problem in found), found


def test_a_member_with_a_broken_device_tells_its_problems(write: Write, system_text: str) -> None:
    write(("80 ns", "80"))
    found = problems(write(text=system_text, name="pair.yaml"))
    assert found == [f"tiny.yaml:8:89: {NO_UNIT}"]


def test_forbidden_collectives(write: Write, system_text: str) -> None:
    write(("target: {", "collectives: {forbids: [all_reduce]}\ntarget: {"))
    path = write(text=system_text, name="pair.yaml")
    assert any("tiny (member 'host') forbids all_reduce" in problem for problem in problems(path))
    allowed = write(("[ring]", "[host]"), text=system_text, name="pair.yaml")
    assert problems(allowed) == []


def test_attached_members_do_not_loop(write: Write, system_text: str) -> None:
    write()
    tiers = "tiers:\n  - {name: a, count: 2, of: b, with: {host: 1}}\n  - {name: b, count: 1, of: a}\n"
    text = system_text[: system_text.index("tiers:")] + tiers
    found = problems(write(text=text, name="pair.yaml"))
    assert any("tiers.b.of: 'a' is no member and no tier further in" in problem for problem in found)


MAPPING = """\
hw: 1
mapping: m
system: two-hosts
mesh: {data: 2}
bind: {data: node}
operators: {matmul: {unit: fma, tile: [64, 64], stage: l1}}
"""
CALIBRATION = """\
hw: 1
calibration: c
device: generic-avx2
source: {kind: measured}
versions: {numpy: "2"}
samples:
  - {unit: fma, function: matmul, dtype: f32, size: [512, 512, 512], utilisation: 83%}
error: 5%
"""


def test_mappings_and_calibrations_are_checked(write: Write) -> None:
    assert problems(write(text=MAPPING, name="m.yaml")) == []
    assert problems(write(text=CALIBRATION, name="c.yaml")) == []
    assert "unknown key 'tyle'" in problems(write(("tile", "tyle"), text=MAPPING, name="m.yaml"))[0]
    assert "unknown dtype 'f31'" in problems(write(("f32", "f31"), text=CALIBRATION, name="c.yaml"))[0]
    path = write(text=MAPPING, name="m.yaml")
    with pytest.raises(HardwareFileError, match="a system or a device is due, and this is mapping 'm'"):
        load_machine(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "system: two-hosts",
            "system: two-host",
            "system: nothing is called 'two-host', neither here nor in the library",
        ),
        ("mesh: {data: 2}", "mesh: {data: 3}", "mesh: the mesh has 3 places, and two-hosts has 2 host"),
        ("bind: {data", "bind: {date", "bind.date: the mesh has no axis 'date'; did you mean 'data'?"),
        ("data: node}", "data: nodes}", "bind.data: two-hosts has no tier 'nodes'; did you mean 'node'?"),
        ("unit: fma", "unit: amx", "operators.matmul.unit: no unit is called 'amx'; units are "),
        ("unit: fma", "unit: math", "operators.matmul.unit: the unit 'math' does no matmul"),
        ("stage: l1", "stage: l4", "operators.matmul.stage: no level is called 'l4'; "),
        ("{matmul", "{matmull", "operators.matmull: unknown function 'matmull'; did you mean 'matmul'?"),
    ],
)
def test_mappings_fit_their_system(write: Write, old: str, new: str, message: str) -> None:
    found = problems(write((old, new), text=MAPPING, name="m.yaml"))
    assert any(message in problem for problem in found), found


def test_every_value_of_a_sweep_is_checked(write: Write) -> None:
    swept = ("clock: 2 GHz", "vary: {cores: [2, 4], l1: [32 KiB, 2 GiB]}\nclock: 2 GHz")
    path = write(
        swept, ("count: 2}", "count: $cores}"), ("size: 32 KiB", "size: $l1"), ("peak: {f32: 128 GFLOP/s}\n", "")
    )
    (found,) = problems(path)
    assert "levels.l1.size: with l1 2 GiB: 2 GiB is larger than 'dram' around it (1 GiB)" in found


def test_problems_are_data(write: Write) -> None:
    path = write(("80 ns", "80"))
    with pytest.raises(HardwareFileError) as caught:
        load_device(path)
    (problem,) = caught.value.problems
    assert (problem.place.line, problem.place.column, problem.path) == (8, 89, "levels.dram.latency")
    assert problem.place.file == str(path)
