"""From a prepared graph to linalg on tensors, through the torch-mlir importer and pipelines.

Every tensor the graph takes from outside, parameters included, is a function argument: no weight passes
through MLIR.
"""

from __future__ import annotations

import re
from typing import Any

from torch import fx

from stratagem.compiler.errors import PassError, StratagemError, UnsupportedError
from stratagem.compiler.frontends.torch_capture import FRAME, is_internal_frame
from stratagem.compiler.frontends.torch_isolation import CrashError, run_forked
from stratagem.compiler.frontends.torch_refusals import nearest_form, refuse
from stratagem.compiler.frontends.torch_rewrites import BACKEND_LEGAL_OPS
from stratagem.compiler.frontends.torch_single import isolated_operator, operators
from stratagem.compiler.ir import new_context, parse_module, to_text

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

    for node in graph.nodes:
        shorten_trace(node)
    importer = FxImporter(context=new_context())
    try:
        importer.import_stateless_graph(graph, func_name=FUNCTION)
    except (NotImplementedError, AssertionError, TypeError, RuntimeError, KeyError) as error:
        raise UnsupportedError(f"the importer refuses the graph: {error}") from error
    return importer.module


def shorten_trace(node: fx.Node) -> None:
    """Keeps one frame of a node's stack trace, the innermost of the user's: it becomes the MLIR location,
    and the full traces are many times larger than the program."""
    frames = FRAME.findall(node.meta.get("stack_trace") or "")
    outside = [f for f in frames if not is_internal_frame(f[0])]
    node.meta["stack_trace"] = 'File "{}", line {}, in forward'.format(*outside[-1]) if outside else None


def lower_to_linalg(module: Any) -> Any:
    """Lowers a torch-dialect module; raises UnsupportedError naming the operator and the user's line.

    Runs in a child process: some operators make the pipelines crash.
    """

    def step() -> str:
        for pipeline in (TO_BACKEND, TO_LINALG):
            run_torch_pipeline(module, pipeline)
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
        module = parse_module(text)
        for pipeline in (TO_BACKEND, TO_LINALG):
            run_torch_pipeline(module, pipeline)
        return "done"

    try:
        run_forked(step)
    except CrashError:
        return True
    except StratagemError:
        return False
    return False


def run_torch_pipeline(module: Any, pipeline: str) -> None:
    """Runs a pipeline; an operator that it cannot lower is a refusal, anything else a PassError."""
    from torch_mlir import ir
    from torch_mlir.passmanager import PassManager

    messages: list[tuple[str, str]] = []

    def keep(diagnostic: Any) -> bool:
        if "ERROR" in str(diagnostic.severity).upper():
            notes = "".join(f" {n.message[:2000]}" for n in diagnostic.notes)
            messages.append((str(diagnostic.location), diagnostic.message + notes))
        return True

    handler = module.context.attach_diagnostic_handler(keep)
    try:
        with module.context:
            module.context.emit_error_diagnostics = False
            PassManager.parse(pipeline).run(module.operation)
    except ir.MLIRError as error:
        raise _explain(messages, str(error)) from None
    finally:
        handler.detach()


def _explain(messages: list[tuple[str, str]], otherwise: str) -> Exception:
    for location, text in messages:
        match = _FAILED.search(text)
        if match:
            name = match[1] or match[2]
            inner = _OPERATOR_NAME.search(text)
            operation = inner[1] if name == "operator" and inner else name
            file = _FILE.search(location)
            where = f"{file[1]}:{file[2]}" if file else None
            reason = "has no lowering to linalg" + _detail(text)
            return refuse(
                operation, reason, where, nearest_form(operation.split(".")[1] if "." in operation else "")
            )
    detail = "; ".join(f"{where}: {text[:300]}" for where, text in messages) or otherwise
    return PassError(f"lowering from the torch dialect failed: {detail}")


def _detail(text: str) -> str:
    types = re.findall(r"\(([^()]*)\) -> ", text)
    return f" for operands ({types[0]})" if types and len(types[0]) < 200 else ""
