"""`load_onnx`: an ONNX model becomes a program at the tensor level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.frontends.isolate import exchange_folder, report_stage, run_isolated
from stratagem.compiler.frontends.landing import SIMPLIFY, land
from stratagem.compiler.frontends.onnx.build import build_graph
from stratagem.compiler.frontends.onnx.definitions import DEFINITIONS, wrong_in_the_wheel
from stratagem.compiler.frontends.onnx.emit import Emission, emit_main
from stratagem.compiler.frontends.onnx.functions import (
    WRONG_IN_THE_WHEEL,
    expand_operators,
    foreign_operators,
    operators,
)
from stratagem.compiler.frontends.onnx.graph import Graph
from stratagem.compiler.frontends.onnx.inline_bodies import inline_bodies
from stratagem.compiler.frontends.onnx.lower import is_opaque, lower_calls
from stratagem.compiler.frontends.onnx.read import NO_FOLDER, Source, read_model, serialised
from stratagem.compiler.frontends.onnx.refusals import Refused, explain, refuse_operation
from stratagem.compiler.frontends.onnx.refused_forms import refuse_forms
from stratagem.compiler.frontends.onnx.rewrites import decided_by_the_run
from stratagem.compiler.frontends.onnx.simplify import simplify
from stratagem.compiler.frontends.onnx.weights import STORED, Weights
from stratagem.compiler.frontends.onnx.worker import import_to_folder, program_from_folder
from stratagem.compiler.frontends.torch_unsigned import widen_unsigned
from stratagem.compiler.ir import new_context, run_pipeline, walk
from stratagem.compiler.program import Program
from stratagem.runtime.errors import PassError
from stratagem.runtime.parameters import ParameterStore

InputShapes = Mapping[str, Sequence[int | None]]

_KEEP_WHOLE = "aten.flatten.using_ints,aten.adaptive_avg_pool1d,aten.unflatten.int"
ONNX_TO_TORCH = f"builtin.module(torch-onnx-to-torch-backend-pipeline{{backend-legal-ops={_KEEP_WHOLE}}})"
TORCH_TO_LINALG = """builtin.module(
  func.func(torch-restructure-non-constant-axes,torch-fuse-quantized-ops,
    convert-torch-to-tmtensor{allow-non-finites=true},canonicalize,
    convert-torch-to-linalg{allow-non-finites=true},canonicalize,
    convert-torch-to-scf,convert-torch-to-arith,convert-torch-to-tensor),
  convert-torch-conversion-to-mlprogram,
  func.func(memref-expand,canonicalize,resolve-shaped-type-result-dims,cse),
  torch-func-backend-type-conversion,
  func.func(canonicalize,torch-finalizing-backend-type-conversion))"""
"""The wheel's own backend pipeline without its last check, which knows no calls."""


def load_onnx(
    source: Source,
    *,
    folder: str | Path | None = None,
    input_shapes: InputShapes | None = None,
    context: Any | None = None,
    isolate: bool = True,
    timeout: float | None = None,
    memory_limit: int | None = None,
) -> Program:
    """Imports a model.

    Args:
        source: path of an .onnx file, its bytes, or an onnx.ModelProto.
        folder: where external data may lie; by default the folder of the file.
        input_shapes: input name -> sizes to fix (None keeps a size free); equal free sizes go together.
        context: MLIR context to build in; a new one by default.
        isolate: import in a worker process, so that a crash of a native library becomes a ModelError.
        timeout, memory_limit: seconds and bytes the worker may take.

    Returns a program at level `tensor`. Its parameters are the model's constants above 64 elements; those
    of a file stay memory mapped where their alignment allows it.

    Raises ModelError for damaged or unsafe files, UnsupportedError naming the operator and node for what is
    outside the tensor contract, UsageError for a missing file, ResourceError when a limit is reached.
    """
    if not isolate:
        return import_model(source, folder, input_shapes, context)[0]
    with exchange_folder() as exchange:
        path, where = _as_file(source, folder, exchange)
        arguments = {
            "path": str(path),
            "folder": where and str(where),
            "out": str(exchange),
            "label": _label(source),
            "input_shapes": {k: list(v) for k, v in (input_shapes or {}).items()},
        }
        entries = run_isolated(
            import_to_folder,
            arguments,
            what=_label(source),
            folder=exchange,
            timeout=timeout,
            memory_limit=memory_limit,
        )
        return program_from_folder(exchange, entries, Weights(np.zeros(0, np.uint8), None, str(path)), context)


def _label(source: Source) -> str:
    return str(source) if isinstance(source, (str, Path)) else "model"


def _as_file(source: Source, folder: str | Path | None, exchange: Path) -> tuple[Path, str | Path | None]:
    """The model as a file the worker can read. One given in memory has no folder, unless one was named."""
    if isinstance(source, (str, Path)):
        return Path(source), folder
    path = exchange / "model.onnx"
    path.write_bytes(source if isinstance(source, (bytes, bytearray, memoryview)) else serialised(source))
    return path, folder if folder is not None else NO_FOLDER


def import_model(
    source: Source,
    folder: str | Path | None,
    input_shapes: InputShapes | None,
    context: Any | None,
    lazy: bool = False,
    label: str = "",
) -> tuple[Program, Weights]:
    """The import itself, in this process; also returns the reader of the weights. `label` names it in
    messages.
    """
    report_stage("reading the file")
    model, weights = read_model(source, folder, label)
    weights.lazy = lazy
    report_stage("checking the graph")
    graph = build_graph(model, weights, input_shapes or {})
    report_stage("folding constants and shapes")
    simplify(graph)
    graph.settled = True
    if decided_by_the_run(graph):
        simplify(graph)
    expanded: set[str] = set()
    while wanted := (WRONG_IN_THE_WHEEL & operators(graph) | foreign_operators(graph)) - expanded:
        expanded |= wanted
        expand_graph(graph, wanted)
    spell_out(graph, wrong_operators(graph))
    refuse_forms(graph, weights.source)
    while True:
        try:
            return _lower(graph, weights.source, context or new_context()), weights
        except Refused as refused:
            spelled = spell_out(graph, {refused.operator})
            if not spelled and (refused.operator in expanded or not expand_graph(graph, {refused.operator})):
                raise refused.error from None
            expanded.add(refused.operator)


def wrong_operators(graph: Graph) -> set[str]:
    """The operators of which a node, in bodies too, has a form that the wheel lowers wrongly."""
    found = {one.op_type for one in graph.nodes if wrong_in_the_wheel(one)}
    return found.union(*(wrong_operators(body) for body in graph.bodies.values()))


def spell_out(graph: Graph, kinds: AbstractSet[str]) -> bool:
    """Replaces operators by our definitions of them; returns whether there was one that was not used before."""
    wanted = kinds & DEFINITIONS.keys() - graph.spelled_out
    if wanted:
        graph.spelled_out |= wanted
        simplify(graph)
    return bool(wanted)


def expand_graph(graph: Graph, kinds: AbstractSet[str]) -> set[str]:
    """Replaces operators by their definitions; returns the kinds that had one."""
    if not kinds or not expand_operators(graph, kinds):
        return set()
    simplify(graph)
    return set(kinds)


def _lower(graph: Graph, source: str, context: Any) -> Program:
    with context, ir.Location.unknown():
        module = ir.Module.create()
        emission = Emission(module, source, is_opaque)
        emit_main(emission, graph)
    report_stage("lowering ONNX operators")
    _run(module, ONNX_TO_TORCH, graph, source)
    widen_unsigned(module, lambda op, problem: refuse_operation(graph, source, op, problem))
    report_stage("lowering to linalg")
    _run(module, TORCH_TO_LINALG, graph, source)
    with context, ir.Location.unknown():
        lower_calls(module, emission.calls)
        inline_bodies(module, emission.bodies)
    _run(module, SIMPLIFY, graph, source)
    report_stage("naming inputs and parameters")
    names = list(emission.parameters)
    interface = [*graph.inputs, *graph.outputs]
    unsigned = frozenset(n for n in interface if _unsigned(graph, n))
    stored = {n: STORED[kind.element] for n in interface if (kind := graph.type_of(n)) and kind.element in STORED}
    return land(
        module,
        "main",
        input_names=graph.inputs,
        output_names=graph.outputs,
        parameters=ParameterStore(emission.parameters),
        parameter_arguments={len(graph.inputs) + i: n for i, n in enumerate(names)},
        unsigned=unsigned,
        stored=stored,
    )


def _unsigned(graph: Graph, name: str) -> bool:
    kind = graph.type_of(name)
    return kind is not None and kind.element in (2, 4, 12, 13)


def _run(module: Any, pipeline: str, graph: Graph, source: str) -> None:
    try:
        run_pipeline(module, pipeline)
    except PassError as error:
        refused = explain(graph, source, error.problem.removeprefix(pipeline))
        if not refused.operator and (left := _left_over(module)):
            refused = explain(graph, source, left)
        raise refused from None


def _left_over(module: Any) -> str:
    """What a failed lowering left: it may have spoken of a constant that only this operation needs."""
    for op in walk(module.operation):
        if op.name.startswith("torch.") and not op.name.startswith("torch.constant."):
            return f"failed to legalize operation '{op.name}': {op.location}"
    return ""
