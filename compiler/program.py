"""The value that travels down the levels: a module, and the parameters it names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stratagem.runtime.parameters import ParameterStore


@dataclass
class Program:
    """A program at one level.

    `module` is complete: the next level needs nothing but it, `parameters` and the hardware description.
    """

    module: Any
    parameters: ParameterStore = field(default_factory=ParameterStore)

    @property
    def level(self) -> str:
        from stratagem.compiler.ir import level_of

        return level_of(self.module)
