"""Object files to one shared object, with a C compiler as linker."""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stratagem.compiler.backends.cpu.object_code import ObjectCode
from stratagem.runtime.errors import PassError, ResourceError
from stratagem.runtime.shared_object import architecture


def link(objects: Sequence[ObjectCode | bytes], linker: Sequence[str] = (), libraries: Sequence[str] = ()) -> bytes:
    """Links objects into one shared object and returns its bytes.

    Runtime functions stay undefined: the process that loads the result has the runtime loaded with global symbols.

    Args:
        linker: command and options before our own; default what `find_c_compiler` finds.
        libraries: names of shared libraries that the result needs when it is loaded; they need not be here.

    Raises:
        ResourceError: no C compiler for the objects. PassError: the linker refused, with its first words.
    """
    contents = [one if isinstance(one, bytes) else one.data for one in objects]
    command = list(linker) or find_c_compiler(architecture(contents[0]))
    with tempfile.TemporaryDirectory(prefix="stratagem-link-") as folder:
        names = []
        for number, content in enumerate(contents):
            name = Path(folder) / f"{number}.o"
            name.write_bytes(content)
            names.append(str(name))
        if libraries:
            names += ["-Wl,--no-as-needed", *(_stand_in(command, name, Path(folder)) for name in libraries)]
        out = Path(folder) / "program.so"
        run = [*command, "-shared", "-Wl,-Bsymbolic", "-Wl,-z,noexecstack", "-o", str(out), *names, "-lm"]
        result = subprocess.run(run, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return out.read_bytes()
    lines = result.stderr.strip().splitlines() or ["no message"]
    raise PassError(f"linking {len(objects)} objects failed ({shlex.join(command)}): {lines[0]}")


def _stand_in(command: Sequence[str], name: str, folder: Path) -> str:
    """An empty library that calls itself `name`: what is linked with it names the real one."""
    file = folder / name
    run = [*command, "-shared", "-nostdlib", f"-Wl,-soname,{name}", "-o", str(file), "-x", "c", os.devnull]
    result = subprocess.run(run, capture_output=True, text=True, check=False)
    if result.returncode:
        problem = (result.stderr.strip().splitlines() or ["no message"])[0]
        raise PassError(f"linking with {name} failed ({shlex.join(command)}): {problem}")
    return str(file)


def find_c_compiler(machine: str = platform.machine()) -> list[str]:
    """The command of a C compiler for this machine or another: `$CC`, else `cc`, `gcc` or `clang`, whichever is found;
    for another machine the GNU cross compiler of its name, else Zig's compiler from the package `ziglang`.

    Raises ResourceError when there is none.
    """
    native = machine == platform.machine()
    for name in (os.environ.get("CC", ""), *(("cc", "gcc", "clang") if native else (f"{machine}-linux-gnu-gcc",))):
        found: str | None = shutil.which(name) if name else None
        if found:
            return [found]
    if native:
        raise ResourceError(
            "making a shared object needs a C compiler as linker; cc, gcc and clang are not on the PATH",
            hint="install one (for example the package gcc), or set CC to its path",
        )
    if importlib.util.find_spec("ziglang"):
        # Without -nostdlib Zig first builds, for half a minute, a library of functions that our code does not call.
        return [sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu", "-nostdlib"]
    raise ResourceError(
        f"the code is for {machine}, this machine is {platform.machine()}: {machine}-linux-gnu-gcc, which would link "
        "it, is not on the PATH, nor is the package ziglang installed",
        hint=f"`pip install 'stratagem[cross]'`, or install the package gcc-{machine}-linux-gnu, set CC, or stop "
        "earlier with `--until physical`",
    )
