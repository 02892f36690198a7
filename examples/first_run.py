"""Compile a real model for this machine, run it on real input, compare, and show what happened level by level.

The model is Magika's file-type classifier (Apache-2.0), an ONNX file inside the PyPI package of that name. Nothing of
the package is executed: its wheel is downloaded and the model is read out of it. `make run` runs this file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import stratagem as sg

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "magika==1.0.3"
MODEL = "magika/models/standard_v3_3/model.onnx"
CONFIG = "magika/models/standard_v3_3/config.min.json"

Array = np.ndarray[Any, Any]


def fetch(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The model file and its configuration, downloaded once into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    wheels = sorted(folder.glob("magika-*.whl"))
    if not wheels:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--dest", str(folder), PACKAGE], check=True)
        wheels = sorted(folder.glob("magika-*.whl"))
    with zipfile.ZipFile(wheels[0]) as wheel:
        model = folder / "magika.onnx"
        model.write_bytes(wheel.read(MODEL))
        return model, json.loads(wheel.read(CONFIG))


def features(path: Path, config: dict[str, Any]) -> Array:
    """The model's input for a file: its first and last bytes without outer white space, padded."""
    block, padding = config["block_size"], config["padding_token"]
    content = path.read_bytes()
    head, tail = list(content[:block].lstrip()), list(content[-block:].rstrip())
    begin, end = head[: config["beg_size"]], tail[-config["end_size"] :]
    begin += [padding] * (config["beg_size"] - len(begin))
    end = [padding] * (config["end_size"] - len(end)) + end
    return np.array([begin + end], np.int32)


def reference(model: Path, x: Array) -> Array:
    """ONNX Runtime's answer, as an independent judge."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    result: Array = session.run(None, {session.get_inputs()[0].name: x})[0]
    return result


def main() -> None:
    """Compiles, runs, compares and prints; exits with 1 when the results differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="cpu", help="what to compile for (default: this machine)")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache", help="where the model file is kept")
    options = parser.parse_args()

    model, config = fetch(options.cache)
    print(f"model     {model.name}, {model.stat().st_size / 1e6:.1f} MB, from the package {PACKAGE}")
    started = time.perf_counter()
    compiled = sg.compile(model, target=options.target)
    print(f"compile   {time.perf_counter() - started:.1f} s for {compiled.compilation.machine.name}")
    for level in compiled.levels:
        print(f"  {level:9s} {summary(compiled.ir(level))}")
    artifact = compiled.save(options.cache / "magika.sgm")
    print(f"artifact  {artifact.name}, {artifact.stat().st_size / 1e6:.1f} MB")

    executable = sg.load(artifact)
    worst = 0.0
    for path in (Path(__file__), ROOT / "README.md", ROOT / "Makefile", ROOT / "CMakeLists.txt"):
        x = features(path, config)
        (scores,) = executable(x)
        worst = max(worst, float(np.abs(scores - reference(model, x)).max()))
        label = config["target_labels_space"][int(scores[0].argmax())]
        print(f"run       {path.name:16s} is {label} ({scores.max():.1%})")
    print(f"compare   largest difference from ONNX Runtime: {worst:.2e}")
    if worst > 1e-4:
        sys.exit("the results differ from ONNX Runtime's")


def summary(text: str) -> str:
    """What a level's IR holds, in a line."""
    counts = {
        "linalg ops": text.count("linalg.") - text.count("linalg.yield") - text.count("linalg.index"),
        "kernels": text.count("device.kernel ="),
        "parallel phases": text.count("scf.forall") - text.count("scf.forall.in_parallel"),
        "placed calls": text.count("system.member"),
        "arena views": text.count("memref.view"),
    }
    return ", ".join(f"{n} {what}" for what, n in counts.items() if n)


if __name__ == "__main__":
    main()
