"""The probe's part of `benchmarks.gpu_check`: packed where Triton is, timed where a GPU is."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from stratagem.compiler.backends.gpu.cuda import LIBRARY, lacking
from stratagem.compiler.probe.document import calibration_document
from stratagem.compiler.probe.gpu.clocks import DeviceClock
from stratagem.compiler.probe.gpu.measure import measure_gpu
from stratagem.compiler.probe.gpu.tasks import Task, unpacked

PREFIX = "probe:"
"""Of folders in the archive; what follows is a number, for tasks are timed in order."""
DEVICE = "probe.json"
SECONDS = 0.2
"""For each task."""


def pack_probe(archive: zipfile.ZipFile, device: str, tasks: list[Task]) -> None:
    """Adds compiled tasks for a device."""
    archive.writestr(DEVICE, json.dumps(device))
    for number, task in enumerate(tasks):
        for file, content in task.packed().items():
            archive.writestr(f"{PREFIX}{number:03}/{file}", content)


def run_probe(path: Path, library: str = LIBRARY, seconds: float = SECONDS) -> dict[str, Any] | None:
    """The calibration of the device here, as plain data; None without tasks or without a device, which is said."""
    missing = lacking(library)
    with zipfile.ZipFile(path) as archive:
        tasks = packed_tasks(archive)
        if not tasks or missing:
            print(f"probe: not run: {missing or 'the archive has no tasks'}")
            return None
        device = str(json.loads(archive.read(DEVICE)))
    clock = DeviceClock(seconds, library)
    found = measure_gpu(tasks, clock, lambda what: print(f"probe: {what}", flush=True))
    clock.close()
    return calibration_document(device, found, f"benchmarks.gpu_check: {clock.label}")


def packed_tasks(archive: zipfile.ZipFile) -> list[Task]:
    """What `pack_probe` added, in order."""
    folders: dict[str, dict[str, bytes]] = {}
    for name in archive.namelist():
        if name.startswith(PREFIX):
            folder, file = name.split("/")
            folders.setdefault(folder, {})[file] = archive.read(name)
    return [unpacked(folders[folder]) for folder in sorted(folders)]
