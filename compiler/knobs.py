"""All environment variables, typed, in one place. Each is also a context manager: `with knobs.scope(debug=3): ...`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace

from stratagem.runtime.errors import UsageError

VERIFY = ("fast", "full", "off")


@dataclass(frozen=True)
class Knobs:
    """One value per `STRATAGEM_<NAME>` variable."""

    debug: int = 0
    """0 silent, 1 stages and times, 2 hardware choices, 3 IR after stages, 4 IR after every pass."""
    dump: str = ""
    """Folder for the IR after every pass, as `03-tile-kernels.mlir`."""
    stop: str = ""
    """Stop after this stage."""
    override: str = ""
    """Folder with edited IR: `<stage>.mlir` in it replaces the program after that stage."""
    verify: str = "fast"
    """`fast` (structure, level contracts, integer-set proofs), `full` (also: the program after every pass compared with
    the program before in every number domain, and the code run), or `off`."""
    verify_seconds: int = 900
    """Time that `verify=full` may take for its comparisons; what does not fit counts as not checked."""
    cache: str = ""
    """Folder of the compile cache; empty means the user's cache folder, `off` means none."""
    reuse: str = "on"
    """`on`: a model file compiled before for the same target and options is read back from the cache; `off`: compiled
    again."""
    threads: int = 0
    """Threads of the CPU runtime; 0 means one per processor this process may use."""
    reproducers: str = "stratagem-reproducers"
    """Folder that receives the IR before a failed pass."""
    runtime: str = ""
    """Path of the runtime's shared library, where it is not beside the package."""

    @staticmethod
    def from_environment() -> Knobs:
        """Reads `STRATAGEM_*`; raises UsageError for a value of the wrong type."""
        values: dict[str, int | str] = {}
        for field in fields(Knobs):
            name = f"STRATAGEM_{field.name.upper()}"
            text = os.environ.get(name)
            if text is None:
                continue
            if isinstance(field.default, int):
                if not text.lstrip("-").isdigit():
                    raise UsageError(f"{name}={text!r} is not a whole number", hint=f"for example {name}=1")
                values[field.name] = int(text)
            else:
                values[field.name] = text
        if values.get("verify", "fast") not in VERIFY:
            raise UsageError(f"STRATAGEM_VERIFY={values['verify']!r} is not known", hint=f"one of {', '.join(VERIFY)}")
        if values.get("reuse", "on") not in ("on", "off"):
            raise UsageError(f"STRATAGEM_REUSE={values['reuse']!r} is not known", hint="one of on, off")
        return replace(Knobs(), **values)  # type: ignore[arg-type]


_current: ContextVar[Knobs | None] = ContextVar("stratagem_knobs", default=None)


def current() -> Knobs:
    """The knobs in force: those of the innermost `scope`, else of the environment."""
    return _current.get() or Knobs.from_environment()


@contextmanager
def scope(**changes: int | str) -> Iterator[Knobs]:
    """Changes some knobs inside a `with` block and restores them after it."""
    token = _current.set(replace(current(), **changes))  # type: ignore[arg-type]
    try:
        yield current()
    finally:
        _current.reset(token)
