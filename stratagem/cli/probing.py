"""`stratagem hw probe` where it measures: this processor, a GPU, or links between ranks."""

from __future__ import annotations

from pathlib import Path

import click


def measure_here(output: Path | None, seconds: float) -> None:
    """Measures this machine, writes the calibration where it is found again (or to `output`), and shows it."""
    from stratagem.cli.progress import progress_bar
    from stratagem.compiler.probe.document import calibration_document
    from stratagem.compiler.probe.measure import measure
    from stratagem.compiler.probe.store import calibration_path, write_calibration
    from stratagem.hwmodels import load_calibration, load_device
    from stratagem.hwmodels.describe_calibration import calibration_lines

    path = output or calibration_path()
    if path is None:
        raise click.ClickException("STRATAGEM_CACHE is off, so there is no place for the calibration; give -o FILE")
    device = load_device("cpu")
    with progress_bar(False, ("measure",)) as progress:
        found = measure(device, seconds, lambda what: progress("measure", what) if progress else None)
    write_calibration(path, calibration_document(device.name, found, "stratagem hw probe --measure"))
    click.echo("\n".join(calibration_lines(load_calibration(path))))
    click.echo(
        f"\nwrote {path}" + ("" if output else "; target 'cpu' uses it, delete it to go back to what is declared")
    )
    _tell_of_gpus()


def measure_ranks(output: Path | None) -> None:
    """Measures links over MPI; the first rank writes the system to `output`, or to standard output."""
    from stratagem.api.compiling import load_target
    from stratagem.compiler.probe.links import measure_links, system_text

    hosts, found = measure_links()
    if not found:  # another rank writes
        return
    machine = load_target("cpu")
    text = system_text(machine.members[machine.host].device, hosts, found)
    if output is None:
        click.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    click.echo(f"wrote {output}")


def measure_device(target: str, simulate: bool, seconds: float, output: Path | None) -> None:
    """Measures the GPU that `target` describes, writes the calibration and shows it.

    What a simulated clock tells is written to `output` only: no prediction may take it for a measurement.
    """
    from stratagem.cli.progress import progress_bar
    from stratagem.compiler.probe.document import calibration_document
    from stratagem.compiler.probe.gpu.clocks import DeviceClock
    from stratagem.compiler.probe.gpu.measure import measure_gpu
    from stratagem.compiler.probe.gpu.programs import gpu_tasks
    from stratagem.compiler.probe.gpu.simulated import SimulatedClock
    from stratagem.compiler.probe.store import device_calibration_path, write_calibration
    from stratagem.hwmodels import load_device

    device = load_device(target)
    if device.backend != "gpu":
        raise click.UsageError(
            f"--target is the description of a GPU, and '{device.name}' is for backend '{device.backend}'; "
            "hw probe --measure measures this processor"
        )
    path = output or (None if simulate else device_calibration_path(device.name))
    if path is None and not simulate:
        raise click.ClickException("STRATAGEM_CACHE is off, so there is no place for the calibration; give -o FILE")
    clock = SimulatedClock(device) if simulate else DeviceClock(seconds)
    click.echo(clock.label)
    with progress_bar(False, ("compile", "measure")) as progress:
        tasks = list(gpu_tasks(device, lambda what: progress("compile", what) if progress else None))
        found = measure_gpu(tasks, clock, lambda what: progress("measure", what) if progress else None)
    document = calibration_document(device.name, found, f"stratagem hw probe --target: {clock.label}", clock.kind)
    click.echo("\n".join(calibration_text(document)))
    if path is not None:
        write_calibration(path, document)
        used = f"; targets and systems with '{device.name}' use it, delete it to go back to what is declared"
        click.echo(f"\nwrote {path}" + ("" if output else used))


def calibration_text(document: dict[str, object]) -> list[str]:
    """A calibration as people read it, checked as any file is."""
    from tempfile import TemporaryDirectory

    from stratagem.compiler.probe.store import write_calibration
    from stratagem.hwmodels import load_calibration
    from stratagem.hwmodels.describe_calibration import calibration_lines

    with TemporaryDirectory() as folder:
        path = Path(folder) / "calibration.yaml"
        write_calibration(path, document)
        return list(calibration_lines(load_calibration(path)))


def _tell_of_gpus() -> None:
    """One line where there is a GPU beside the processor that was measured."""
    from stratagem.compiler.backends.gpu.cuda import count_devices

    if count_devices():
        click.echo("there is a GPU here, too; with the name of its description: stratagem hw probe --target NAME")
