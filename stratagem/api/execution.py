"""The one door from a tensor-level program to something that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from stratagem.compiler.program import Program

Array = np.ndarray[Any, Any]
Execute = Callable[[Sequence[Array]], Sequence[Array]]
Prepare = Callable[["Program"], Execute]


def prepare_for(target: Any) -> Prepare:
    """What compiles a program for `target`; the result takes and gives arrays in the program's order."""

    def prepare(program: Program) -> Execute:
        from stratagem.api.compiling import compile

        executable = compile(program, target=target).executable
        return lambda arrays: list(executable(*arrays))

    return prepare
