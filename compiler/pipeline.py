"""The way down, as data: stage -> passes, in order. A stage's name is its dump suffix, its `--until` name, the key
under which edited IR may replace its result, and its heading in `docs/architecture.md`."""

from __future__ import annotations

Stage = tuple[str, tuple[str, ...]]

PIPELINE: tuple[Stage, ...] = (
    (
        "tensor",
        (
            "mlir{pipeline=canonicalize,cse}",
            "drop-unused-results",
        ),
    ),
    (
        "device",
        (
            # Before kernels: tile sizes depend on the shapes of one rank.
            "partition-program",
            "form-kernels",
            "match-functions",
            "tile-kernels",
        ),
    ),
    (
        "system",
        ("place-kernels",),
    ),
    (
        "physical",
        (
            # Drivers move what their kernels need, so a transfer is a fact about a launch.
            "lower-transfers",
            "lower-collectives",
            "bufferize-host",
            # After bufferization only: before it, values that share a buffer are still apart.
            "plan-memory",
        ),
    ),
)


def stage_names() -> list[str]:
    return [name for name, _ in PIPELINE]
