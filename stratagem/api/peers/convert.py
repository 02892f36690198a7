"""From the format a model is in to those that peers read, before anything is timed.

    python -m stratagem.api.peers.convert MODEL.pt2 OUT.onnx|OUT.mlir

`.pt2` becomes ONNX with PyTorch's exporter and StableHLO with torch-mlir; StableHLO keeps its weights outside, as
arguments before the inputs, in `OUT.weights.npz`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stratagem.api.measure.subject import write_arrays
from stratagem.api.peers.parameter_layouts import lay_out_parameters
from stratagem.runtime.errors import UsageError

CONVERSIONS = {".pt2": (".onnx", ".mlir"), ".mlirbc": (".mlir",)}
OPSET = 18
WEIGHTS = ".weights.npz"


def reachable(ending: str) -> frozenset[str]:
    """Formats that a file with this ending can be had in."""
    return frozenset((ending, *CONVERSIONS.get(ending, ())))


def files_for(model: Path, formats: Iterable[str], folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """The model in the formats asked for, by ending, and why one could not be made, by ending.

    What is in `folder` already is taken. Each conversion runs in a process of its own.
    """
    files, failed = {model.suffix.lower(): model}, {}
    for ending in set(formats) - files.keys():
        target = folder / f"model{ending}"
        if not target.exists():
            done = subprocess.run(
                [sys.executable, "-m", "stratagem.api.peers.convert", str(model), str(target)],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
                failed[ending] = f"no {ending} of {model.name}: {lines[-1][:300]}"
                continue
        files[ending] = target
    return files, failed


def to_onnx(exported: Any, target: Path, names: tuple[list[str], list[str]] | None = None) -> None:
    """Writes an ExportedProgram as ONNX; `names` are those of inputs and outputs."""
    import torch

    inputs, outputs = names or (None, None)
    program = torch.onnx.export(
        exported,
        opset_version=OPSET,
        dynamo=True,
        optimize=True,
        input_names=inputs,
        output_names=outputs,
        verbose=False,
    )
    program.save(str(target), external_data=True)


def to_stablehlo(exported: Any, target: Path) -> None:
    """Writes an ExportedProgram as StableHLO bytecode, and beside it its parameters, in the order of the arguments."""
    from torch_mlir.compiler_utils import OutputType, lower_mlir_module, run_pipeline_with_repro_report
    from torch_mlir.extras.fx_decomp_util import get_decomposition_table

    from stratagem.compiler.frontends.torch_arguments import settle_arguments
    from stratagem.compiler.frontends.torch_lowering import import_graph
    from stratagem.compiler.frontends.torch_parameters import tensor_of
    from stratagem.compiler.frontends.torch_signature import Role, read_signature

    prepared = exported.run_decompositions(get_decomposition_table())
    signature = read_signature(prepared, None)
    slots = settle_arguments(prepared, signature)
    module = import_graph(prepared.graph)
    pipeline = "builtin.module(torchdynamo-export-to-torch-backend-pipeline{extra-library=})"
    run_pipeline_with_repro_report(module, pipeline, "lowering the exported program")
    lower_mlir_module(False, OutputType.STABLEHLO, module)
    parameters = [s for s in slots if s.role is Role.PARAMETER]
    weights = lay_out_parameters(module, [tensor_of(prepared, s).detach().numpy() for s in parameters])
    write_arrays(target.with_suffix(WEIGHTS), weights)
    with target.open("wb") as file:
        module.operation.write_bytecode(file)


def main(model: Path, target: Path) -> None:
    """Converts one file; raises UsageError for a pair of endings there is no way between."""
    if target.suffix not in CONVERSIONS.get(model.suffix.lower(), ()):
        raise UsageError(f"{model.suffix} files are not converted to {target.suffix}")
    if model.suffix.lower() == ".mlirbc":
        target.write_bytes(model.read_bytes())  # what reads one reads the other
        return
    import torch

    exported = torch.export.load(str(model))
    (to_onnx if target.suffix == ".onnx" else to_stablehlo)(exported, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
