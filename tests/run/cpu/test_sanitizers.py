"""The runtime under the compilers' sanitizers: no races, no invalid accesses, no undefined behaviour."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("option, flags", [("STRATAGEM_ASAN", "address,undefined"), ("STRATAGEM_TSAN", "thread")])
def test_stress_program_is_clean(option: str, flags: str, tmp_path: Path) -> None:
    cmake, compiler = shutil.which("cmake"), shutil.which("cc")
    if not cmake or not compiler:
        pytest.skip("needs cmake and a C compiler")
    subprocess.run([cmake, "-S", str(ROOT), "-B", str(tmp_path), f"-D{option}=ON"], check=True, capture_output=True)
    subprocess.run([cmake, "--build", str(tmp_path)], check=True, capture_output=True)
    program, source = tmp_path / "stress", Path(__file__).parent / "stress.c"
    options = [f"-fsanitize={flags}", "-g", "-pthread", f"-I{ROOT / 'runtime/include'}", f"-L{tmp_path}"]
    command = [compiler, str(source), *options, "-lstratagem_runtime", f"-Wl,-rpath,{tmp_path}", "-o", str(program)]
    subprocess.run(command, check=True)
    result = subprocess.run([str(program)], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr[:2000]
