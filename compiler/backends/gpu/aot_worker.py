"""Worker process: compiles Triton source to cubins without a GPU. Started by `aot.py`."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import types
from typing import Any

from stratagem.compiler.backends.gpu.protocol import Message
from stratagem.compiler.backends.gpu.worker import serve

_MATRIX_INSTRUCTIONS = re.compile(r"\b(?:wgmma\.mma_async|mma\.sync|tcgen05\.mma)\b")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")


def answer(request: dict[str, Any], blobs: list[bytes]) -> Message:
    """Compiles one function; the answer holds its launch facts and cubin, or the compiler's message."""
    try:
        return _compile(request)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}, []


def load_source(source: str, file: str) -> types.ModuleType:
    """Executes kernel source as a module; Triton reads its text back, so the lines are kept."""
    module = types.ModuleType(file.strip("<>"))
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), module.__dict__)
    return module


def _compile(request: dict[str, Any]) -> Message:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.backends.nvidia.compiler import sm_arch_from_capability
    from triton.compiler import ASTSource

    _use_oldest_assembler(triton)
    module = load_source(request["source"], f"<{request['function']}>")
    function = getattr(module, request["function"])
    signature = dict(request["signature"])
    aligned = {(i,): [["tt.divisibility", 16]] for i, t in enumerate(signature.values()) if t.startswith("*")}
    source = ASTSource(fn=function, signature=signature, constexprs={}, attrs=aligned)
    options = {"num_warps": request["warps"], "num_stages": request["stages"], "enable_fp_fusion": True}
    target = GPUTarget("cuda", request["capability"], request["warp_size"])
    log = io.StringIO()
    triton.knobs.nvidia.dump_ptxas_log = True
    with contextlib.redirect_stdout(log):
        kernel = triton.compile(source, target=target, options=options)
    facts = _facts(kernel, log.getvalue(), triton.__version__)
    facts["matrix_instructions"] = len(_MATRIX_INSTRUCTIONS.findall(kernel.asm["ptx"]))
    facts["exact"] = sm_arch_from_capability(request["capability"]).endswith("a")
    return facts, [kernel.asm["cubin"]]


def _facts(kernel: Any, log: str, version: str) -> dict[str, Any]:
    metadata = kernel.metadata
    spills = _SPILLS.search(log)
    return {
        "symbol": metadata.name,
        "warps": metadata.num_warps,
        "ctas": metadata.num_ctas,
        "shared": metadata.shared,
        "scratch": metadata.global_scratch_size + metadata.profile_scratch_size,
        "spills": sum(map(int, spills.groups())) if spills else None,
        "triton": version,
    }


def _use_oldest_assembler(triton: Any) -> None:
    """Assembles with Triton's older ptxas unless the user chose one: its code runs on older drivers too."""
    os.environ.setdefault("TRITON_PTXAS_BLACKWELL_PATH", triton.knobs.nvidia.ptxas.path)


if __name__ == "__main__":
    serve(answer)
