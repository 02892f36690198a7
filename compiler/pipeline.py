"""The way down, as data: stage -> passes, in order. A stage's name is its dump suffix, its `--until` name, the key
under which edited IR may replace its result, and its heading in `docs/architecture.md`."""

from __future__ import annotations

Stage = tuple[str, tuple[str, ...]]

PIPELINE: tuple[Stage, ...] = (
    (
        "tensor",
        (
            # Before anything folds.
            "guard-arctangents",
            "mlir{pipeline=canonicalize,cse}",
            # Sizes of results in terms of sizes of inputs: a kernel must not need its own result to size it.
            "mlir{pipeline=resolve-ranked-shaped-type-result-dims,canonicalize,cse}",
            # Folding may have made constants of any size.
            "fill-splats",
            "drop-unused-results",
            # Before `fold-parameters`: indices that are parameters are compared once, when the model is built.
            "assert-indices",
            # Last of what changes computations: equal values are one by now, and the level that is kept names what is
            # stored. Before `partition-program`, which cuts stored values over ranks like any other parameter.
            "fold-parameters",
            "assert-sizes",
        ),
    ),
    (
        "device",
        (
            # Before kernels: tile sizes depend on the shapes of one rank.
            "partition-program",
            # While paddings and joined tensors are operations of their own.
            "propagate-layouts",
            "form-kernels",
            "match-functions",
            # A library reads weights as they are.
            "call-libraries",
            # Which device reads a weight decides its layout; tiles are chosen for the loops that result.
            "pack-weights",
            # What was measured is known better than what is estimated.
            "tune-kernels",
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


def with_options(strategy: str = "auto", tune: int = 0) -> tuple[Stage, ...]:
    """The pipeline with another way to cut programs over a system's ranks (see `partition-program`), and with so many
    seconds for measuring tiles (see `tune-kernels`); libraries that the hardware offers are measured before, for at
    most a quarter of that."""
    options = {
        "call-libraries": f"call-libraries{{seconds={max(tune // 4, 1)}}}" if tune else "call-libraries",
        "partition-program": f"partition-program{{strategy={strategy}}}",
        "tune-kernels": f"tune-kernels{{seconds={tune}}}" if tune else "tune-kernels",
    }
    return tuple((stage, tuple(options.get(p, p) for p in passes)) for stage, passes in PIPELINE)
