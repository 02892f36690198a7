"""`stratagem simulate`: what it prints, what it refuses, and files of sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stratagem.cli.main import run
from stratagem.cli.simulate import read_devices
from stratagem.compiler.cost.architectures import read_architecture
from stratagem.runtime.errors import ModelError, UsageError
from tests.unit.cost.conftest import SIZES, Write

STABLEHLO = """\
func.func public @main(%x: tensor<3x17xf32>) -> tensor<3x17xf32> {
  %w = stablehlo.constant dense<0.5> : tensor<17x17xf32>
  %y = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]
      : (tensor<3x17xf32>, tensor<17x17xf32>) -> tensor<3x17xf32>
  return %y : tensor<3x17xf32>
}
"""
ROOT = Path(__file__).parents[3]
HUB = {
    "model_type": "llama",
    "hidden_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 1408,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
    "hidden_act": "silu",
    "attention_dropout": 0.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8", [8]), ("8,24,1", [8, 24, 1]), ("8..64", [8, 16, 32, 64]), ("3..20", [3, 6, 12, 20]), ("5..5", [5])],
)
def test_numbers_of_devices(text: str, expected: list[int]) -> None:
    assert read_devices(text) == expected


@pytest.mark.parametrize("text", ["", "x", "0", "8..", "8..4", "1,,2", "-3", "2..x"])
def test_numbers_of_devices_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--devices"):
        read_devices(text)


def test_the_table(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    system, sizes = write(), write(text=SIZES, name="small.yaml")
    assert run(["simulate", str(sizes), "--system", str(system), "--devices", "8..4096", "--batch", "8192"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split()[0] for line in lines[4 : lines.index("", 4)]]
    assert rows == [str(8 << n) for n in range(10)]
    assert lines[0] == "small (0.0385 billion parameters, bf16), training, batch 8192, on 'chip' of grid"
    assert any("least trusted: " in line and "(assumed, ±" in line for line in lines)


def test_the_same_as_data(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    system, sizes = write(("idle: 50 W, ", "")), write(text=SIZES, name="small.yaml")
    assert run(["simulate", str(sizes), "--system", str(system), "--devices", "8,64", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["batch"] == 64  # a sample for each of the most devices
    first, second = facts["results"]
    assert first["seconds"]["low"] < first["seconds"]["value"] < first["seconds"]["high"]
    assert sum(first["split"].values()) == pytest.approx(first["seconds"]["value"])
    assert "lattice: power.idle" in first["joules"]["missing"]
    assert first["dollars"]["value"] > 0
    assert 0 < second["utilisation"] < first["utilisation"] < 1
    assert first["elements_per_second"] == pytest.approx(256 * first["samples_per_second"])
    assert second["least_trusted"] and second["plans_tried"] > 10


def test_what_does_not_fit_is_told_with_numbers(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    large = SIZES.replace("hidden: 512", "hidden: 16384").replace("layers: 12", "layers: 48")
    system, sizes = write(), write(text=large, name="large.yaml")
    assert run(["simulate", str(sizes), "--system", str(system), "--devices", "1,13", "--batch", "2"]) == 0
    out = capsys.readouterr().out
    assert "(does not fit)" in out and "GB of 17.2 GB on each device" in out
    assert "13: no plan shares 48 layers and a batch of 2" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--devices", "20000"], 4, "20000 devices are asked for, and system 'grid' has 16384"),
        (["--devices", "8", "--member", "gpu"], 2, "has no member 'gpu'"),
        (["--devices", "8", "--dtype", "f17"], 2, "there is no element type 'f17'"),
        (["--devices", "8", "--dtype", "f8e5m2"], 4, "'time of a f8e5m2 matmul' needs this number"),
        (["--devices", "8", "--queries", "1"], 2, "no training step"),
        (["--devices", "8", "--input-shape", "x=1,2"], 2, "--input-shape goes with a model file"),
        (["--devices", "eight"], 2, "--devices eight cannot be read"),
    ],
)
def test_refusals(
    write: Write, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    system, sizes = write(), write(text=SIZES, name="small.yaml")
    assert run(["simulate", str(sizes), "--system", str(system), *arguments]) == code
    assert message in capsys.readouterr().err


def test_generating_is_slower_for_longer_texts(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    system, sizes = write(), write(text=SIZES, name="small.yaml")
    times = []
    for sequence in ("1024", "65536"):
        command = ["simulate", str(sizes), "--system", str(system), "--devices", "1", "--mode", "inference", "--json"]
        assert run([*command, "--batch", "16", "--queries", "1", "--sequence", sequence]) == 0
        times.append(json.loads(capsys.readouterr().out)["results"][0]["seconds"]["value"])
    assert times[1] > 1.5 * times[0]


def test_a_model_file(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    system, model = write(), write(text=STABLEHLO, name="layer.mlir")
    command = ["simulate", str(model), "--system", str(system), "--devices", "1,2", "--batch", "12", "--dtype", "bf16"]
    assert run([*command, "--mode", "inference", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["model"], facts["dtype"]) == ("layer", "bf16")
    assert [result["fits"] for result in facts["results"]] == [True, True]
    assert run([*command, "--sequence", "5"]) == 2
    assert "--sequence and --queries go with a file of sizes" in capsys.readouterr().err


def test_a_model_file_with_free_sizes(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    system, model = write(), write(text=STABLEHLO.replace("tensor<3x", "tensor<?x"), name="layer.mlir")
    assert run(["simulate", str(model), "--system", str(system), "--devices", "1"]) == 3
    err = capsys.readouterr().err
    assert "has free sizes [None, 17]" in err and "--input-shape" in err


def test_the_example_on_a_cluster_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ROOT / "examples" / "architectures" / "gpt-175b.yaml"
    command = ["simulate", str(sizes), "--system", "a100-cluster", "--param", "nodes=2048"]
    assert run([*command, "--devices", "1024,16384", "--batch", "16384", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["parameters"] == pytest.approx(175e9, rel=0.01)
    small, large = (result["seconds"]["value"] for result in facts["results"])
    assert 8 < small / large < 16
    assert all(result["fits"] for result in facts["results"])


def test_help_teaches_the_words(capsys: pytest.CaptureFixture[str]) -> None:
    run(["simulate", "--help"])
    out = capsys.readouterr().out
    for word in ("--devices", "microbatch", "vocabulary: 51200", "config.json", "docs/cost.md"):
        assert word in out


def test_a_hub_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(HUB))
    workload = read_architecture(path, sequence=128)
    shape = workload.shape
    assert (workload.name, workload.dtype, shape.sequence, shape.kv_heads) == ("llama", "bf16", 128, 2)
    assert shape.gated and not shape.dropout and not shape.tied
    assert workload.tied == 0
    assert shape.head_size == 64
    path.write_text(json.dumps(HUB | {"head_dim": 96}))
    assert read_architecture(path).shape.head_size == 96


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("transformer: x\nhiden: 3\n", r"unknown key 'hiden'"),
        ("transformer: x\nhidden: 3\n", r"does not give layers, heads, sequence, vocabulary"),
        (SIZES.replace("512", "many"), r"hidden is 'many'; a whole number above zero"),
        (SIZES + "gated: 1\n", r"gated is 1; true or false"),
        ("[1, 2]", r"holds no map of sizes"),
        ("{a: 1}", r"names no architecture"),
        ("a: [", r"cannot be read"),
    ],
)
def test_files_that_name_no_architecture(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ModelError, match=message):
        read_architecture(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        read_architecture(tmp_path / "none.yaml")
