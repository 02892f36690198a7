"""How many plans a second the cost model costs on one core: `python -m benchmarks.plans [--devices 16384]`.

The model is a transformer of 175 billion parameters, the system a cluster of the library with as many nodes as needed.
"""

from __future__ import annotations

import argparse
import time

from stratagem.compiler.cost.model import model_of
from stratagem.compiler.cost.search import plans, step_cost
from stratagem.compiler.cost.transformer import Architecture, Transformer
from stratagem.hwmodels import load_machine

PER_NODE = 8


def main() -> None:
    """Prints plans, seconds and plans a second: first with nothing known yet, then once more."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plans", description=__doc__)
    parser.add_argument("--system", default="a100-cluster", help="a cluster with the parameter 'nodes'")
    parser.add_argument(
        "--devices", type=int, default=16384, help="most devices; all powers of two up to it are planned"
    )
    most = parser.parse_args().devices
    model = model_of(load_machine(parser.parse_args().system, {"nodes": -(-most // PER_NODE)}), "f16")
    shape = Architecture(hidden=12288, layers=96, heads=96, sequence=2048, vocabulary=51200)
    workload = Transformer("gpt3", shape, "f16")
    counts = [2**power for power in range(most.bit_length()) if 2**power <= most]
    for state in ("cold", "warm"):
        started, number = time.perf_counter(), 0
        for devices in counts:
            for plan in plans(model, workload, devices, 4 * most, "training"):
                step_cost(model, workload, plan, "training")
                number += 1
        seconds = time.perf_counter() - started
        done = f"{number} plans for {counts[0]} to {counts[-1]} devices in {seconds:.2f} s"
        print(f"{state}: {done}, {number / seconds:.0f} a second")


if __name__ == "__main__":
    main()
