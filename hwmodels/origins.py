"""Values to base units, with the origin of each kept under its path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stratagem.hwmodels.model import Pins
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.schema.link import PinsEntry
from stratagem.hwmodels.trust import Provenance
from stratagem.hwmodels.values import Directed, Value


class Origins:
    """Collects the provenance of every value while it is converted."""

    def __init__(self, root: Node, clock: float | None = None) -> None:
        self.root, self.clock = root, clock
        self.found: dict[str, Provenance] = {}
        self.inherited: dict[tuple[str | int, ...], Provenance] = {}

    def number(self, value: Value | None, *path: str | int) -> float | None:
        """A value in base units, its origin noted under its path."""
        if value is None:
            return None
        origin = self.origin(value, path)
        self.found[self.root.label(path)] = origin
        if self.root.at(path).source is not self.root.source:
            self.inherited[path] = origin
        return value.quantity.at_clock(self.clock)

    def whole(self, value: Value | None, *path: str | int) -> int | None:
        """A value that counts bytes."""
        number = self.number(value, *path)
        return None if number is None else round(number)

    def table(self, values: Mapping[str, Value], *path: str | int) -> dict[str, float]:
        """A map of values."""
        numbers = {key: self.number(value, *path, key) for key, value in values.items()}
        return {key: number for key, number in numbers.items() if number is not None}

    def wires(self, entry: PinsEntry | None, *path: str | int) -> Pins | None:
        """Equal wires in parallel."""
        rate = self.number(entry.rate, *path, "rate") if entry else None
        return Pins(entry.count, rate) if entry and rate is not None else None

    def bandwidth_of(self, pins: Pins | None, *wires: str | int) -> float | None:
        """What wires give where no bandwidth is stated; its origin is that of their rate."""
        if pins is None:
            return None
        of_rate = self.found[self.root.label((*wires, "rate"))]
        path = (*wires[:-1], "bandwidth")
        self.found[self.root.label(path[:-1]) + ".bandwidth"] = replace(of_rate, text=f"{pins.bandwidth!r} B/s")
        return pins.bandwidth

    def directed(self, value: Directed | None, *path: str | int) -> tuple[float | None, dict[str, float]]:
        """A value that may differ by direction: the main one, and all by direction."""
        if value is None:
            return None, {}
        return self.number(value.main, *path), self.table(value.directions, *path)

    def origin(self, value: Value, path: tuple[str | int, ...]) -> Provenance:
        """What the value says of itself, else what the document says that wrote it."""
        stated, default = value.origin, source_of(self.root.at(path))
        text = value.quantity.text
        if stated is None:
            return replace(default, text=text)
        if stated.kind and (stated.kind != default.kind or stated.id):  # it owes nothing to the file's source
            return replace(stated, text=text)
        spread = default.spread if stated.spread is None else stated.spread
        retrieved = stated.retrieved if stated.id else default.retrieved
        identity, note = stated.id or default.id, stated.note or default.note
        return Provenance(default.kind, spread, identity, note, text, retrieved)

    def document(self) -> dict[str, Any]:
        """The description as plain data in which inherited numbers carry their own origin along."""

        def plain(node: Node, path: tuple[str | int, ...]) -> Any:
            if path in self.inherited and not isinstance(node.value, list):
                return value_map(self.inherited[path])
            if isinstance(node.value, dict):
                return {key: plain(child, (*path, key)) for key, child in node.value.items()}
            if isinstance(node.value, list):
                return [plain(child, (*path, n)) for n, child in enumerate(node.value)]
            return node.value

        document: dict[str, Any] = plain(self.root, ())
        return document


def value_map(origin: Provenance) -> dict[str, str]:
    """A number with its origin, as the schema writes it."""
    spread = "" if origin.spread is None else f"{origin.spread * 100:.12g}%"
    entries = {
        "value": origin.text,
        "kind": origin.kind,
        "spread": spread,
        "id": origin.id,
        "note": origin.note,
        "retrieved": origin.retrieved,
    }
    return {key: text for key, text in entries.items() if text}


def source_of(node: Node) -> Provenance:
    """The `source:` of the document that wrote a node."""
    from stratagem.hwmodels import units

    entry = node.source.plain() if node.source is not None else {}
    if not isinstance(entry, dict):
        return Provenance()
    try:
        spread = units.read_quantity(entry["spread"], units.RATIO).value if "spread" in entry else None
    except units.UnitError:
        spread = None
    texts = {key: str(entry.get(key, "")) for key in ("id", "note", "retrieved")}
    return Provenance(str(entry.get("kind", "assumed")), spread, **texts)


def status_of(root: Node) -> str:
    """How far the numbers of a document were looked at: "placeholder", "draft" or "reviewed"."""
    source = root.child("source")
    status = source.child("status") if source is not None else None
    return str(status.value) if status is not None else "draft"
