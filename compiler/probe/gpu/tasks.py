"""What a probe times: a compiled kernel with its work. Plain data, so that machines that only measure can read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

INDEX = "task.json"


@dataclass(frozen=True)
class Task:
    """One kernel.

    Attributes:
        kind: `launch` (next to no work), `reads` (of a memory level) or `product` (of two matrices).
        kernel, files: its name in what the backend made. subject: the level that it reads, or the unit that computes.
        dtype, size: of a product, as rows, columns and depth. operations: of the product. moved: bytes that go from the
        level to the units. held: bytes that it works on. latency: seconds that any kernel waits for its first data, by
        the description.
    """

    kind: str
    kernel: str
    files: Mapping[str, bytes]
    subject: str = ""
    dtype: str = "f32"
    size: tuple[int, ...] = ()
    operations: float = 0.0
    moved: float = 0.0
    held: float = 0.0
    latency: float = 0.0

    @property
    def name(self) -> str:
        """Distinct among the tasks of a probe."""
        numbers = self.size or (int(self.held),)
        return "-".join([self.kind, *filter(None, (self.subject,)), self.dtype, *map(str, numbers)])

    def packed(self) -> dict[str, bytes]:
        """Its files, and one that says the rest."""
        facts = {key: value for key, value in asdict(self).items() if key != "files"}
        return {**self.files, INDEX: json.dumps(facts).encode()}


def unpacked(files: Mapping[str, bytes]) -> Task:
    """What `packed` gave."""
    facts = json.loads(files[INDEX])
    code = {name: content for name, content in files.items() if name != INDEX}
    return Task(**{**facts, "size": tuple(facts["size"]), "files": code})


def of_kind(tasks: list[Task], kind: str) -> Iterator[Task]:
    """Those of one kind, in order."""
    return (task for task in tasks if task.kind == kind)
