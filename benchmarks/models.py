"""Compile and run times of whole models beside the frameworks they come from, and start-up times.

    python benchmarks/models.py [--models resnet18,resnet50,bert,magika] [--threads 2] [--seconds 5] [--json FILE]

Contenders take turns in one process (`stratagem.api.timing`). Weights are random, from a seed; a model whose package is
not installed is left out and named. `cold` compiles have no cache, `warm` ones find their code in it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import stratagem as sg
from stratagem.api import peers
from stratagem.api.timing import Contender, largest_difference, race
from stratagem.compiler import knobs
from stratagem.runtime.bindings import load_runtime

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the folder of benchmarks is no installed package
Array = np.ndarray[Any, Any]


@dataclass
class Case:
    """A model, its inputs, and the contender it is measured against."""

    name: str
    model: Any
    inputs: Sequence[Any]
    shown: str
    peer: Callable[[int], Contender]


def main() -> None:
    """Measures and prints; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(CASES), help="which, separated by commas")
    parser.add_argument("--threads", type=int, default=2, help="threads of every contender")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each contender is timed")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    names = options.models.split(",")
    if unknown := [name for name in names if name not in CASES]:
        parser.error(f"there is no model {', '.join(unknown)}; there is {', '.join(CASES)}")

    print(f"{options.threads} threads, {options.seconds:g} s each in turns, medians; relative: peer / Stratagem")
    load, processors = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load > processors / 2:
        print(
            f"this machine is busy: load {load:.1f} on {processors} processors; take only ratios of minima, with care"
        )
    print()
    print(HEADER)
    rows = []
    with tempfile.TemporaryDirectory(prefix="stratagem-bench-") as folder:
        for name in names:
            packages, make = CASES[name]
            missing = [p for p in packages if importlib.util.find_spec(p) is None]
            case = None if missing else make()
            if case is None:
                print(f"{name:10s} left out: {', '.join(missing) + ' not installed' if missing else 'no model file'}")
                continue
            rows.append(measure(case, options.threads, options.seconds, Path(folder)))
            print(row_text(rows[-1]), flush=True)
        starts = start_up(Path(folder))
    print("\nstart-up of a fresh process (median of 5)")
    for what, seconds in starts.items():
        print(f"  {what:42s}{seconds * 1e3:8.0f} ms")
    if options.json:
        options.json.write_text(json.dumps({"models": rows, "start": starts, "threads": options.threads}, indent=1))


def measure(case: Case, threads: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Compile times without and with the cache, and run times beside the peer."""
    with knobs.scope(cache=str(folder / f"cache-{case.name}")):
        _, cold = timed(lambda: sg.compile(case.model, case.inputs))
        compiled, warm = timed(lambda: sg.compile(case.model, case.inputs))
    load_runtime().set_threads(threads)
    executable = sg.load(compiled.save(folder / f"{case.name}.sgm"))
    arrays = [np.asarray(x) for x in case.inputs]
    ours, theirs = race([Contender("stratagem", lambda: executable(*arrays), cold), case.peer(threads)], seconds)
    return {
        "model": case.name,
        "inputs": case.shown,
        "cold": cold,
        "warm": warm,
        "ours": ours.to_json(),
        "peer": theirs.to_json(),
        "relative": theirs.median / ours.median,
        "relative_minimum": theirs.minimum / ours.minimum,
        "difference": largest_difference(ours.results[:1], theirs.results[:1]),
    }


HEADER = (
    f"{'model':10s}{'inputs':26s}{'compile cold':>13s}{'warm':>9s}{'first run':>12s}{'stratagem':>12s}"
    f"{'peer':>12s}  {'which':12s}{'relative':>9s}{'of minima':>11s}{'difference':>12s}"
)


def row_text(row: dict[str, Any]) -> str:
    ours, peer = row["ours"], row["peer"]
    return (
        f"{row['model']:10s}{row['inputs']:26s}{row['cold']:11.1f} s{row['warm']:7.1f} s{ours['first'] * 1e3:9.2f} ms"
        f"{ours['median'] * 1e3:9.2f} ms{peer['median'] * 1e3:9.2f} ms  {peer['name']:12s}{row['relative']:9.2f}"
        f"{row['relative_minimum']:11.2f}"
        f"{row['difference']:12.1e}"
    )


def start_up(folder: Path) -> dict[str, float]:
    """Seconds of small processes, whole and from their start."""
    commands = {
        "python alone": ["-c", "pass"],
        "import stratagem": ["-c", "import stratagem"],
        "stratagem --help": ["-m", "stratagem.cli.main", "--help"],
    }
    for artifact in sorted(folder.glob("*.sgm")):
        commands[f"stratagem run {artifact.name}"] = ["-m", "stratagem.cli.main", "run", str(artifact)]
    return {what: median_process(arguments) for what, arguments in commands.items()}


def median_process(arguments: list[str]) -> float:
    def one() -> float:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, *arguments]
        return timed(lambda: subprocess.run(command, env=environment, check=True, capture_output=True))[1]

    return sorted(one() for _ in range(5))[2]


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = function()
    return result, time.perf_counter() - started


def eager(module: Any, inputs: Sequence[Any]) -> Callable[[int], Contender]:
    """The module as PyTorch runs it without compiling."""

    def make(threads: int) -> Contender:
        import torch

        torch.set_num_threads(threads)

        def call() -> list[Array]:
            with torch.no_grad():
                result = module(*inputs)
            leaves = torch.utils._pytree.tree_leaves(result)
            return [leaf.numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]

        return Contender("torch eager", call, 0.0)

    return make


def residual(depth: int) -> Case:
    """A residual network on one image."""
    import torch

    from benchmarks.networks import resnet

    torch.manual_seed(0)
    model, x = resnet(depth), torch.randn(1, 3, 224, 224)
    return Case(f"resnet{depth}", model, (x,), "f32[1, 3, 224, 224]", eager(model, (x,)))


def bert() -> Case:
    """The encoder of BERT-base on one sequence of 128 tokens."""
    import torch

    from benchmarks.networks import Bert

    torch.manual_seed(0)
    model, tokens = Bert().eval(), torch.randint(0, 30522, (1, 128))
    return Case("bert", model, (tokens,), "i64[1, 128], f32 inside", eager(model, (tokens,)))


def magika() -> Case | None:
    """The file-type classifier of `examples/first_run.py`, which downloads it."""
    path = ROOT / ".cache/magika.onnx"
    if not path.exists():
        return None
    tokens = np.random.default_rng(0).integers(0, 257, (1, 2048)).astype(np.int32)
    return Case(
        "magika", path, (tokens,), "i32[1, 2048], f32 inside", lambda n: peers.make("ort", path, {"": tokens}, n)
    )


CASES: dict[str, tuple[list[str], Callable[[], Case | None]]] = {
    "resnet18": (["torch"], lambda: residual(18)),
    "resnet50": (["torch"], lambda: residual(50)),
    "bert": (["torch"], bert),
    "magika": (["onnxruntime"], magika),
}
"""Name -> packages it needs, how to make it."""

if __name__ == "__main__":
    main()
