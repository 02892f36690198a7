"""Files of a benchmark's row, made once and kept: the model in every format, inputs, float64 results, its work.

    python -m benchmarks.prepare FOLDER ROW [ROW ...]

A folder is made again when the code that makes it has changed.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.rows import CASES, Case
from stratagem.api.measure.subject import Subject, Work, write_arrays
from stratagem.api.peers import convert, parameter_layouts

FORMATS = (".pt2", ".onnx", ".mlir")


def prepare(case: Case, root: Path) -> Path:
    """The folder of a row, for `open_subject`."""
    folder = root / case.name
    stamp = folder / "stamp"
    if stamp.exists() and stamp.read_text() == version_of_sources():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    module, inputs = case.build()
    exported = torch.export.export(module, inputs)
    torch.export.save(exported, folder / "model.pt2")
    names = [spec.arg.name for spec in exported.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    write_arrays(folder / "inputs.npz", {n: x.numpy() for n, x in zip(names, inputs, strict=True)})
    reference, flops = exact(module, inputs)
    write_arrays(folder / "reference.npz", [r.numpy() for r in reference])
    files, missing = convert.files_for(folder / "model.pt2", FORMATS, folder)
    parameters = bool(list(module.parameters()))
    work = work_of(exported, inputs, flops)
    Subject(case.name, folder, files, missing, case.convolutional, parameters, work).save()
    stamp.write_text(version_of_sources())
    return folder


def version_of_sources() -> str:
    """Changes with what decides the files."""
    here = Path(__file__).parent
    converters = [Path(inspect.getfile(module)) for module in (convert, parameter_layouts)]
    sources = [here / "rows.py", here / "prepare.py", *sorted((here / "networks").glob("*.py")), *converters]
    return hashlib.sha256(b"".join(p.read_bytes() for p in sources) + torch.__version__.encode()).hexdigest()


def exact(module: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[list[Any], float]:
    """Results in float64, and the floating-point operations of products and convolutions."""
    wide = copy.deepcopy(module).double()
    arguments = [x.double() if x.is_floating_point() else x for x in inputs]
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        results = tree_leaves(wide(*arguments))
    return results, float(counter.get_total_flops())


def work_of(exported: Any, inputs: tuple[Any, ...], flops: float) -> Work:
    """Bytes that a run must move and hold. Of a table only the rows that are looked up count as moved."""
    weights = {n: t for n, t in exported.state_dict.items() if not n.endswith("num_batches_tracked")}
    tables = looked_up(exported)
    moved = sum(min(nbytes(t), tables.get(n, nbytes(t))) for n, t in weights.items())
    results = [value(a) for a in tree_leaves(exported.graph.output_node().args)]
    moved += sum(map(nbytes, inputs)) + sum(nbytes(r) for r in results if r is not None)
    return Work(flops, moved, sum(map(nbytes, weights.values())), largest_live(exported.graph))


def looked_up(exported: Any) -> dict[str, int]:
    """Bytes read of each parameter that is only looked up in, by its name."""
    names = exported.graph_signature.inputs_to_parameters
    found: dict[str, int] = {}
    for node in exported.graph.nodes:
        if node.name in names and all(user.target is torch.ops.aten.embedding.default for user in node.users):
            found[names[node.name]] = sum(nbytes(value(user)) for user in node.users)
    return found


def largest_live(graph: torch.fx.Graph) -> int:
    """Bytes of inputs, results and intermediate tensors that some later operation still needs, where most are.

    Views have no bytes of their own: their tensor lives as long as they do. Parameters do not count.
    """
    order = {node: i for i, node in enumerate(graph.nodes)}
    owner: dict[Any, Any] = {}
    last: dict[Any, int] = {}
    for node in graph.nodes:
        is_view = node.op == "call_function" and returns_view(node)
        owner[node] = owner[node.args[0]] if is_view else node
        for used in node.all_input_nodes:
            last[owner[used]] = order[node]
    live, most = 0, 0
    dying: dict[int, list[Any]] = {}
    for node, end in last.items():
        dying.setdefault(end, []).append(node)
    for node, i in order.items():
        live += own_bytes(node) if owner[node] is node else 0
        most = max(most, live)
        live -= sum(own_bytes(n) for n in dying.get(i, []))
    return most


def returns_view(node: torch.fx.Node) -> bool:
    """Whether the result shares memory with its first argument."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.returns or not isinstance(node.args[0] if node.args else None, torch.fx.Node):
        return getattr(node.target, "__name__", "") == "getitem"
    return schema.returns[0].alias_info is not None


def own_bytes(node: torch.fx.Node) -> int:
    if node.op == "call_function" or (node.op == "placeholder" and not node.name.startswith(("p_", "b_", "c_"))):
        return sum(nbytes(t) for t in tree_leaves(node.meta.get("val")) if isinstance(t, torch.Tensor))
    return 0


def value(node: Any) -> Any:
    """The tensor that a node stands for, or None."""
    return node.meta.get("val") if isinstance(node, torch.fx.Node) else None


def nbytes(tensor: torch.Tensor) -> int:
    return int(tensor.numel() * tensor.element_size())


def main(root: Path, names: list[str]) -> None:
    for case in CASES:
        if case.name in names:
            prepare(case, root)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
