"""`stratagem.compile` and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratagem.runtime.errors import HardwareError, UsageError

if TYPE_CHECKING:
    from stratagem.compiler.checks.verdicts import AssuranceReport
    from stratagem.compiler.compile import Compilation
    from stratagem.runtime.executable import Executable
    from stratagem.runtime.signature import Signature

Progress = Callable[[str, str], None]


class CompiledModel:
    """A compiled model: callable, printable at every level, and saved with `save`.

    Calling it with numpy arrays gives numpy arrays, with torch tensors torch tensors; one output comes back alone,
    several as a tuple.
    """

    def __init__(self, compilation: Compilation) -> None:
        self._compilation = compilation
        self._executable: Executable | None = None

    @property
    def signature(self) -> Signature:
        """Names, dtypes and shapes of inputs, outputs and parameters."""
        return self._compilation.signature

    @property
    def levels(self) -> list[str]:
        """The levels this model was taken through."""
        return list(self._compilation.levels)

    @property
    def compilation(self) -> Compilation:
        """Everything the compiler kept: passes and their times, parameters, machine."""
        return self._compilation

    @property
    def report(self) -> AssuranceReport:
        """What is proved, tested and not checked."""
        return self._compilation.report

    def ir(self, level: str) -> str:
        """The program at one level, as MLIR text; raises UsageError for a level it was not taken to."""
        levels = self._compilation.levels
        if level not in levels:
            raise UsageError(f"this model has no level '{level}'", hint=f"it has {', '.join(levels)}")
        return levels[level]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from stratagem.api.tensors import from_numpy, to_numpy

        kind, arrays = to_numpy([*arguments, *named.values()])
        executable = self.executable
        if named:
            results = executable(**dict(zip(named, arrays, strict=True)))
        else:
            results = executable(*arrays)
        converted = from_numpy(kind, results)
        return converted[0] if len(converted) == 1 else tuple(converted)

    @property
    def executable(self) -> Executable:
        """The loaded program; raises UsageError when the compile stopped before code."""
        if self._executable is None:
            self._executable = self._load()
        return self._executable

    def _load(self) -> Executable:
        from stratagem.compiler import knobs
        from stratagem.compiler.artifact import driver_table
        from stratagem.runtime.bindings import load_runtime
        from stratagem.runtime.executable import Executable

        code = self._compilation.code
        if code is None:
            raise UsageError(f"this model was compiled until level '{self._compilation.until}' only")
        if threads := knobs.current().threads:
            load_runtime().set_threads(threads)
        return Executable(
            code.shared_object,
            self.signature,
            self._compilation.parameters,
            code.arena_bytes,
            driver_table(self._compilation),
            libraries=code.libraries,
        )

    def save(self, path: str | Path) -> Path:
        """Writes the artifact; all or nothing. Raises ResourceError when the disk is full."""
        from stratagem.compiler.artifact import write_artifact

        write_artifact(self._compilation, Path(path))
        return Path(path)


def compile(
    model: Any,
    example_inputs: Sequence[Any] | None = None,
    target: str | Path | Any = "cpu",
    *,
    dynamic_shapes: Any = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    until: str | None = None,
    strategy: str = "auto",
    tune: int = 0,
    progress: Progress | None = None,
    run_checks: bool = True,
) -> CompiledModel:
    """Compiles a model for a target.

    Args:
        model: what `load_model` takes: a path, a torch module, a torch or JAX function, a
            `torch.export.ExportedProgram`, a `Program`.
        example_inputs: arrays or tensors; needed for modules and functions.
        target: a name `stratagem hw list` shows, `cpu` for this machine, a YAML file, or a loaded system.
        dynamic_shapes: which dimensions stay free, as for `torch.export`; not for programs exported already.
        input_shapes: for ONNX files: sizes of inputs that the file leaves free, by name.
        until: stop after this level (`tensor`, `device`, `system`, `physical`).
        strategy: how several ranks share the program: `tensor` cuts parameters, `batch` the data, `auto` either.
        tune: seconds for measuring other tiles of kernels here; what is found is kept for later compiles.
        progress: called with (stage, what) as work goes on.
        run_checks: with knob `verify=full`, also run the code against the reference, on random inputs.

    Raises:
        ModelError, UnsupportedError: the model cannot be read or is outside the tensor contract.
        HardwareError: the target cannot be read, or the program does not fit it.
        PassError, VerificationError: a stage failed, or a check refuted its result.
    """
    from stratagem.api.loading import load_model
    from stratagem.api.reuse import Recipe, reused
    from stratagem.compiler import knobs
    from stratagem.compiler.compile import compile_program

    machine = load_target(target)

    def make() -> Compilation:
        if progress:
            progress("import", str(model) if isinstance(model, str | Path) else type(model).__name__)
        program = load_model(model, example_inputs, dynamic_shapes, input_shapes)
        return compile_program(program, machine, until, progress, strategy, tune)

    file = Path(model) if isinstance(model, str | Path) else None
    recipe = Recipe(machine, input_shapes, until, strategy)
    kept = file is not None and file.is_file() and not tune
    compiled = CompiledModel(reused(file, recipe, make) if file is not None and kept else make())
    if run_checks and knobs.current().verify == "full":
        from stratagem.api.verifying import check_code
        from stratagem.compiler.checks.assurance import refuse_refuted

        findings = check_code(compiled, progress)
        compiled.report.add(*findings)
        refuse_refuted(findings)
    return compiled


def load_target(target: Any) -> Any:
    """The system a target names; raises HardwareError with every problem of the file at once."""
    from stratagem.compiler.probe.store import with_calibration, with_device_calibrations
    from stratagem.hwmodels import System, load_machine
    from stratagem.hwmodels.errors import HardwareFileError

    if isinstance(target, System):
        return target
    try:
        machine = load_machine(target)
        return with_calibration(machine) if target == "cpu" else with_device_calibrations(machine)
    except HardwareFileError as error:
        raise HardwareError(str(error)) from None


def load(path: str | Path) -> Executable:
    """Opens an artifact for running: needs neither torch, JAX nor MLIR. Raises ArtifactError."""
    from stratagem.runtime.executable import load_executable

    return load_executable(path)
