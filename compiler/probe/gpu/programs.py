"""The kernels that a probe times on a GPU, made by the compiler and its backend for a hardware description."""

from __future__ import annotations

from collections.abc import Iterator

from torch_mlir import ir

from stratagem.compiler import knobs
from stratagem.compiler.backends.base import load_backend
from stratagem.compiler.backends.gpu.limits import limits_of
from stratagem.compiler.compile import compile_program
from stratagem.compiler.cost.device import BYTES
from stratagem.compiler.ir import functions, parse_module, symbol_name
from stratagem.compiler.probe.found import Tell
from stratagem.compiler.probe.gpu.tasks import Task
from stratagem.compiler.probe.programs import elementwise, product
from stratagem.compiler.program import Program
from stratagem.hwmodels import Device, Level
from stratagem.hwmodels.assemble import DEVICE, system_of_device
from stratagem.runtime.errors import HardwareError

PRODUCTS = (1024, 2048, 3072, 4096, 6144, 8192)
"""Sides of the square matrices that are multiplied."""
DTYPES = ("f32", "f16", "bf16")
"""Element types of the backend's products."""
WIDTH = 4096
"""Numbers that one program reads at a time, next to each other."""
PROGRAMS = 8
"""Programs for each place (multiprocessor): enough to hide what one waits for."""
READ = 1 << 31
"""Bytes that a kernel reads in all: long beside its start."""
INSIDE = (0.25, 0.5)
"""Working sets of a cache, as parts of what it holds."""
BEYOND = 8
"""The working set of what lies outside the caches, in multiples of what the largest of them holds."""
LARGEST = 1 << 30
"""Bytes of a working set at most, where there is no cache to outgrow."""


def gpu_tasks(device: Device, tell: Tell, sides: tuple[int, ...] = PRODUCTS) -> Iterator[Task]:
    """Compiles all of them. Raises HardwareError for a description that the backend cannot compile for."""
    limits_of(device)
    if not shared_levels(device):
        raise HardwareError(
            f"'{device.name}' has no memory with a size around its groups of units", hint="add one to 'levels'"
        )
    for level in shared_levels(device):
        for held in working_sets(device, level):
            tell(f"reads: {held / 1e6:.0f} MB, from {level.name}")
            yield reads_task(device, level.name, held)
    tell("starting a kernel")
    yield launch_task(device)
    for dtype in DTYPES:
        if device.unit_for("matmul", dtype) is not None:
            for side in sides:
                tell(f"products of {dtype}: {side}")
                yield product_task(device, side, dtype)


def shared_levels(device: Device) -> list[Level]:
    """Memories that all groups of units share, outermost first."""
    names = [level.name for level in device.levels]
    first = names.index(device.groups()[0].name) if device.groups() else len(names)
    return [level for level in device.memories() if level.size and names.index(level.name) < first]


def working_sets(device: Device, level: Level) -> list[int]:
    """Bytes to read again and again such that they come from `level`."""
    held = {each.name: (each.size or 0) * device.instances(each.name) for each in shared_levels(device)}
    if level.kind == "cache":
        return [int(part * held[level.name]) for part in INSIDE]
    inside = [held[each.name] for each in shared_levels(device) if each.kind == "cache"]
    if not inside:
        return [min(LARGEST, held[level.name] // 4)]
    return [min(BEYOND * max(inside), held[level.name] // 4)]


def launch_task(device: Device) -> Task:
    """A kernel that does next to nothing on every place."""
    outermost = shared_levels(device)[0]
    program = elementwise(32 * device.groups()[0].count, "arith.addf %v, %one : f32")
    task = _compiled(device, program, "launch", "f32", ())
    return Task("launch", task.kernel, task.files, latency=outermost.latency or 0.0)


def product_task(device: Device, side: int, dtype: str) -> Task:
    """Two square matrices of `side` rows."""
    return _compiled(device, product(side, side, side, dtype), "product", dtype, (side,) * 3)


def reads_task(device: Device, level: str, held: int) -> Task:
    """A kernel that reads `held` bytes of `level` again and again, READ in all."""
    rows = max(1, held // (4 * WIDTH))
    programs = PROGRAMS * device.groups()[0].count
    passes = max(1, READ // (programs * 4 * WIDTH))
    code = load_backend("gpu").compile_kernels(parse_module(reads(device, rows, programs, passes)), device)
    moved = 4.0 * WIDTH * programs * passes
    return Task("reads", "reads", dict(code.files), level, held=4 * WIDTH * rows, moved=moved, operations=moved / 4)


def reads(device: Device, rows: int, programs: int, passes: int, width: int = WIDTH) -> str:
    """Device form: program i adds up rows i, i + programs, i + 2 programs, ... of `x`, round and round."""
    staging = [level.name for level in device.memories() if level.kind == "scratchpad"][-1]
    unit = device.unit_for("add", "f32")
    x, out, row = (f"tensor<{n}x{width}xf32>" for n in (rows, programs, 1))
    same = "affine_map<(d0, d1) -> (d0, d1)>"
    kernel = f'{{class = "{device.name}", unit = "{unit.name if unit else ""}", function = "reduce_sum"}}'
    return f"""module attributes {{stratagem.level = "device"}} {{
func.func private @reads(%x: {x}, %out: {out} {{device.dest}}) -> {out} attributes {{device.kernel = {kernel}}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %passes = arith.constant {passes} : index
  %zero = arith.constant 0.0 : f32
  %r = scf.forall (%i) in ({programs}) shared_outs(%o = %out) -> ({out}) {{
    %e = tensor.empty() : {row}
    %start = linalg.fill ins(%zero : f32) outs(%e : {row}) -> {row}
    %sum = scf.for %p = %c0 to %passes step %c1 iter_args(%acc = %start) -> ({row}) {{
      %at = affine.apply affine_map<(d0, d1) -> ((d0 + d1 * {programs}) mod {rows})>(%i, %p)
      %xs = tensor.extract_slice %x[%at, 0] [1, {width}] [1, 1] : {x} to {row}
      %next = linalg.generic {{indexing_maps = [{same}, {same}], iterator_types = ["parallel", "parallel"]}}
          ins(%xs : {row}) outs(%acc : {row}) {{
      ^bb0(%v: f32, %before: f32):
        %s = arith.addf %v, %before : f32
        linalg.yield %s : f32
      }} -> {row}
      scf.yield %next : {row}
    }} {{device.level = "{staging}"}}
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %sum into %o[%i, 0] [1, {width}] [1, 1] : {row} into {out}
    }}
  }} {{device.tier = "{device.groups()[-1].name}"}}
  return %r : {out}
}}
}}"""


def _compiled(device: Device, text: str, kind: str, dtype: str, size: tuple[int, ...]) -> Task:
    """The one kernel that a program at the tensor level becomes, with the unit that it was given to."""
    with knobs.scope(verify="off"):
        made = compile_program(Program(parse_module(text)), system_of_device(device))
    assert made.code is not None
    if [kernel.member for kernel in made.code.kernels] != [DEVICE]:
        raise HardwareError(
            f"a {kind} of {dtype} does not become one kernel of '{device.name}', so it cannot be timed there",
            hint="stratagem explain shows where kernels of a model go, and why",
        )
    name = made.code.kernels[0].name
    function = next(f for f in functions(parse_module(made.levels["device"])) if symbol_name(f) == name)
    unit = str(ir.StringAttr(ir.DictAttr(function.attributes["device.kernel"])["unit"]).value)
    m, n, k = size or (0, 0, 0)
    held = BYTES[dtype] * (m * k + k * n + m * n)
    return Task(kind, name, made.code.files[DEVICE], unit, dtype, size, 2.0 * m * n * k, held, held)
