"""Start-up stays quick because nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = {
    "torch",
    "jax",
    "jaxlib",
    "onnx",
    "onnxruntime",
    "torch_mlir",
    "triton",
    "islpy",
    "llvmlite",
    "networkx",
    "pint",
}


def loaded(code: str) -> set[str]:
    """Top-level modules that a fresh process has loaded after `code`."""
    script = f"import sys\n{code}\nprint('|', *{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("|")[2].split())


def test_import_stratagem() -> None:
    found = loaded("import stratagem")
    assert "stratagem" in found
    assert not found & (HEAVY | {"numpy", "click", "ruamel", "pydantic"})


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["compile", "--help"], ["verify", "--help"]])
def test_help(arguments: list[str]) -> None:
    found = loaded(f"from stratagem.cli.main import run\nrun({arguments})")
    assert "click" in found
    assert not found & (HEAVY | {"numpy", "ruamel", "pydantic"})


def test_loading_an_artifact_needs_no_compiler() -> None:
    code = "import stratagem\ntry:\n    stratagem.load('none.sgm')\nexcept stratagem.StratagemError:\n    pass"
    assert not loaded(code) & HEAVY


def test_the_hardware_library_needs_no_compiler() -> None:
    found = loaded("from stratagem.hwmodels import load_machine\nload_machine('generic-avx2')")
    assert not found & (HEAVY - {"pint"})


def test_every_public_name_is_there() -> None:
    pytest.importorskip("torch", reason="one public name registers a backend with PyTorch, which is not installed")
    code = "import stratagem\nfor name in stratagem.__all__:\n    getattr(stratagem, name)"
    assert "stratagem" in loaded(code)
    with pytest.raises(AttributeError, match="no attribute 'compil'"):
        import stratagem

        stratagem.compil  # noqa: B018
