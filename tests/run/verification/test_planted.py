"""Bugs planted in passes: each patch is a small, likely mistake, and an ordinary compile with the patched package is
refused with a message that says where and on which element, or which sizes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutation.programs import FOLDED, PACKED
from tests.mutation.subjects import TINY, Subject, start
from tests.unit.schedule import programs as schedule
from tests.unit.sharding import programs as sharding
from tests.unit.upmem import programs as upmem

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
REFUSED = (3, 5, 6)
"""Exit statuses of errors in models and their parameters, passes, and verification; not that of a Python exception."""
SCRIPT = HERE / "compile_with.py"


@dataclass(frozen=True)
class Planted:
    """A patch, a program that shows it, how it is compiled, and what the refusal says (a regular expression)."""

    patch: str
    text: str
    said: str
    target: str = TINY
    verify: str = "full"
    strategy: str = "auto"
    parameters: tuple[int, ...] = ()


def three_layers() -> str:
    """Three products in a row: two values between them that are alive together for one call only."""
    sizes = ((37, 53), (53, 53), (53, 11))
    arguments = ", ".join(f"%w{i}: tensor<{k}x{n}xf32>, %b{i}: tensor<{n}xf32>" for i, (k, n) in enumerate(sizes))
    sources = ("%x", "%y0", "%y1")
    layers = "".join(
        schedule.linear("13", k, n, f"y{i}", sources[i], f"%w{i}", f"%b{i}") for i, (k, n) in enumerate(sizes)
    )
    return f"""{schedule.HEAD}
func.func @main(%x: tensor<13x37xf32>, {arguments}) -> tensor<13x11xf32> {{
    %zero = arith.constant 0.0 : f32
    {layers}
    return %y2 : tensor<13x11xf32>
}}"""


PLANTED = [
    Planted(
        "form-kernels-loses-init",
        schedule.CONV,
        r"pass 'form-kernels' of stage 'device' failed: .*'same results in the exact field' does not hold: "
        r"result 'r0': \d+ of 210 elements differ, first \[0, \d, \d, \d\]",
        parameters=(1, 2, 3),
    ),
    Planted(
        "tile-kernels-last-tile",
        schedule.mlp("17"),
        r"device level, matmul_\w+: '(writes|reads) in bounds' does not hold: at \(\d+, \d+.*\)",
        verify="fast",
        parameters=(1, 2, 3, 4),
    ),
    Planted(
        "partition-program-loses-collective",
        sharding.MLP,
        r"pass 'partition-program.*' of stage 'device' failed: .*'ranks compute what the uncut program does' does not "
        r"hold: result 'y' is a partial sum over 'node' of linalg.matmul.*: an all_reduce is missing",
        target="two-hosts",
        verify="fast",
        strategy="tensor",
    ),
    Planted(
        "partition-program-gathers-elsewhere",
        sharding.HEADS,
        r"'ranks compute what the uncut program does' does not hold: result 'y' is the whole of linalg.negf.* with its "
        r"elements in another order: \[\(3 of dim 1 by 2\) \(2 of dim 0 by 12, ",
        target="two-hosts",
        verify="fast",
        strategy="tensor",
    ),
    Planted(
        "plan-memory-reuses-early",
        three_layers(),
        r"physical level, main: 'buffers apart while alive' does not hold: buffer \d \[\d+, \d+\) and buffer \d "
        r"\[\d+, \d+\) are both alive at operation \d+",
        verify="fast",
        parameters=(1, 2, 3, 4, 5, 6),
    ),
    Planted(
        "fold-parameters-by-name",
        FOLDED.replace('"g"', '"z"'),
        r"pass 'fold-parameters' of stage 'tensor' failed: .*'results within the derived bound' does not hold: "
        r"result 'y': element \[\d, \d\]: .*, reference .*, bound",
    ),
    Planted(
        "place-kernels-stays",
        upmem.matmul(7, 5, 6, "i32"),
        r"system level, main: 'values where they are read' does not hold: func.return runs on 'host' and reads "
        r"operand 0 on 'pim'",
        target="cpu-upmem",
        verify="fast",
    ),
    Planted(
        "pack-weights-rows",
        PACKED,
        r"parameter 'w' holds other values than the view of 'w.panels' in its place",
        verify="fast",
    ),
]


def folder_of(planted: Planted, folder: Path) -> Path:
    """A copy of the package, laid out as it is when installed, and the program beside it."""
    copied = folder / "stratagem"  # its links to the other packages become folders
    shutil.copytree(ROOT / "stratagem", copied, ignore=shutil.ignore_patterns("__pycache__", "src"))
    subject = Subject(planted.patch, planted.text, parameters=planted.parameters)
    (folder / "program.mlir").write_text(str(start(subject).module))
    return copied


def compiled(planted: Planted, folder: Path) -> subprocess.CompletedProcess[str]:
    program = str(folder / "program.mlir")
    command = [sys.executable, str(SCRIPT), str(folder), program, planted.target, planted.verify, planted.strategy]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("planted", PLANTED, ids=[p.patch for p in PLANTED])
def test_a_planted_bug_is_refused_with_a_witness(planted: Planted, tmp_path: Path) -> None:
    package = folder_of(planted, tmp_path)
    right = compiled(planted, tmp_path)
    assert right.returncode == 0, right.stdout + right.stderr
    patch = HERE / "planted" / f"{planted.patch}.patch"
    subprocess.run(["git", "apply", "-p1", str(patch)], cwd=package, check=True)
    wrong = compiled(planted, tmp_path)
    assert wrong.returncode in REFUSED, wrong.stdout + wrong.stderr
    assert re.search(planted.said, wrong.stdout), wrong.stdout


def test_the_patches_touch_five_passes_at_least() -> None:
    passes = {p.patch.split("-")[0] + "-" + p.patch.split("-")[1] for p in PLANTED}
    assert len(passes) >= 5
