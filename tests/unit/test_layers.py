"""Who may import whom: the arrows of `docs/architecture.md`, read from the sources."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "runtime": {"runtime"},
    "hwmodels": {"hwmodels"},
    "dialects": {"dialects"},
    "compiler": {"compiler", "dialects", "hwmodels", "runtime"},
}
HEAVY = {"torch", "jax", "onnx", "torch_mlir", "triton", "islpy", "llvmlite"}


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Modules a file imports, function bodies included unless asked otherwise; type-checking blocks left out."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        if top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        pending.extend(ast.iter_child_nodes(node))
    return found


@pytest.mark.parametrize("part", ALLOWED)
def test_parts_import_only_what_lies_below(part: str) -> None:
    allowed = {f"stratagem.{name}" for name in ALLOWED[part]}
    for path in (ROOT / part).rglob("*.py"):
        if part == "runtime" and path.name == "drivers.py":
            continue  # makes a driver by the name of its backend's folder
        foreign = {
            name
            for name in imports(path)
            if name.startswith("stratagem.") and ".".join(name.split(".")[:2]) not in allowed
        }
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


def test_the_runtime_never_imports_a_compiler_library() -> None:
    for path in (ROOT / "runtime").rglob("*.py"):
        heavy = {name for name in imports(path) if name.split(".")[0] in HEAVY}
        assert not heavy, f"{path.relative_to(ROOT)} imports {sorted(heavy)}"


def test_modules_import_without_cycles() -> None:
    """Top-level imports only: an import inside a function cannot close a circle at import time."""
    graph = {}
    for part in [*ALLOWED, "stratagem"]:
        for path in (ROOT / part).rglob("*.py"):
            relative = path.relative_to(ROOT).with_suffix("")
            parts = [p for p in relative.parts if p not in ("stratagem", "__init__")]
            graph[".".join(["stratagem", *parts])] = imports(path, top_level_only=True)
    for names in graph.values():  # `from package import module` needs the module, not all of the package
        names -= {name.rpartition(".")[0] for name in names if name in graph}
    done: set[str] = set()
    for module in graph:
        _visit(module, graph, (), done)


def _visit(module: str, graph: dict[str, set[str]], path: tuple[str, ...], done: set[str]) -> None:
    assert module not in path, " -> ".join([*path[path.index(module) :], module])
    if module in done or module not in graph:
        return
    for name in graph[module]:
        if name != module:
            _visit(name, graph, (*path, module), done)
    done.add(module)


def test_drivers_import_without_a_compiler_library() -> None:
    for path in (ROOT / "compiler/backends").glob("*/driver.py"):
        heavy = {name for name in imports(path, top_level_only=True) if name.split(".")[0] in HEAVY}
        assert not heavy, f"{path.relative_to(ROOT)} imports {sorted(heavy)}"
