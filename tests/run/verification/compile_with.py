"""Compiles a program with the compiler in a folder: python compile_with.py FOLDER PROGRAM TARGET VERIFY STRATEGY.

Prints the error and ends with its status where the compile is refused. Parameters are drawn from a fixed seed.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(folder: str, program: str, target: str, verify: str, strategy: str) -> int:
    sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "ScikitBuildRedirectingFinder"]
    sys.path.insert(0, folder)
    import numpy as np

    import stratagem.compiler
    from stratagem.api.compiling import load_target
    from stratagem.compiler import knobs
    from stratagem.compiler.compile import compile_program
    from stratagem.compiler.interpreter.signature import arguments_of
    from stratagem.compiler.ir import find_function, parse_file
    from stratagem.compiler.program import Program
    from stratagem.runtime.errors import StratagemError
    from stratagem.runtime.parameters import ParameterStore

    assert str(stratagem.compiler.__file__).startswith(folder), stratagem.compiler.__file__
    module, draw = parse_file(Path(program)), np.random.default_rng(0)
    ports = [port for port in arguments_of(find_function(module, "main")) if port.is_parameter]
    store = ParameterStore({p.name: draw.standard_normal(p.shape).astype(p.dtype) for p in ports})
    try:
        with knobs.scope(verify=verify, reproducers=str(Path(program).parent / "reproducers")):
            compile_program(Program(module, store), load_target(target), "physical", strategy=strategy)
    except StratagemError as error:
        print(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
