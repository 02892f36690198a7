"""A plan: how one training or inference step of a model is shared out over devices."""

from __future__ import annotations

from dataclasses import dataclass

from stratagem.runtime.errors import UsageError

RECOMPUTE = ("none", "selective", "full")
MODES = ("training", "inference")


@dataclass(frozen=True)
class Plan:
    """Degrees of parallelism and the choices that go with them. Ranks are numbered tensor first, then data, then
    pipeline, so that tensor groups are neighbours.

    Attributes:
        tensor, pipeline, data: ranks along each axis; their product is the number of devices.
        batch: samples of one step, all devices together. microbatch: samples of one pass through a pipeline stage.
        interleave: parts of the model that each pipeline rank holds (1F1B with virtual stages, arXiv:2104.04473).
        sequence: whether what tensor parallelism leaves whole is cut by rows (arXiv:2205.05198).
        recompute: which activations are made again: none, selective (the core of attention), full (whole layers).
        shard: what data-parallel ranks share instead of copying: 0 nothing, 1 optimizer states, 2 gradients too,
        3 weights too (ZeRO, Rajbhandari et al. 2020).
        overlap_gradients: gradients are exchanged while the last backward pass runs.
        overlap_tensor: backward exchanges of tensor groups run beside the gradients of weights.
        fused_accumulation: products add into the gradients themselves; else a kernel of its own does.
        wide_gradients: gradients are kept in 32 bits.
        listed_exchange: weights and gradients that data-parallel ranks share (3) travel matrix by matrix, through lists
        of one tensor for each rank that are copied one by one; else a block at a time, in place.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    batch: int = 1
    microbatch: int = 1
    interleave: int = 1
    sequence: bool = False
    recompute: str = "none"
    shard: int = 0
    overlap_gradients: bool = True
    overlap_tensor: bool = True
    fused_accumulation: bool = True
    wide_gradients: bool = True
    listed_exchange: bool = False

    def __post_init__(self) -> None:
        for name in ("tensor", "pipeline", "data", "batch", "microbatch", "interleave"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; a plan needs at least 1")
        if self.recompute not in RECOMPUTE:
            raise UsageError(
                f"there is no recomputation '{self.recompute}'", hint=f"choose from {', '.join(RECOMPUTE)}"
            )
        if self.shard not in (0, 1, 2, 3):
            raise UsageError(f"there is no sharding stage {self.shard}", hint="stages are 0 to 3")

    @property
    def devices(self) -> int:
        """How many there are."""
        return self.tensor * self.pipeline * self.data

    @property
    def microbatches(self) -> int:
        """Passes through each pipeline in one step."""
        return self.batch // (self.data * self.microbatch)

    def refusal(self, layers: int) -> str:
        """Why a model of `layers` equal blocks cannot run like that; empty when it can."""
        if self.batch % (self.data * self.microbatch):
            return f"a batch of {self.batch} is not {self.data} x {self.microbatch} x a whole number"
        if layers % (self.pipeline * self.interleave):
            return f"{layers} layers are not {self.pipeline} x {self.interleave} equal stages"
        if self.interleave > 1 and (self.pipeline == 1 or self.microbatches % self.pipeline):
            return f"interleaving needs microbatches ({self.microbatches}) in multiples of {self.pipeline} stages"
        if self.sequence and self.tensor == 1:
            return "sequence parallelism needs tensor parallelism"
        return ""

    def text(self) -> str:
        """The plan in a few words: t8 p4 d16 b1."""
        parts = [f"t{self.tensor}", f"p{self.pipeline}", f"d{self.data}", f"b{self.microbatch}"]
        parts += [f"v{self.interleave}"] if self.interleave > 1 else []
        parts += ["seq"] if self.sequence else []
        parts += [self.recompute] if self.recompute != "none" else []
        parts += [f"zero{self.shard}"] if self.shard else []
        return " ".join(parts)
