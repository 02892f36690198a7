"""`stratagem hw`: what it prints, its exit codes, and that what it writes can be read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from stratagem.cli.hw import hw_group
from stratagem.cli.main import run as main_run
from stratagem.hwmodels import HardwareFileError, check_file, load_device, load_machine
from stratagem.hwmodels.jsonschema import json_schema
from stratagem.hwmodels.locate import library_names
from stratagem.hwmodels.nodes import read_documents

Write = Callable[..., Path]


def run(*arguments: str) -> Result:
    """Runs `stratagem hw`."""
    return CliRunner().invoke(hw_group, list(arguments))


def test_list() -> None:
    result = run("list")
    assert result.exit_code == 0
    assert "generic-avx512" in result.output
    assert "this machine" in result.output
    names = {entry["name"]: entry for entry in json.loads(run("list", "--json").output)}
    assert names["h100"]["kind"] == "gpu"
    assert set(names) == set(library_names())


def test_show_device() -> None:
    output = run("show", "generic-avx512").output
    assert "f32 768 GFLOP/s" in output
    assert "38.4" not in output
    (dram,) = [line for line in output.splitlines() if line.startswith("dram")]
    assert dram.split() == ["dram", "memory", "1", "32", "GiB", "76.8", "GB/s", "90", "ns", "10", "assumed"]
    facts = json.loads(run("show", "generic-avx512", "--json").output)
    assert facts["peak"]["f32"] == 768e9
    assert facts["levels"][0]["balance"] == pytest.approx(10.0)


def test_show_system_with_parameters() -> None:
    output = run("show", "two-hosts", "--param", "hosts=4", "--param", "device=generic-avx2").output
    assert "mesh {'node': 4}" in output
    assert "generic-avx2: cpu" in output
    facts = json.loads(run("show", "h100-node", "--json").output)
    assert facts["members"]["gpu"]["count"] == 8
    assert facts["tiers"][0]["bandwidth"] == 371e9


def test_show_device_as_a_picture() -> None:
    lines = run("show", "h100").output.splitlines()
    start = lines.index("132 x sm, 2048 threads each")
    assert lines[start - 1] == "[l2 50 MB] 9.7 TB/s"
    assert lines[start + 1] == "    [smem 227 KiB] 234.2 GB/s  <- 4 x tensor"


def test_show_what_follows_from_a_system() -> None:
    output = run("show", "h100-node").output
    assert "`-- nvl: switch, 371 GB/s per gpu" in output
    assert "    |-- 8 x gpu: h100-sxm (8 in all)" in output
    facts = json.loads(run("show", "h100-node", "--json").output)
    assert facts["tiers"][0]["balance"] == pytest.approx(16896 * 2 * 1.83e9 / 371e9, rel=1e-6)
    assert facts["totals"]["power"] == 8 * 700 + 2 * 500 + 4 * 150
    assert "power of all: 1.4 kW idle, 7.2 kW at most" in output


def test_show_parameters() -> None:
    assert run("show", "two-hosts").output.splitlines()[-1] == "parameter latency: 20 us"
    lines = run("show", "memory-side-2030").output.splitlines()
    assert "parameter cores: 64 (vary: 64, 16, 256)" in lines
    assert "parameter vector-lanes: 8" in lines


def test_show_calibration(write: Write) -> None:
    device = write()
    text = "hw: 1\ncalibration: c\ndevice: tiny\nsource: {kind: measured}\n"
    measured = write(text=f"{text}levels: [{{level: dram, bandwidth: 7 GB/s}}]\n", name="measured.yaml")
    assert "7 GB/s" in run("show", str(measured)).output
    assert "too few samples" in run("show", str(measured)).output
    assert json.loads(run("show", str(measured), "--json").output)["levels"]["dram"]["bandwidth"] == 7e9
    lines = run("show", str(device), "--calibration", str(measured)).output.splitlines()
    assert any(line.split()[:6] == ["dram", "memory", "1", "1", "GiB", "7"] for line in lines)
    refused = run("show", "two-hosts", "--calibration", str(measured))
    assert refused.exit_code == 2
    assert "is a system, and only a device is calibrated" in " ".join(refused.output.split())


def test_show_refuses() -> None:
    result = run("show", "h10")
    assert isinstance(result.exception, HardwareFileError)
    assert "did you mean 'h100'?" in str(result.exception)
    result = run("show", "two-hosts", "--param", "hosts")
    assert result.exit_code == 2
    assert "'hosts' is not NAME=VALUE" in result.output


def test_check(write: Write) -> None:
    good = write()
    assert run("check", str(good)).output == "1 file checked: no problems\n"
    bad = write(("80 ns", "80"), ("size: 32 KiB", "sise: 32 KiB"), name="bad.yaml")
    result = run("check", str(good), str(bad))
    assert result.exit_code == 4
    assert f"{bad}:8:89: levels.dram.latency: the number 80 has no unit" in result.output
    assert "did you mean 'size'?" in result.output
    found = json.loads(run("check", "--json", str(bad)).output)
    assert [(entry["line"], entry["path"]) for entry in found] == [
        (8, "levels.dram.latency"),
        (10, "levels.l1.sise"),
    ]
    assert json.loads(run("check", "--json", str(good)).output) == []


@pytest.mark.parametrize("name", sorted(library_names()))
@pytest.mark.parametrize("mode", [(), ("--copy",)])
def test_new(tmp_path: Path, name: str, mode: tuple[str, ...]) -> None:
    path = tmp_path / "mine.yaml"
    result = run("new", "mine", "--like", name, "-o", str(path), *mode)
    assert result.exit_code == 0, result.output
    assert check_file(path) == []
    machine, origin = load_machine(path), load_machine(name)
    assert machine.name == "mine"
    assert {n: m.count for n, m in machine.members.items()} == {n: m.count for n, m in origin.members.items()}


def test_new_lines_can_be_taken_into_use(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    run("new", "mine", "--like", "generic-avx512", "-o", str(path))
    lines = path.read_text().splitlines()
    used = [
        line[2:] if line.startswith("# ") and not line[2:].startswith(("Below", "stays")) else line for line in lines
    ]
    path.write_text("\n".join(line for line in used if not line.startswith(("Below", "stays", "# "))))
    assert check_file(path) == []
    assert load_device(path).digest == load_device("generic-avx512").digest


@pytest.mark.parametrize("name", sorted(library_names()))
def test_new_lines_change_nothing_when_they_are_taken_into_use(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.yaml"
    run("new", "mine", "--like", name, "-o", str(path))
    lines = path.read_text().splitlines()
    assert "## " in path.read_text()
    used = [line.removeprefix("# ") for line in lines if not line.startswith(("# Below", "# stays"))]
    path.write_text("\n".join(used))
    assert check_file(path) == []
    assert load_machine(path).digest == load_machine(name).digest


def test_new_says_what_keys_mean_and_where_numbers_come_from(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    run("new", "mine", "--like", "h200-sxm", "-o", str(path))
    text = path.read_text()
    assert "## memories and groups of units, outermost first; numbers are those of one piece\n# levels:\n" in text
    assert "#   bandwidth: {value: 9.7 TB/s, kind: measured, spread: 5%, id: " in text
    run("new", "mine", "--like", "h200-sxm", "--copy", "-o", str(tmp_path / "copy.yaml"))
    assert "## drawn doing nothing, and at most\npower:" in (tmp_path / "copy.yaml").read_text()


def test_new_refuses(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    result = run("new", "mine", "--like", "h100", "-o", str(path))
    assert (result.exit_code, path.read_text()) == (1, "mine")
    assert "exists already" in result.output
    assert "cannot write" in run("new", "x", "--like", "h100", "-o", str(tmp_path / "no/x.yaml")).output
    bad = run("new", "../x", "--like", "h100")
    assert "'../x' is not a name" in str(bad.exception)


def test_probe(tmp_path: Path) -> None:
    path = tmp_path / "this.yaml"
    assert run("probe", "-o", str(path)).exit_code == 0
    assert path.read_text() == run("probe").output
    assert run("check", str(path)).exit_code == 0
    assert "cannot write" in run("probe", "-o", str(tmp_path / "no/x.yaml")).output


def validator() -> jsonschema.Draft202012Validator:
    """A validator for the printed schema."""
    schema = json.loads(run("schema").output)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_schema_accepts_the_library() -> None:
    checker = validator()
    for path in library_names().values():
        for document in read_documents(path.read_text(encoding="utf-8"), str(path)):
            assert list(checker.iter_errors(document.plain())) == [], path.name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("size: 32 KiB", "sise: 32 KiB"),
        ("80 ns", "80"),
        ("kind: memory", "kind: memori"),
        ("{f32: 8}", "8"),
        ("max: 20 W", "max: [20]"),
        ("10 GB/s", "{valu: 10 GB/s}"),
    ],
)
def test_schema_refuses(write: Write, old: str, new: str) -> None:
    path = write((old, new))
    (document,) = read_documents(path.read_text(), str(path))
    assert not validator().is_valid(document.plain())


def test_schema_describes_units_and_control_keys() -> None:
    definitions = json_schema()["$defs"]
    assert "38.4 GB/s" in json.dumps(definitions["LevelEntry"]["properties"]["bandwidth"])
    assert {"extends", "params", "vary"} <= set(definitions["DeviceFile"]["properties"])
    assert definitions["SystemFile"]["required"] == ["hw", "system"]


def test_exit_codes_of_the_whole_command(write: Write) -> None:
    assert main_run(["hw", "check", str(write())]) == 0
    assert main_run(["hw", "check", str(write(("80 ns", "80")))]) == 4
    assert main_run(["hw", "show", "h10"]) == 4
