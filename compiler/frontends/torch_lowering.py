"""From a prepared graph to linalg on tensors, through the torch-mlir importer and pipelines.

Every tensor the graph takes from outside, parameters included, is a function argument: no weight passes
through MLIR.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import fx

from stratagem.compiler.frontends.forked import CrashError, run_forked
from stratagem.compiler.frontends.torch_bits import lower_bitcasts
from stratagem.compiler.frontends.torch_capture import FRAME, is_internal_frame
from stratagem.compiler.frontends.torch_loops import count_steps, is_loop, loop_graphs
from stratagem.compiler.frontends.torch_refusals import refuse
from stratagem.compiler.frontends.torch_rewrites import BACKEND_LEGAL_OPS
from stratagem.compiler.frontends.torch_single import isolated_operator, operators
from stratagem.compiler.frontends.torch_unsigned import widen_unsigned
from stratagem.compiler.ir import new_context, parse_module, to_text
from stratagem.compiler.levels.tensor import CONSTANT_LIMIT
from stratagem.runtime.errors import PassError, StratagemError, UnsupportedError

FUNCTION = "main"

TO_BACKEND = (
    "builtin.module(func.func(torch-match-quantized-custom-ops),torchdynamo-export-to-torch-backend-pipeline{"
    f"backend-legal-ops={','.join(BACKEND_LEGAL_OPS)} extra-library=}})"
)
TO_LINALG = "builtin.module(torch-backend-to-linalg-on-tensors-backend-pipeline)"

_FAILED = re.compile(r"failed to legalize operation '(?:torch\.)?([\w.]+)'|'(?:torch\.)([\w.]+)' op")
_OPERATOR_NAME = re.compile(r'name = "(?:torch\.)?([\w.]+)"')
_FILE = re.compile(r'"([^"]+)":(\d+)')


def import_graph(graph: fx.Graph) -> Any:
    """The graph as one function `main` of a module in the torch dialect; placeholders are its arguments,
    in order."""
    from torch_mlir.extras.fx_importer import FxImporter

    for part in (graph, *loop_graphs(graph)):
        for node in part.nodes:
            shorten_trace(node)
    importer = FxImporter(context=new_context(), hooks=_literal_hooks())
    try:
        for node in filter(is_loop, graph.nodes):
            for part in node.args[:2]:
                body = getattr(graph.owning_module, str(part.target))
                importer.import_graph_module(body, func_name=str(part.target), func_visibility="private")
        importer.import_stateless_graph(graph, func_name=FUNCTION)
    except (NotImplementedError, AssertionError, TypeError, ValueError, RuntimeError, KeyError) as error:
        raise UnsupportedError(f"the importer refuses the graph: {error}") from error
    count_steps(importer.module)
    return importer.module


def _literal_hooks() -> Any:
    """The importer writes constant tensors as resources, which no pass can fold; small ones as plain
    elements instead."""
    from torch_mlir import ir
    from torch_mlir.extras import fx_importer

    class Hooks(fx_importer.FxImporterHooks):  # type: ignore[misc]  # the wheel has no types
        def resolve_literal(self, importer: Any, literal: Any, info: Any) -> Any:
            if not isinstance(literal, torch.Tensor) or not 0 < literal.numel() <= CONSTANT_LIMIT:
                return None
            kind = fx_importer.create_mlir_tensor_type(literal)
            make = ir.FloatAttr.get if literal.dtype.is_floating_point else ir.IntegerAttr.get
            elements = [make(kind.element_type, value) for value in literal.detach().flatten().tolist()]
            return ir.Operation.create(
                "torch.vtensor.literal",
                results=[importer._cc.create_vtensor_type(literal.dtype, literal.size())],
                attributes={"value": ir.DenseElementsAttr.get(elements, kind)},
            ).result

    return Hooks()


def shorten_trace(node: fx.Node) -> None:
    """Keeps one frame of a node's stack trace, the innermost of the user's: it becomes the MLIR location,
    and the full traces are many times larger than the program. Where no frame is the user's, in a model that
    is made of PyTorch's own modules, the innermost module's path stands in its place, with line 0."""
    frames = FRAME.findall(node.meta.get("stack_trace") or "")
    outside = [(f[0], f[1]) for f in frames if not is_internal_frame(f[0])]
    place = outside[-1] if outside else (_module_path(node), 0)
    node.meta["stack_trace"] = 'File "{}", line {}, in forward'.format(*place) if place[0] else None


def _module_path(node: fx.Node) -> str:
    """`layers.0.linear1`; empty outside of submodules."""
    modules = list((node.meta.get("nn_module_stack") or {}).values())
    return str(modules[-1][0]) if modules else ""


def lower_to_linalg(module: Any) -> Any:
    """Lowers a torch-dialect module; raises UnsupportedError naming the operator and the user's line.

    Runs in a child process: some operators make the pipelines crash.
    """

    def step() -> str:
        _run_pipelines(module)
        return to_text(module)

    try:
        return parse_module(run_forked(step))
    except CrashError as crash:
        raise _explain_crash(module, str(crash)) from None


def _explain_crash(module: Any, how: str) -> UnsupportedError:
    """Finds the operator that makes the lowering crash by lowering each kind of operator alone."""
    for op in operators(module):
        alone = isolated_operator(op)
        if alone is not None and _crashes(alone):
            name = op.name.removeprefix("torch.")
            types = ", ".join(str(v.type).removeprefix("!torch.") for v in op.operands)
            file = _FILE.search(str(op.location))
            where = f"{file[1]}:{file[2]}" if file else None
            return refuse(name, f"cannot be lowered for operands ({types}): the lowering crashes", where)
    return UnsupportedError(
        f"the lowering to linalg crashes ({how})", hint="try the model in parts to find the operator"
    )


def _crashes(text: str) -> bool:
    def step() -> str:
        _run_pipelines(parse_module(text))
        return "done"

    try:
        run_forked(step)
    except CrashError:
        return True
    except StratagemError:
        return False
    return False


def _run_pipelines(module: Any) -> None:
    run_torch_pipeline(module, TO_BACKEND)
    lower_bitcasts(module)
    widen_unsigned(module, _refuse_operation)
    run_torch_pipeline(module, TO_LINALG)


def _refuse_operation(op: Any, problem: str) -> UnsupportedError:
    file = _FILE.search(str(op.location))
    return refuse(op.name.removeprefix("torch."), problem, f"{file[1]}:{file[2]}" if file else None)


def run_torch_pipeline(module: Any, pipeline: str) -> None:
    """Runs a pipeline; an operator that it cannot lower is a refusal, anything else a PassError."""
    from torch_mlir import ir
    from torch_mlir.passmanager import PassManager

    try:
        with module.context:
            PassManager.parse(pipeline).run(module.operation)
    except ir.MLIRError as error:
        raise _explain(str(error)) from None


def _explain(text: str) -> Exception:
    """The refusal behind a failed pipeline's diagnostics, PassError where they name no operator."""
    match = _FAILED.search(text)
    if match is None:
        return PassError(f"lowering from the torch dialect failed: {text[:1000]}")
    name, inner, file = match[1] or match[2], _OPERATOR_NAME.search(text), _FILE.search(text)
    operation = inner[1] if name == "operator" and inner else name
    where = f"{file[1]}:{file[2]}" if file else None
    return refuse(operation, "has no lowering to linalg" + _detail(text), where)


def _detail(text: str) -> str:
    types = re.findall(r"\(([^()]*)\) -> ", text)
    return f" for operands ({types[0]})" if types and len(types[0]) < 200 else ""
