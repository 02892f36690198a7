"""Progress on standard error: a bar on a terminal, nothing when output is machine-read or redirected."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, str], None]
Counted = Callable[[int, int, str], None]
"""(done, in all, what comes next)."""
COMPILING = ("import", "tensor", "device", "system", "physical", "code")
VERIFYING = ("proofs", "levels", "kernels", "conditions", "whole")
"""The stages in the order in which they are told."""


@contextmanager
def progress_bar(quiet: bool, stages: tuple[str, ...] = COMPILING) -> Iterator[Progress | None]:
    """A callback (stage, what) that drives a bar with one step per stage."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.fields[stage]:9s}"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(stages), stage=stages[0])

        def tell(stage: str, what: str) -> None:
            bar.update(task, description=what, stage=stage, completed=stages.index(stage))

        yield tell


@contextmanager
def counting_bar(quiet: bool) -> Iterator[Counted | None]:
    """A callback (done, in all, what comes next) that drives a bar over equal pieces of work."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what, refresh=True)

        yield tell
