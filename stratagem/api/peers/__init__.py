"""Other ways to run a model, one file each, to measure beside Stratagem."""

from __future__ import annotations

from pathlib import Path

from stratagem.api.peers import iree, onnx_runtime, openvino, ours, torch_eager, torch_inductor, xla
from stratagem.api.peers.base import Peer
from stratagem.api.peers.convert import reachable
from stratagem.runtime.errors import ResourceError, UsageError

PEERS: dict[str, Peer] = {
    module.PEER.name: module.PEER for module in (torch_eager, torch_inductor, xla, onnx_runtime, openvino, iree)
}
OURS = ours.PEER


def choose(model: Path, against: str | None) -> list[Peer]:
    """The peers to measure: those named in `against`, separated by commas, or all that are installed and take the file.

    Raises UsageError for a name there is none of or a file it does not take, ResourceError when it is not installed.
    """
    formats = reachable(model.suffix.lower())
    if against is None:
        return [p for p in PEERS.values() if p.format in formats and not p.missing()]
    return [_named(name, model, formats) for name in dict.fromkeys(filter(None, map(str.strip, against.split(","))))]


def named(names: str) -> list[Peer]:
    """Peers by name, separated by commas; raises UsageError for an unknown one, ResourceError for one not installed."""
    return [_installed(_known(name)) for name in names.split(",")]


def _named(name: str, model: Path, formats: frozenset[str]) -> Peer:
    peer = _known(name)
    if peer.format not in formats:
        takes = sorted(s for s in SOURCES if peer.format in reachable(s))
        raise UsageError(f"{name} does not run {model.name}", hint=f"it takes {', '.join(takes)} files")
    return _installed(peer)


def _known(name: str) -> Peer:
    if name not in PEERS:
        raise UsageError(f"there is nothing called '{name}' to compare with", hint=f"there is {', '.join(PEERS)}")
    return PEERS[name]


def _installed(peer: Peer) -> Peer:
    if missing := peer.missing():
        needs = " ".join(f'"{m}"' if "[" in m else m for m in missing)
        raise ResourceError(f"{peer.name} is not installed", hint=f'pip install {needs}, or "stratagem[bench]" for all')
    return peer


SOURCES = (".onnx", ".pt2", ".mlir", ".mlirbc")
"""Endings of model files that Stratagem compiles and a peer may take."""
