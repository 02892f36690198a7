"""What was measured, on disk: kernel, device, threads and tiles -> time relative to the compiler's own choice; and the
same with a library in place of tiles -> times of both."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stratagem.compiler import cache
from stratagem.compiler.schedule.tiles import Choice
from stratagem.runtime.errors import ResourceError, UsageError

BETTER = 0.97
"""Other tiles are taken where they need at most this part of the time: less cannot be told from noise."""

_TABLE = """create table if not exists measured (
    kernel text, device text, threads integer, tiles text, ratio real, seconds real,
    primary key (kernel, device, threads, tiles))"""
_OFFERS = """create table if not exists offers (
    kernel text, device text, threads integer, unit text, generated real, library real,
    primary key (kernel, device, threads, unit))"""


@dataclass(frozen=True)
class Subject:
    """What is measured: digests of the untiled kernel and of the device's description, and how many threads run it."""

    kernel: str
    device: str
    threads: int


@dataclass(frozen=True)
class Database:
    """One file, None where nothing is kept; several processes may use it at the same time."""

    path: Path | None

    @staticmethod
    def default() -> Database:
        """In the folder of the compile cache."""
        folder = cache.folder()
        return Database(folder / "tuning.sqlite" if folder is not None else None)

    @property
    def exists(self) -> bool:
        return self.path is not None and self.path.exists()

    def stamp(self) -> str:
        """Changes when something is recorded."""
        if self.path is None or not self.path.exists():
            return ""
        status = self.path.stat()
        return f"{status.st_size} {status.st_mtime_ns}"

    def record(self, subject: Subject, choice: Choice, ratio: float, seconds: float) -> None:
        """Keeps one measurement: `seconds` of a call, and their ratio to those with the compiler's own tiles.

        Raises ResourceError when the file cannot be written, UsageError where nothing is kept.
        """
        row = (subject.kernel, subject.device, subject.threads, choice_text(choice), ratio, seconds)
        self._writable().parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.execute(_TABLE)
            connection.execute("insert or replace into measured values (?, ?, ?, ?, ?, ?)", row)

    def measured(self, subject: Subject) -> list[tuple[Choice, float]]:
        """Every choice that was measured, and its ratio, the best first."""
        if not self.exists:
            return []
        query = "select tiles, ratio from measured where kernel = ? and device = ? and threads = ? order by ratio"
        with self._open() as connection:
            connection.execute(_TABLE)
            rows = connection.execute(query, (subject.kernel, subject.device, subject.threads)).fetchall()
        return [(_choice(tiles), float(ratio)) for tiles, ratio in rows]

    def best(self, subject: Subject) -> Choice | None:
        """The fastest choice, where it is clearly better than the compiler's own."""
        found = self.measured(subject)
        return found[0][0] if found and found[0][1] <= BETTER else None

    def record_offer(self, subject: Subject, unit: str, generated: float, library: float) -> None:
        """Keeps the seconds of a call by generated code and by the library that is `unit`. Raises as `record` does."""
        row = (subject.kernel, subject.device, subject.threads, unit, generated, library)
        self._writable().parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.execute(_OFFERS)
            connection.execute("insert or replace into offers values (?, ?, ?, ?, ?, ?)", row)

    def offered(self, subject: Subject, unit: str) -> tuple[float, float] | None:
        """Seconds by generated code and by a library; None where they were not measured."""
        if not self.exists:
            return None
        query = "select generated, library from offers where kernel = ? and device = ? and threads = ? and unit = ?"
        with self._open() as connection:
            connection.execute(_OFFERS)
            row = connection.execute(query, (subject.kernel, subject.device, subject.threads, unit)).fetchone()
        return None if row is None else (float(row[0]), float(row[1]))

    def _writable(self) -> Path:
        """The file; raises UsageError where nothing is kept."""
        if self.path is None:
            problem = "what is measured is kept in the folder of the compile cache, and STRATAGEM_CACHE is off"
            raise UsageError(problem, hint="let STRATAGEM_CACHE name a folder")
        return self.path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        assert self.path is not None
        try:
            with closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
                yield connection
        except sqlite3.Error as error:
            raise ResourceError(f"{self.path}: {error}", hint="delete the file: it holds measurements only") from None


def choice_text(choice: Choice) -> str:
    """Sizes and steps; what else a choice holds follows from these."""
    return json.dumps([sorted(choice.sizes.items()), list(choice.stages)])


def _choice(text: str) -> Choice:
    sizes, stages = json.loads(text)
    return Choice({int(d): int(n) for d, n in sizes}, tuple((int(d), int(n)) for d, n in stages))
